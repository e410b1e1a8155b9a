"""A convolutional network as evaluation classifier for photographs."""

from __future__ import annotations

from itertools import pairwise
from typing import Any

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor, nn
from torch.nn import functional

from clients.cache import data_hash, folder, load_or_train
from clients.compute import Compute
from clients.diffusion.images import Images, in_every_style
from clients.diffusion.judges.spec import Cnn
from clients.diffusion.spec import Axis, Style
from clients.streams import order, torch_generator

_KEY = "judge"
_SMALLEST = 4
_AT_ONCE = 256


class CnnJudge:
    """One stage per width (3 x 3 convolution, batch normalisation, ReLU, 2 x 2 max pooling), global average pooling, a linear layer.

    It is trained by SGD with momentum and label smoothing, on images that are shifted and, if they have colours, mirrored at random.
    Images are not augmented if there are styles. Every draw is keyed, so that the same images give the same judge.

    Parameters
    ----------
    images : Images
        Without styles applied.
    spec : Cnn
    styles : tuple of str
        Styles in which every image is learned and judged.
    axis : {"class", "style"}
        Label to predict.
    compute : Compute
        Device of training and prediction.

    Attributes
    ----------
    accuracy : float
        Accuracy on the held-out images, in [0, 1].
    held_out : int
        Number of these images.
    """

    def __init__(self, images: Images, spec: Cnn, *, styles: tuple[Style, ...], axis: Axis, compute: Compute) -> None:
        self._compute, self._device = compute, compute.place()
        fit, test = _split(images, spec.held_out)
        learned, asked = (in_every_style(part, styles) if styles else part for part in (fit, test))
        values = len(styles) if axis == "style" else int(images.classes.max()) + 1
        self._network = _Network(images.pixels.shape[1], images.pixels.shape[2], spec.widths, values)
        configuration: dict[str, Any] = {
            "what": "judge",
            "judge": spec.model_dump(mode="json"),
            "images": data_hash(images.pixels, images.classes),
            "styles": list(styles),
            "axis": axis,
        }
        if compute.device != "cpu":
            configuration["compute"] = compute.model_dump(mode="json")

        def train(network: nn.Module) -> None:
            assert isinstance(network, _Network)
            network.to(self._device)
            _train(network, learned, _labels(learned, axis), spec, moved=not styles)
            network.accuracy.fill_(float((self.predict(asked.pixels) == _labels(asked, axis).numpy()).mean()))

        with compute.active():
            load_or_train(folder(), configuration, self._network, train)
        self._network.to(self._device).eval()
        self.accuracy, self.held_out = float(self._network.accuracy), len(asked)

    def predict(self, pixels: Tensor) -> npt.NDArray[np.int64]:
        """Return the predicted id of each sample, int64 ``(n,)``."""
        return np.asarray(self._asked(pixels, self._network).argmax(dim=1).numpy(), dtype=np.int64)

    def features(self, pixels: Tensor) -> npt.NDArray[np.float64]:
        """Return the pooled activations of the last stage, float64 ``(n, last width)``."""
        return np.asarray(self._asked(pixels, self._network.features).double().numpy())

    def _asked(self, pixels: Tensor, module: nn.Module) -> Tensor:
        """Return the output of a part of the network for the samples, on the CPU."""
        self._network.eval()
        with torch.no_grad(), self._compute.active():
            return torch.cat([module(part.clamp(-1, 1).float().to(self._device)).cpu() for part in torch.split(pixels, _AT_ONCE)])


class _Network(nn.Module):
    """The network, with its measured accuracy as a buffer."""

    accuracy: Tensor

    def __init__(self, channels: int, side: int, widths: tuple[int, ...], values: int) -> None:
        super().__init__()
        layers: list[nn.Module] = []
        for before, after in pairwise((channels, *widths)):
            layers += [_convolution(before, after, len(layers)), nn.BatchNorm2d(after), nn.ReLU()]
            if side > _SMALLEST:
                layers.append(nn.MaxPool2d(2))
                side //= 2
        self.features = nn.Sequential(*layers, nn.AdaptiveAvgPool2d(1), nn.Flatten())
        self.head = nn.Linear(widths[-1], values, device="meta").to_empty(device="cpu")
        nn.init.zeros_(self.head.weight)
        nn.init.zeros_(self.head.bias)
        self.register_buffer("accuracy", torch.zeros((), dtype=torch.float64))

    def forward(self, pixels: Tensor) -> Tensor:
        """Return the logits, ``(n, values)``."""
        logits: Tensor = self.head(self.features(pixels))
        return logits


def _convolution(before: int, after: int, place: int) -> nn.Conv2d:
    """Return a convolution without bias, its weights keyed by its position (He initialisation: He et al., ICCV 2015)."""
    layer = nn.Conv2d(before, after, 3, padding=1, bias=False, device="meta").to_empty(device="cpu")
    with torch.no_grad():
        layer.weight.normal_(0.0, (2 / (9 * before)) ** 0.5, generator=torch_generator(_KEY, "init", place))
    return layer


def _split(images: Images, share: float) -> tuple[Images, Images]:
    """Return the training images and the held-out images, which are a share of each class, at least one."""
    held = torch.zeros(len(images), dtype=torch.bool)
    for value in np.unique(images.classes.numpy()):
        own = np.flatnonzero(images.classes.numpy() == value)
        held[own[order(own, _KEY, "held out")][: max(1, int(share * len(own)))]] = True
    return images.select(~held), images.select(held)


def _labels(images: Images, axis: Axis) -> Tensor:
    labels = images.classes if axis == "class" else images.styles
    assert labels is not None
    return labels


def _train(network: _Network, images: Images, labels: Tensor, spec: Cnn, *, moved: bool) -> None:
    """Train in place; batches are drawn with replacement, keyed by the step."""
    device = network.head.weight.device
    optimizer = torch.optim.SGD(network.parameters(), lr=spec.lr, momentum=0.9, nesterov=True, weight_decay=5e-4)
    network.train()
    warm = max(1, spec.steps // 5)
    for step in range(spec.steps):
        for group in optimizer.param_groups:
            group["lr"] = spec.lr * min((step + 1) / warm, (spec.steps - step) / max(1, spec.steps - warm))
        generator = torch_generator(_KEY, "step", step)
        rows = torch.randint(len(images), (spec.batch_size,), generator=generator)
        pixels = images.pixels[rows]
        pixels = _moved(pixels, generator) if moved else pixels
        loss = functional.cross_entropy(network(pixels.to(device)), labels[rows].to(device), label_smoothing=0.1)
        optimizer.zero_grad(set_to_none=True)
        loss.backward()  # type: ignore[no-untyped-call]
        optimizer.step()
    network.eval()


def _moved(pixels: Tensor, generator: torch.Generator) -> Tensor:
    """Return every image shifted by up to an eighth of its side with its edge repeated; half of the colour images are mirrored."""
    count, channels, side, _ = pixels.shape
    reach = max(1, side // 8)
    padded = functional.pad(pixels, (reach,) * 4, mode="replicate")
    down, right = torch.randint(2 * reach + 1, (2, count, 1), generator=generator) + torch.arange(side)
    if channels > 1:
        right = torch.where(torch.rand(count, 1, generator=generator) < 0.5, right.flip(1), right)
    picked = padded[torch.arange(count)[:, None, None], :, down[:, :, None], right[:, None, :]]
    return picked.movedim(-1, 1).contiguous()
