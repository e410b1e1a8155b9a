"""Distillation of a seed denoiser from a main denoiser on the public reference images."""

from __future__ import annotations

import torch
from torch import nn
from torch.nn import functional

from clients.diffusion.denoiser import Denoiser, NoisePredictor
from clients.diffusion.hdus.spec import SeedDistillation
from clients.diffusion.images import Images
from clients.diffusion.spec import DenoiserTraining, NoiseSchedule
from clients.diffusion.training import Phase, learning_rate, scheduler, trainable
from clients.streams import Field, torch_generator

_CLIP = 1.0
_WEIGHT_DECAY = 0.01


def distil(
    seed: Denoiser,
    main: NoisePredictor,
    reference: Images,
    key: tuple[Field, ...],
    settings: SeedDistillation,
    noise: NoiseSchedule,
    phase: Phase = "concept",
) -> int:
    """Train the seed in place to predict the noise that the main model predicts; return the gradient steps.

    Minimises ``mean || eps_main(x_t, t, c) - eps_seed(x_t, t, c) ||^2`` over noised reference images ``x_t``, times ``t`` and conditions
    ``c``, with classes drawn uniformly and the images' own styles. This is a pure function of the seed's weights, the main model, the
    reference images and the key: no private image is used, and the same key after a deletion gives the seed that the run without the
    deleted images would have sent. No published counterpart is known; the loss is that of denoiser training with the main model's
    prediction as the target instead of the noise.

    Parameters
    ----------
    seed : Denoiser
        With its initial weights.
    main : NoisePredictor
    reference : Images
        Its classes are not used.
    key : tuple
        Keys every draw, together with the step.
    settings : SeedDistillation
    noise : NoiseSchedule
        The main model's schedule.
    phase : {"concept", "joint"}
        Weights that the seed learns: the feed-forward weights, or all.
    """
    steps = scheduler(noise)
    parameters = list(trainable(seed, phase).values())
    rates = DenoiserTraining(lr=settings.lr, warmup=max(1, settings.steps // 10))
    optimizer = torch.optim.AdamW(parameters, lr=settings.lr, weight_decay=_WEIGHT_DECAY)
    seed.train()
    for step in range(settings.steps):
        for group in optimizer.param_groups:
            group["lr"] = learning_rate(step, settings.steps, rates)
        generator = torch_generator(*key, "distil", step)
        pixels, styles = _batch(reference, settings.batch_size, generator)
        time = torch.randint(noise.timesteps, (len(pixels),), generator=generator)
        noisy = steps.add_noise(pixels, torch.randn(pixels.shape, generator=generator), time)
        null = torch.rand(len(pixels), generator=generator) < settings.null_share
        classes = torch.where(null, main.null[0], torch.randint(main.null[0], (len(pixels),), generator=generator))
        if styles is not None:
            styles = torch.where(null, main.null[1], styles)
        noisy, time, classes = (tensor.to(main.device) for tensor in (noisy, time, classes))
        styles = None if styles is None else styles.to(main.device)
        with torch.no_grad():
            wanted = main(noisy, time, classes, styles)
        loss = functional.mse_loss(seed(noisy, time, classes, styles), wanted)
        optimizer.zero_grad(set_to_none=True)
        loss.backward()  # type: ignore[no-untyped-call]
        nn.utils.clip_grad_norm_(parameters, _CLIP)
        optimizer.step()
    seed.eval()
    return settings.steps


def _batch(reference: Images, size: int, generator: torch.Generator) -> tuple[torch.Tensor, torch.Tensor | None]:
    """Return pixels and styles of reference images drawn with replacement."""
    chosen = torch.randint(len(reference), (size,), generator=generator)
    return reference.pixels[chosen], None if reference.styles is None else reference.styles[chosen]
