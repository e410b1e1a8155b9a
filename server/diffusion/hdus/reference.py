"""The error of a denoiser's predicted noise on the public reference images, by which the scale of a release can be chosen."""

from __future__ import annotations

import torch
from torch.nn import functional

from clients.diffusion import local
from clients.diffusion.config import DenoisingConfig
from clients.diffusion.training import scheduler
from clients.streams import torch_generator
from server.diffusion.release.contract import Arrays


def error_on_reference(config: DenoisingConfig, backbone: bytes, weights: Arrays) -> float:
    """Return the mean squared error of the predicted noise on reference images, each under the class that explains it best.

    Nobody uses the labels of the reference images: an image is scored under every class, and the smallest error counts. Images, times and
    added noise are the same at every call.
    """
    images = local.gallery(config).select(torch.tensor(config.reference[: local.PROBES]))
    generator = torch_generator(config.run_seed, "reference scale")
    noise, place = scheduler(config.denoising.noise), config.compute.place()
    time = torch.randint(config.denoising.noise.timesteps, (len(images),), generator=generator)
    drawn = torch.randn(images.pixels.shape, generator=generator)
    noisy = noise.add_noise(images.pixels, drawn, time).to(place)
    styles = None if images.styles is None else images.styles.to(place)
    errors = []
    with torch.no_grad(), config.computing():
        model = local.model(config, backbone, weights)
        for number in range(config.denoiser.classes):
            asked = torch.full_like(images.classes, number).to(place)
            predicted = model(noisy, time.to(place), asked, styles).cpu()
            errors.append(functional.mse_loss(predicted, drawn, reduction="none").flatten(1).mean(dim=1))
    return float(torch.stack(errors).amin(dim=0).double().mean())
