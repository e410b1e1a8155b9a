"""The feed-forward layers of a denoiser, from which concepts are cut."""

from __future__ import annotations

import torch
from torch import Tensor, nn

FEED_FORWARD_OUT = ".ff.net.2"
"""Suffix of the names of feed-forward output layers, as in Stable Diffusion."""


def feed_forward_layers(unet: nn.Module) -> dict[str, nn.Linear]:
    """Return the feed-forward output layers by module name; the weight is ``(output units, hidden neurons)``."""
    return {n: m for n, m in unet.named_modules() if n.endswith(FEED_FORWARD_OUT) and isinstance(m, nn.Linear)}


def feed_forward_weights(unet: nn.Module) -> dict[str, Tensor]:
    """Return copies of the feed-forward output weights by module name, on the CPU."""
    return {name: layer.weight.detach().to("cpu", copy=True) for name, layer in feed_forward_layers(unet).items()}


def set_feed_forward_weights(unet: nn.Module, weights: dict[str, Tensor]) -> None:
    """Write the weights into the layers of these names; ``KeyError`` names a missing layer."""
    layers = feed_forward_layers(unet)
    missing = sorted(set(weights) - set(layers))
    if missing:
        raise KeyError(f"no feed-forward layer named {missing[0]}; the model has {sorted(layers)}")
    with torch.no_grad():
        for name, weight in weights.items():
            layers[name].weight.copy_(weight)
