"""Sampling: DDIM with classifier-free guidance, start noise keyed by the sample's index."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor

from clients.diffusion.denoiser import NoisePredictor
from clients.diffusion.spec import NoiseSchedule, Sampling
from clients.diffusion.training import scheduler
from clients.streams import Field, torch_generator


def start_noise(shape: tuple[int, ...], indices: Sequence[int], key: tuple[Field, ...]) -> Tensor:
    """Return standard normal noise, float32 ``(len(indices), *shape)``; that of sample ``i`` does not depend on the other indices."""
    return torch.stack([torch.randn(shape, generator=torch_generator(*key, "start", int(i))) for i in indices])


@torch.no_grad()
def sample(
    denoiser: NoisePredictor,
    classes: Tensor,
    key: tuple[Field, ...],
    *,
    styles: Tensor | None = None,
    indices: Sequence[int] | None = None,
    sampling: Sampling | None = None,
    noise: NoiseSchedule | None = None,
) -> Tensor:
    """Return one sample per condition, float32 ``(n, channels, size, size)``, clamped to [-1, 1], always on the CPU.

    Parameters
    ----------
    denoiser : NoisePredictor
        A denoiser, or an ensemble of denoisers.
    classes : int64 tensor, shape (n,)
        Class ids; ``denoiser.null[0]`` requests no class.
    key : tuple
        Keys the start noise, together with the index.
    styles : int64 tensor, shape (n,), optional
    indices : sequence of int, optional
        Index of each sample; default ``0 .. n - 1``.
    sampling : Sampling, optional
    noise : NoiseSchedule, optional
    """
    sampling, noise = sampling or Sampling(), noise or NoiseSchedule()
    indices = range(len(classes)) if indices is None else indices
    classes, styles = classes.to(denoiser.device), None if styles is None else styles.to(denoiser.device)
    shape = (denoiser.spec.channels, denoiser.spec.size, denoiser.spec.size)
    parts = []
    for first in range(0, len(classes), sampling.batch_size):
        part = slice(first, first + sampling.batch_size)
        part_styles = None if styles is None else styles[part]
        start = start_noise(shape, indices[part], key).to(denoiser.device)
        parts.append(_sample_batch(denoiser, start, classes[part], part_styles, sampling, noise).cpu())
    return torch.cat(parts) if parts else torch.empty(0, *shape)


def _sample_batch(
    denoiser: NoisePredictor, x: Tensor, classes: Tensor, styles: Tensor | None, sampling: Sampling, noise: NoiseSchedule
) -> Tensor:
    """Denoise one batch from its start noise."""
    steps = scheduler(noise)
    steps.set_timesteps(sampling.steps)
    for time in steps.timesteps:
        x = steps.step(guided_noise(denoiser, x, time, classes, styles, sampling.guidance), time, x, eta=0.0).prev_sample
    return x.clamp(-1, 1)


def guided_noise(denoiser: NoisePredictor, x: Tensor, time: Tensor, classes: Tensor, styles: Tensor | None, guidance: float) -> Tensor:
    """Return the guided prediction; the unconditional and the conditional half pass through the UNet as one batch, in this order."""
    if guidance == 1.0:
        conditional: Tensor = denoiser(x, time, classes, styles)
        return conditional
    null_class, null_style = denoiser.null
    both = torch.cat([torch.full_like(classes, null_class), classes])
    both_styles = None if styles is None else torch.cat([torch.full_like(styles, null_style), styles])
    without, with_condition = denoiser(torch.cat([x, x]), time, both, both_styles).chunk(2)
    guided: Tensor = without + guidance * (with_condition - without)
    return guided
