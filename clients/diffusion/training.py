"""Training of a denoiser: first a backbone independent of the class, then the feed-forward weights, which encode the class."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager, nullcontext
from typing import Any, Literal

import torch
from diffusers import DDIMScheduler
from torch import Tensor, nn
from torch.nn import functional
from torch.nn.utils import parametrize

from clients.diffusion.denoiser import Denoiser, NoisePredictor
from clients.diffusion.images import Images
from clients.diffusion.spec import DenoiserTraining, NoiseSchedule
from clients.streams import Field, torch_generator
from clients.unlearning.pruning.layers import feed_forward_layers

Phase = Literal["backbone", "concept", "joint"]
Progress = Callable[[str, int, int], None]


def scheduler(noise: NoiseSchedule) -> Any:
    """Return the scheduler that adds noise in training and removes it in sampling."""
    make: Any = DDIMScheduler  # the library is not typed throughout
    return make(num_train_timesteps=noise.timesteps, beta_schedule=noise.betas, prediction_type="epsilon", clip_sample=True)


def trainable(denoiser: Denoiser, phase: Phase) -> dict[str, nn.Parameter]:
    """Return the parameters that a phase may change, by name."""
    names = {"joint": lambda _: True, "concept": _in_feed_forward, "backbone": _in_backbone}[phase]
    return {name: p for name, p in denoiser.named_parameters() if names(name)}


def _in_feed_forward(name: str) -> bool:
    return ".ff." in name and not name.endswith("parametrizations.weight.original")  # the low-rank design keeps the original constant


def _in_backbone(name: str) -> bool:
    return not (".ff." in name or ".attn2." in name or name.startswith("conditions."))


def learning_rate(step: int, total: int, settings: DenoiserTraining) -> float:
    """Return the learning rate of a step: linear warm-up times half a cosine, plus ``final_lr``."""
    warm = min(1.0, (step + 1) / settings.warmup)
    return settings.lr * warm * (1 + math.cos(math.pi * step / total)) / 2 + settings.final_lr


def train(
    denoiser: Denoiser,
    images: Images,
    settings: DenoiserTraining,
    key: tuple[Field, ...],
    progress: Progress | None = None,
) -> None:
    """Train in place from the initial weights through all phases of the design."""
    if settings.design == "joint":
        steps = settings.backbone_steps + settings.concept_steps
        train_phase(denoiser, images, settings, "joint", key, total=steps, progress=progress)
        return
    train_phase(denoiser, images, settings, "backbone", key, total=settings.backbone_steps, progress=progress)
    train_phase(denoiser, images, settings, "concept", key, total=settings.concept_steps, progress=progress)


def train_phase(
    denoiser: Denoiser,
    images: Images,
    settings: DenoiserTraining,
    phase: Phase,
    key: tuple[Field, ...],
    *,
    total: int,
    window: tuple[int, int] | None = None,
    fixed: Mapping[str, Tensor] | None = None,
    proximal: float = 0.0,
    progress: Progress | None = None,
) -> None:
    """Train one phase in place; at its end the denoiser has the exponential moving average (EMA) of the weights.

    Parameters
    ----------
    denoiser : Denoiser
        Trained on its device.
    images : Images
        Batches are drawn from them with replacement, keyed by step.
    settings : DenoiserTraining
    phase : {"backbone", "concept", "joint"}
        In the backbone phase the condition is drawn independently of the image.
    key : tuple
        Keys every draw, together with the phase and the step.
    total : int
        Steps of the whole phase, on which the learning rate depends.
    window : (int, int), optional
        First step and the step after the last; default: the whole phase. Optimiser state and average start anew.
    fixed : mapping of layer name to bool tensor, optional
        Entries of feed-forward output weights that keep their value (a cut, or its fill) after every step. In the low-rank design
        the product is added to the other entries only, so that fixed entries keep their value in the sum of weight and product.
    proximal : float
        Weight mu of the proximal term ``mu / 2 * ||w - w_0||^2``, with the weights ``w_0`` at the start (FedProx).
    progress : callable, optional
        Called with phase, step, total.
    """
    first, last = window or (0, total)
    low_rank = settings.design == "low_rank" and phase == "concept"
    with _low_rank(denoiser, settings.rank, fixed or {}, key, first) if low_rank else nullcontext():
        parameters = trainable(denoiser, phase)
        for name, parameter in denoiser.named_parameters():
            parameter.requires_grad_(name in parameters)
        average = {name: p.detach().clone() for name, p in parameters.items()}
        start = {name: p.clone() for name, p in average.items()} if proximal else {}
        optimizer = torch.optim.AdamW(list(parameters.values()), lr=settings.lr, weight_decay=settings.weight_decay)
        hold = _Hold(denoiser, {} if low_rank else fixed or {})
        noise = scheduler(settings.noise)
        denoiser.train()
        for step in range(first, last):
            for group in optimizer.param_groups:
                group["lr"] = learning_rate(step, total, settings)
            loss = _loss(denoiser, images, noise, settings, phase, torch_generator(*key, phase, step))
            optimizer.zero_grad(set_to_none=True)
            loss.backward()  # type: ignore[no-untyped-call]
            for name, anchor in start.items():
                parameter = parameters[name]
                assert parameter.grad is not None
                parameter.grad.add_(parameter.detach() - anchor, alpha=proximal)
            nn.utils.clip_grad_norm_(list(parameters.values()), settings.clip)
            optimizer.step()
            hold.restore()
            keep = min(settings.ema, (1 + step - first) / (10 + step - first))
            with torch.no_grad():
                for name, parameter in parameters.items():
                    average[name].lerp_(parameter, 1 - keep)
            if progress is not None:
                progress(phase, step + 1 - first, last - first)
        with torch.no_grad():
            for name, parameter in parameters.items():
                parameter.copy_(average[name])
        hold.restore()
    denoiser.requires_grad_(True).eval()


def denoising_loss(
    denoiser: NoisePredictor, images: Images, noise: Any, generator: torch.Generator, batch_size: int, null_share: float = 0.0
) -> Tensor:
    """Return the mean squared error of the predicted noise on a batch drawn with ``generator``, a scalar on the denoiser's device.

    Everything is drawn on the CPU, so that the draws are the same on every device.
    """
    rows = torch.randint(len(images), (batch_size,), generator=generator)
    batch = images.select(rows)
    time = torch.randint(noise.config.num_train_timesteps, (batch_size,), generator=generator)
    drawn = torch.randn(batch.pixels.shape, generator=generator)
    dropped = torch.rand(batch_size, generator=generator) < null_share
    classes = torch.where(dropped, denoiser.null[0], batch.classes)
    styles = None if batch.styles is None else torch.where(dropped, denoiser.null[1], batch.styles)
    pixels, drawn, time, classes = (tensor.to(denoiser.device) for tensor in (batch.pixels, drawn, time, classes))
    styles = None if styles is None else styles.to(denoiser.device)
    return functional.mse_loss(denoiser(noise.add_noise(pixels, drawn, time), time, classes, styles), drawn)


def _loss(denoiser: Denoiser, images: Images, noise: Any, settings: DenoiserTraining, phase: Phase, generator: torch.Generator) -> Tensor:
    """Return the loss of one step of a phase."""
    if phase != "backbone":
        return denoising_loss(denoiser, images, noise, generator, settings.batch_size, settings.null_share)
    classes = torch.randint(denoiser.null[0] + 1, (len(images),), generator=generator)
    styles = None if images.styles is None else torch.randint(denoiser.null[1] + 1, (len(images),), generator=generator)
    return denoising_loss(denoiser, Images(images.pixels, classes, styles), noise, generator, settings.batch_size)


class _Hold:
    """Keeps chosen entries of feed-forward output weights at their current value."""

    def __init__(self, denoiser: Denoiser, fixed: Mapping[str, Tensor]) -> None:
        layers = feed_forward_layers(denoiser.unet)
        places = {name: mask.to(denoiser.device) for name, mask in fixed.items()}
        self._held = [(layers[name].weight, mask, layers[name].weight.detach()[mask].clone()) for name, mask in places.items()]

    def restore(self) -> None:
        """Restore the held values."""
        with torch.no_grad():
            for weight, mask, values in self._held:
                weight[mask] = values


class _LowRank(nn.Module):
    """A constant weight plus a learned low-rank product, which is added to entries that are not held."""

    def __init__(self, weight: Tensor, rank: int, held: Tensor | None, generator: torch.Generator) -> None:
        super().__init__()
        rows, columns = weight.shape
        self.left = nn.Parameter(torch.zeros(rows, rank, device=weight.device))
        self.right = nn.Parameter((torch.randn(rank, columns, generator=generator) / math.sqrt(columns)).to(weight.device))
        self.held = None if held is None else held.to(weight.device)

    def forward(self, weight: Tensor) -> Tensor:
        """Return the sum."""
        product = self.left @ self.right
        return weight + (product if self.held is None else product.masked_fill(self.held, 0.0))


@contextmanager
def _low_rank(denoiser: Denoiser, rank: int, held: Mapping[str, Tensor], key: tuple[Field, ...], first: int) -> Iterator[None]:
    """Learn the feed-forward output weights as a low-rank update inside the context, of another right factor in every window."""
    layers = feed_forward_layers(denoiser.unet)
    window = (first,) if first else ()
    for name, layer in layers.items():
        generator = torch_generator(*key, "low_rank", name, *window)
        parametrize.register_parametrization(layer, "weight", _LowRank(layer.weight, rank, held.get(name), generator))
    try:
        yield
    finally:
        for layer in layers.values():
            parametrize.remove_parametrizations(layer, "weight")
