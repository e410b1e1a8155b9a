"""Concept inversion: an adversary learns what stands for a concept in the condition, and no weight of the network.

After textual inversion (Gal et al. 2022, arXiv 2208.01618), which Pham et al. (2023, arXiv 2308.01508) turn on erased concepts.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass

import torch
from torch import Tensor, nn

from clients.diffusion.denoiser import Denoiser
from clients.diffusion.images import Images
from clients.diffusion.spec import Axis, NoiseSchedule
from clients.diffusion.training import denoising_loss, scheduler
from clients.streams import Field, torch_generator


@dataclass(frozen=True)
class Inverter:
    """Called with a number of steps and a learning rate, it returns what `inverted` does; parameters as there."""

    denoiser: Denoiser
    images: Images
    noise: NoiseSchedule
    key: tuple[Field, ...]
    axis: Axis
    concept: int

    def __call__(self, steps: int, rate: float) -> Tensor:
        """Return the learned tokens of the concept."""
        draws = self.denoiser, self.images, self.noise, self.key
        return inverted(*draws, axis=self.axis, concept=self.concept, steps=steps, rate=rate)


def inverted(
    denoiser: Denoiser,
    images: Images,
    noise: NoiseSchedule,
    key: tuple[Field, ...],
    *,
    axis: Axis,
    concept: int,
    steps: int,
    rate: float,
) -> Tensor:
    """Return tokens of a concept that make the denoiser draw what the images show; it stays unchanged.

    Parameters
    ----------
    denoiser : Denoiser
        The released model.
    images : Images
        Images of the concept. Each step draws as many of them as there are, with replacement.
    noise : NoiseSchedule
    key : tuple
        Key of the draws.
    axis : {"class", "style"}
        Table that the concept belongs to.
    concept : int
        Row of the table; its tokens are where training starts.
    steps : int
        Steps of Adam.
    rate : float
        Learning rate.

    Returns
    -------
    float32 tensor, shape (width of the table,)
    """
    table, schedule = _table(denoiser, axis), scheduler(noise)
    tokens = table.weight[concept].detach().clone().requires_grad_(True)
    optimizer = torch.optim.Adam([tokens], lr=rate)
    for step in range(steps):
        with replaced(denoiser, axis, concept, tokens):
            loss = denoising_loss(denoiser, images, schedule, torch_generator(*key, "inversion", step), len(images))
            (gradient,) = torch.autograd.grad(loss, [table.weight])
        tokens.grad = gradient[concept]
        optimizer.step()
    return tokens.detach()


@contextmanager
def replaced(denoiser: Denoiser, axis: Axis, concept: int, tokens: Tensor) -> Iterator[None]:
    """Put other tokens in the place of a concept's inside the context."""
    table = _table(denoiser, axis)
    before, needed = table.weight[concept].detach().clone(), table.weight.requires_grad
    with torch.no_grad():
        table.weight[concept] = tokens
    table.weight.requires_grad_(True)
    try:
        yield
    finally:
        with torch.no_grad():
            table.weight[concept] = before
        table.weight.requires_grad_(needed)


def _table(denoiser: Denoiser, axis: Axis) -> nn.Embedding:
    table = denoiser.conditions.class_table if axis == "class" else denoiser.conditions.style_table
    assert table is not None
    return table
