"""Concept inversion: an adversary learns what stands for a concept in the condition, and no weight of the network.

After textual inversion (Gal et al. 2022, arXiv 2208.01618), which Pham et al. (2023, arXiv 2308.01508) turn on erased concepts.
"""

from __future__ import annotations

from collections.abc import Collection, Iterator
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
    """Learns tokens of a concept that make a released model draw what images show; the model stays unchanged.

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
    """

    denoiser: Denoiser
    images: Images
    noise: NoiseSchedule
    key: tuple[Field, ...]
    axis: Axis
    concept: int

    def __call__(self, steps: int, rate: float) -> Tensor:
        """Return the tokens, float32 ``(width of the table,)``, after a number of Adam steps at a learning rate."""
        return self.course((steps,), rate)[steps]

    def course(self, stops: Collection[int], rate: float) -> dict[int, Tensor]:
        """Return the tokens after each of several numbers of steps, all from one training as long as the largest."""
        table, schedule = _table(self.denoiser, self.axis), scheduler(self.noise)
        tokens = table.weight[self.concept].detach().clone().requires_grad_(True)
        optimizer = torch.optim.Adam([tokens], lr=rate)
        found = {0: tokens.detach().clone()}
        for step in range(max(stops)):
            with replaced(self.denoiser, self.axis, self.concept, tokens):
                generator = torch_generator(*self.key, "inversion", step)
                loss = denoising_loss(self.denoiser, self.images, schedule, generator, len(self.images))
                (gradient,) = torch.autograd.grad(loss, [table.weight])
            tokens.grad = gradient[self.concept]
            optimizer.step()
            if step + 1 in stops:
                found[step + 1] = tokens.detach().clone()
        return {steps: found[steps] for steps in stops}


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
