"""Releases that an adversary makes of the released model itself: other concepts cut from it, and the cuts filled as its own was."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

import torch
from torch import Tensor

from clients.diffusion import local
from clients.unlearning.contract import UnlearningError
from clients.unlearning.pruning.contract import EraserSpec
from server.defences.fills import FillSpec
from server.defences.secret import Secret
from server.diffusion.release.contract import Releasing
from server.revival.knowledge import Example, Weights


def own_releases(state: Releasing, concept: int, method: EraserSpec, fill: FillSpec | None) -> Iterator[Example]:
    """Yield one release for each concept on the axis of the erased one, which is left out, and the entries cut from it.

    Parameters
    ----------
    state : Releasing
        Whose current release they are made of.
    concept : int
        The concept that was erased from it.
    method : EraserSpec
        The eraser with its settings, which are published; it must set weights to zero, and may read public test images.
    fill : FillSpec, optional
        The kind of fill, which is published, too; its secret is not. None leaves the cuts plain.
    """
    config, weights = state.setup.config, state.feed_forward(state.weights)
    images = local.gallery(config).select(torch.tensor(config.test))
    for other in _others(state, concept):
        try:
            made = local.erased(config, state.setup.backbone, state.weights, method, other, images, (config.run_seed, "own cut", other))
        except UnlearningError:  # nothing of it is left to cut
            continue
        masks = local.unpacked(made)
        if not any(bool(mask.all()) for mask in masks.values()):
            yield _released(weights, masks, fill, Secret(f"an adversary's own release {config.run_seed} {other}".encode())), masks


def _others(state: Releasing, concept: int) -> Sequence[int]:
    """Return the concepts on the axis of the erased one, without it."""
    spec = state.setup.config.denoiser
    axis, target = spec.axis(concept)
    count = spec.classes if axis == "class" else len(spec.styles)
    return [concept - target + value for value in range(count) if value != target]


def _released(weights: Weights, masks: dict[str, Tensor], fill: FillSpec | None, secret: Secret) -> Weights:
    pruned = {layer: weight.masked_fill(masks[layer], 0.0) if layer in masks else weight for layer, weight in weights.items()}
    return pruned if fill is None else fill.seal(pruned, masks, secret).weights
