"""The neighbourhood ensemble in score space: a weighted mean of predicted noises, which samplers use like a single denoiser.

HDUS (Ye, Chen, Nguyen, Yin, arXiv 2308.13269, 2023) covers classifiers only; its form for denoisers is this project's.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from copy import copy
from dataclasses import dataclass, replace

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor

from clients.diffusion.denoiser import Weighted
from clients.diffusion.hdus.spec import NoiseWeights
from clients.diffusion.spec import DenoiserSpec

_PRIOR = 0.1
"""Pseudo-count added to every member's images per class and style, so that conditions without images get equal weights."""


@dataclass(frozen=True)
class Voice:
    """One member: owner, model, and number of the owner's images per class, int64 ``(classes,)`` or ``(classes, styles)``."""

    owner: int
    denoiser: Weighted
    counts: npt.NDArray[np.int64]


class NoiseEnsemble:
    """Predicts noise as the weighted mean of its members' predictions; samplers use it like a denoiser.

    Sums run in the order of the owners, independent of the order of ``seeds``. Without seeds it is the peer's own model.

    Parameters
    ----------
    settings : NoiseWeights
    own : Voice
        The peer's main model.
    seeds : sequence of Voice
        Its neighbours' seeds.
    """

    def __init__(self, settings: NoiseWeights, own: Voice, seeds: Sequence[Voice]) -> None:
        self.own = own
        self.members = sorted([own, *seeds], key=lambda voice: voice.owner)
        self.weights = torch.from_numpy(member_weights(settings, own, seeds).astype(np.float32))
        """Weights from `member_weights`, float32 ``(members, classes + 1)`` or ``(members, classes + 1, styles + 1)``."""

    @property
    def spec(self) -> DenoiserSpec:
        """The main model's description."""
        return self.own.denoiser.spec

    @property
    def null(self) -> tuple[int, int]:
        """Ids of "no class" and "no style"."""
        return self.own.denoiser.null

    @property
    def device(self) -> torch.device:
        """Device of all members, on which its inputs must be too."""
        return self.own.denoiser.device

    def asking(self, change: Callable[[Weighted], Weighted]) -> NoiseEnsemble:
        """Return the same ensemble with each member's model replaced."""
        made = copy(self)
        made.members = [replace(voice, denoiser=change(voice.denoiser)) for voice in self.members]
        made.own = made.members[self.members.index(self.own)]
        return made

    def __call__(self, noisy: Tensor, time: Tensor, classes: Tensor, styles: Tensor | None = None) -> Tensor:
        """Return the predicted noise, float32, of the shape of ``noisy`` ``(batch, channels, size, size)``."""
        if len(self.members) == 1:
            alone: Tensor = self.own.denoiser(noisy, time, classes, styles)
            return alone
        asked = (classes,) if self.weights.ndim == 2 else (classes, torch.full_like(classes, self.null[1]) if styles is None else styles)
        total = torch.zeros_like(noisy)
        for voice, weights in zip(self.members, self.weights.to(self.device), strict=True):
            total += weights[asked].view(-1, 1, 1, 1) * voice.denoiser(noisy, time, classes, styles)
        return total


def member_weights(settings: NoiseWeights, own: Voice, seeds: Sequence[Voice]) -> npt.NDArray[np.float64]:
    """Return each member's weight by condition, float64, members sorted by owner; sums over members are 1.

    The shape is ``(members, classes + 1)``, or ``(members, classes + 1, styles + 1)`` if there are styles; the last index of an axis
    stands for "no class" or "no style".
    """
    members = sorted([own, *seeds], key=lambda voice: voice.owner)
    if settings.self_weight == "share" or not seeds:
        return _weights(settings.weights, members)
    others = [voice for voice in members if voice is not own]
    weights = np.empty((len(members), *(count + 1 for count in own.counts.shape)))
    place = members.index(own)
    weights[place] = settings.self_weight
    weights[np.arange(len(members)) != place] = (1 - settings.self_weight) * _weights(settings.weights, others)
    return weights


def _weights(rule: str, members: Sequence[Voice]) -> npt.NDArray[np.float64]:
    """Return weights by a rule for all given members, in the form of `member_weights`."""
    table = np.stack([voice.counts for voice in members]).astype(np.float64) + _PRIOR
    for axis in range(1, table.ndim):
        table = np.concatenate([table, table.sum(axis=axis, keepdims=True)], axis=axis)
    everything = table[:, -1:] if table.ndim == 2 else table[:, -1:, -1:]
    raw: npt.NDArray[np.float64] = {"uniform": np.ones_like(table), "size": everything * np.ones_like(table), "class": table}[rule]
    shares: npt.NDArray[np.float64] = raw / raw.sum(axis=0)
    return shares
