"""Training phases, distilled seeds and predicted noise from the simulator's cache, where they were computed before from the same arguments.

``where`` is what a configuration says of the device, `clients.diffusion.local.where_computed`.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any, NotRequired, Protocol, TypedDict, Unpack

import torch
from torch import Tensor

from clients.cache import data_hash, remembered
from clients.diffusion.denoiser import Denoiser, Weighted
from clients.diffusion.images import Images
from clients.diffusion.spec import DenoiserTraining
from clients.diffusion.training import Phase, train_phase, trainable
from clients.streams import Field


class Recalled:
    """A model whose predictions come from the cache where it was asked the same before.

    Neighbours are all asked about the same public images, so that a seed's predictions are needed once for each of its holders.

    Parameters
    ----------
    where : mapping
    model : Weighted
    """

    def __init__(self, where: Mapping[str, Any], model: Weighted) -> None:
        self.where, self.model = where, model
        self.spec, self.null, self.device, self.tensors = model.spec, model.null, model.device, model.tensors

    def __call__(self, noisy: Tensor, time: Tensor, classes: Tensor, styles: Tensor | None = None) -> Tensor:
        """Return the predicted noise, of the shape of ``noisy``."""

        def make() -> dict[str, Any]:
            with torch.no_grad():
                return {"noise": self.model(noisy, time, classes, styles).cpu().numpy()}

        configuration = {
            **self.where,
            "what": "predicted noise",
            "denoiser": self.spec.model_dump(mode="json"),
            "weights": data_hash(*self.tensors()),
            "inputs": data_hash(noisy, time, classes, styles),
        }
        return torch.from_numpy(remembered(configuration, make)["noise"].copy()).to(self.device)


class Span(TypedDict):
    """The part of a phase that is trained, with its fixed entries; see `train_phase`."""

    total: int
    window: NotRequired[tuple[int, int] | None]
    fixed: NotRequired[Mapping[str, Tensor] | None]
    proximal: NotRequired[float]


class Trainer(Protocol):
    """Trains one phase in place, as `train_phase` does."""

    def __call__(
        self, denoiser: Denoiser, images: Images, settings: DenoiserTraining, phase: Phase, key: tuple[Field, ...], **span: Unpack[Span]
    ) -> None:
        """Train; see `train_phase`."""


def train_or_remember(
    where: Mapping[str, Any],
    denoiser: Denoiser,
    images: Images,
    settings: DenoiserTraining,
    phase: Phase,
    key: tuple[Field, ...],
    **span: Unpack[Span],
) -> None:
    """Do what `train_phase` does, or write the weights that it gave when it was last called with equal arguments."""
    configuration = {
        **where,
        "what": "training phase",
        "training": settings.model_dump(mode="json"),
        "images": data_hash(images.pixels, images.classes, images.styles),
        "phase": phase,
        "key": key,
        "total": span["total"],
        "window": span.get("window"),
        "fixed": {layer: data_hash(mask) for layer, mask in (span.get("fixed") or {}).items()},
        "proximal": span.get("proximal", 0.0),
    }
    if settings.design == "low_rank" and (span.get("window") or (0,))[0]:
        configuration["right factor"] = "of the window"  # older entries were trained with that of the first window

    def train() -> None:
        train_phase(denoiser, images, settings, phase, key, **span)

    _remember(denoiser, phase, configuration, train)


def distil_or_remember(seed: Denoiser, phase: Phase, configuration: Mapping[str, Any], distil: Callable[[], object]) -> None:
    """Distil a seed in place, or write the weights that it had when it was last distilled with an equal configuration.

    Parameters
    ----------
    seed : Denoiser
        With its initial weights, which are part of what is compared.
    phase : {"concept", "joint"}
        Weights that the seed learns.
    configuration : mapping
        All else that determines the seed, the device too: plain values, with the main model and data represented by hashes.
    distil : callable
    """
    _remember(seed, phase, {"what": "distillation", "phase": phase, **configuration}, distil)


def _remember(denoiser: Denoiser, phase: Phase, configuration: Mapping[str, Any], change: Callable[[], object]) -> None:
    """Change a denoiser's learned weights in place, or take them from the cache."""
    start = {"denoiser": denoiser.spec.model_dump(mode="json"), "start": data_hash(*denoiser.state_dict().values())}

    def make() -> dict[str, Any]:
        change()
        return {name: parameter.detach().cpu().numpy().copy() for name, parameter in trainable(denoiser, phase).items()}

    weights = remembered({**start, **configuration}, make)
    with torch.no_grad():
        for name, parameter in trainable(denoiser, phase).items():
            parameter.copy_(torch.from_numpy(weights[name].copy()).to(denoiser.device))
    denoiser.requires_grad_(True).eval()
