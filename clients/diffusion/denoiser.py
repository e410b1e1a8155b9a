"""The denoiser: condition tokens, a diffusers UNet, and initial weights keyed by their layer."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any, Protocol

import torch
from diffusers import UNet2DConditionModel
from torch import Tensor, nn

from clients.diffusion.spec import DenoiserSpec
from clients.streams import Field, torch_generator
from clients.unlearning.pruning.layers import feed_forward_layers


class ConditionTokens(nn.Module):
    """Learned tokens for classes and, optionally, styles; the last row of each table means "no condition".

    A class has two tokens and a style one, so a condition has shape ``(batch, 2 or 3, width)``.
    """

    def __init__(self, classes: int, styles: int, width: int) -> None:
        super().__init__()
        self.width = width
        self.class_table = nn.Embedding(classes + 1, 2 * width)
        self.style_table = nn.Embedding(styles + 1, width) if styles else None

    def forward(self, classes: Tensor, styles: Tensor | None = None) -> Tensor:
        """Return the tokens, float32 ``(batch, tokens, width)``, of int64 ids ``(batch,)``."""
        tokens: Tensor = self.class_table(classes).view(len(classes), 2, self.width)
        if self.style_table is None:
            return tokens
        if styles is None:
            styles = torch.full_like(classes, self.style_table.num_embeddings - 1)
        return torch.cat([tokens, self.style_table(styles)[:, None]], dim=1)


class NoisePredictor(Protocol):
    """A model as samplers and scores use it."""

    @property
    def spec(self) -> DenoiserSpec:
        """Description of its images and conditions."""

    @property
    def null(self) -> tuple[int, int]:
        """Ids of "no class" and "no style"."""

    @property
    def device(self) -> torch.device:
        """Device on which its inputs must be."""

    def __call__(self, noisy: Tensor, time: Tensor, classes: Tensor, styles: Tensor | None = None) -> Tensor:
        """Return the predicted noise, of the shape of ``noisy``."""


class Weighted(NoisePredictor, Protocol):
    """A model that tells what it consists of."""

    def tensors(self) -> Sequence[Tensor]:
        """Return all tensors on which its predictions depend."""


class Denoiser(nn.Module):
    """Predicts the noise in an image, given the time step and a condition."""

    def __init__(self, spec: DenoiserSpec) -> None:
        super().__init__()
        self.spec = spec
        levels, plain = len(spec.widths), spec.plain_levels
        make: Any = UNet2DConditionModel  # the library is not typed throughout
        self.unet: nn.Module = make(
            sample_size=spec.size,
            in_channels=spec.channels,
            out_channels=spec.channels,
            block_out_channels=spec.widths,
            layers_per_block=spec.layers,
            down_block_types=("DownBlock2D",) * plain + ("CrossAttnDownBlock2D",) * (levels - plain),
            mid_block_type="UNetMidBlock2DCrossAttn",
            up_block_types=("CrossAttnUpBlock2D",) * (levels - plain) + ("UpBlock2D",) * plain,
            cross_attention_dim=spec.condition_width,
            attention_head_dim=spec.heads,  # read by this class as the number of heads
            norm_num_groups=spec.groups,
        )
        self.conditions = ConditionTokens(spec.classes, len(spec.styles), spec.condition_width)

    @property
    def null(self) -> tuple[int, int]:
        """Ids of "no class" and "no style"."""
        return self.spec.classes, len(self.spec.styles)

    @property
    def device(self) -> torch.device:
        """Device of its weights, on which its inputs must be too."""
        return self.conditions.class_table.weight.device

    def forward(self, noisy: Tensor, time: Tensor, classes: Tensor, styles: Tensor | None = None) -> Tensor:
        """Return the predicted noise, float32, of the shape of ``noisy`` ``(batch, channels, size, size)``."""
        tokens = self.conditions(classes, styles)
        predicted: Tensor = self.unet(noisy, time, encoder_hidden_states=tokens, return_dict=False)[0]
        return predicted

    def tensors(self) -> Sequence[Tensor]:
        """Return all parameters and buffers."""
        return list(self.state_dict().values())


def build(spec: DenoiserSpec, key: tuple[Field, ...]) -> Denoiser:
    """Return an untrained denoiser on the CPU, with all weights drawn from streams keyed by ``key`` and the layer's name."""
    with torch.device("meta"):
        denoiser = Denoiser(spec)
    denoiser.to_empty(device="cpu")
    with torch.no_grad():
        for name, module in denoiser.named_modules():
            _initialise(module, name, key)
        if spec.feed_forward_std is not None:
            for name, layer in feed_forward_layers(denoiser.unet).items():
                layer.weight.normal_(0.0, spec.feed_forward_std, generator=torch_generator(*key, "feed_forward", name))
    return denoiser.eval()


def _initialise(module: nn.Module, name: str, key: tuple[Field, ...]) -> None:
    """Draw the module's own parameters from torch's default distribution."""
    own = dict(module.named_parameters(recurse=False))
    if not own:
        return
    generator = torch_generator(*key, "init", name)
    if isinstance(module, nn.Linear | nn.Conv2d):
        bound = 1 / math.sqrt(module.weight[0].numel())  # equals Kaiming initialisation with a = sqrt(5)
        module.weight.uniform_(-bound, bound, generator=generator)
        if module.bias is not None:
            module.bias.uniform_(-bound, bound, generator=generator)
    elif isinstance(module, nn.GroupNorm | nn.LayerNorm):
        module.weight.fill_(1.0)
        module.bias.zero_()
    elif isinstance(module, nn.Embedding):
        module.weight.normal_(generator=generator)
    else:
        raise TypeError(f"no initial weights are known for {name} ({type(module).__name__}); add its kind to the denoiser's initialiser")


