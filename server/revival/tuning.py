"""Training a released model a little on a few images: what an adversary can do who has some of its own."""

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
    """Trains the feed-forward output weights, those in which a cut lies, on images of one concept.

    Parameters
    ----------
    denoiser : Denoiser
        The released model; it is left as it was.
    images : Images
        The adversary's own. Each step draws from them, with replacement, as many as there are.
    noise : NoiseSchedule
    key : tuple
        Of the draws.
    """

    denoiser: Denoiser
    images: Images
    noise: NoiseSchedule
    key: tuple[Field, ...]

    def __call__(self, weights: Mapping[str, Tensor], steps: int, rate: float) -> dict[str, Tensor]:
        """Return the weights after so many steps of Adam at a learning rate, from the given ones."""
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
