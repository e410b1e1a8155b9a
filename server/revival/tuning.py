"""Training a released model for a few steps on a few images, by an adversary who has images of its own."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping
from dataclasses import dataclass

import torch
from torch import Tensor, nn

from clients.diffusion.denoiser import Denoiser
from clients.diffusion.images import Images
from clients.diffusion.spec import NoiseSchedule
from clients.diffusion.training import denoising_loss, scheduler
from clients.streams import Field, torch_generator
from clients.unlearning.pruning.gradients import borrowed, chosen, follow, gradients
from clients.unlearning.pruning.layers import feed_forward_weights, set_feed_forward_weights


@dataclass(frozen=True)
class Tuner:
    """Trains a released model on images of one concept; called, its feed-forward output weights, which contain the cut.

    Parameters
    ----------
    denoiser : Denoiser
        The released model; a call leaves it unchanged.
    images : Images
        The adversary's own images. Each step draws as many of them as there are, with replacement.
    noise : NoiseSchedule
    key : tuple
        Key of the draws.
    """

    denoiser: Denoiser
    images: Images
    noise: NoiseSchedule
    key: tuple[Field, ...]

    def __call__(self, weights: Mapping[str, Tensor], steps: int, rate: float) -> dict[str, Tensor]:
        """Return the weights after a number of Adam steps at a learning rate, starting from the given ones."""
        return self.course(weights, (steps,), rate)[steps]

    def course(self, weights: Mapping[str, Tensor], stops: Collection[int], rate: float) -> dict[int, dict[str, Tensor]]:
        """Return the weights after each of several numbers of steps, all from one training as long as the largest."""
        unet = self.denoiser.unet
        parameters = chosen(unet, "feed_forward_out")
        with borrowed(unet, parameters):
            set_feed_forward_weights(unet, dict(weights))
            return {step: feed_forward_weights(unet) for step in self._steps(parameters, max(stops), rate) if step in stops}

    def train(self, parameters: Mapping[str, nn.Parameter], steps: int, rate: float) -> None:
        """Change parameters of the model in place by a number of Adam steps at a learning rate."""
        for _ in self._steps(parameters, steps, rate):
            pass

    def _steps(self, parameters: Mapping[str, nn.Parameter], steps: int, rate: float) -> Iterator[int]:
        """Take the steps, and yield before the first and after each how many were taken."""
        noise, optimizer = scheduler(self.noise), torch.optim.Adam(parameters.values(), lr=rate)
        yield 0
        for step in range(steps):
            generator = torch_generator(*self.key, "relearn", step)
            loss = denoising_loss(self.denoiser, self.images, noise, generator, len(self.images))
            follow(optimizer, parameters, gradients(loss, parameters))
            yield step + 1
