"""The public backbone of a denoiser, trained or loaded from the cache."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import torch

from clients import cache, wire
from clients.diffusion import local
from clients.diffusion.config import DenoisingConfig
from clients.diffusion.denoiser import build
from clients.diffusion.training import train_phase
from clients.streams import Field

if TYPE_CHECKING:
    from simulator.progress import Watch


def backbone(config: DenoisingConfig, watch: Watch) -> bytes:
    """Return the weights of the public backbone as a safetensors file; it is trained on the reference images, without their classes.

    In the joint design there is no public training, and these are the initial weights.
    """
    key: tuple[Field, ...] = (config.run_seed, "public")
    settings = config.denoising
    images = local.gallery(config).select(torch.tensor(config.reference))
    steps = 0 if settings.design == "joint" else settings.backbone_steps
    configuration: dict[str, Any] = {
        "what": "public backbone",
        "denoiser": config.denoiser.model_dump(mode="json"),
        "training": settings.model_dump(mode="json"),
        "images": cache.data_hash(images.pixels),
        "key": list(key),
        **local.where_computed(config),
    }

    def make() -> dict[str, Any]:
        denoiser = build(config.denoiser, key).to(config.compute.place())
        advance = watch.steps("public backbone", steps)
        with config.computing():
            train_phase(denoiser, images, settings, "backbone", key, total=steps, progress=lambda *_: advance())
        return {name: tensor.detach().cpu().numpy().copy() for name, tensor in denoiser.state_dict().items()}

    return wire.to_bytes(cache.remembered(configuration, make))
