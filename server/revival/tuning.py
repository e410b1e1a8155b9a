"""Training a released model for a few steps on a few images, by an adversary who has images of its own."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import torch
from torch import Tensor

from clients.diffusion.denoiser import Denoiser
from clients.diffusion.images import Images
from clients.diffusion.spec import NoiseSchedule
from clients.diffusion.training import denoising_loss, scheduler
from clients.streams import Field, torch_generator
from clients.unlearning.pruning.gradients import borrowed, chosen, gradients
from clients.unlearning.pruning.layers import feed_forward_weights, set_feed_forward_weights


@dataclass(frozen=True)
class Tuner:
    """Trains the feed-forward output weights, which contain the cut, on images of one concept.

    Parameters
    ----------
    denoiser : Denoiser
        The released model; it stays unchanged.
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
        unet, noise = self.denoiser.unet, scheduler(self.noise)
        parameters = chosen(unet, "feed_forward_out")
        with borrowed(unet, parameters):
            set_feed_forward_weights(unet, dict(weights))
            optimizer = torch.optim.Adam(parameters.values(), lr=rate)
            for step in range(steps):
                generator = torch_generator(*self.key, "relearn", step)
                loss = denoising_loss(self.denoiser, self.images, noise, generator, len(self.images))
                for name, gradient in gradients(loss, parameters).items():
                    parameters[name].grad = gradient
                optimizer.step()
            return feed_forward_weights(unet)
