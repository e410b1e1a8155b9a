"""What a release leaks, estimated without the original: the location of a cut by a scan, signs by held-out entries."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor

from clients.streams import torch_generator
from server.revival.attack import Revival, locate
from server.revival.completion import complete_layers
from server.revival.completion_specs import SoftImpute
from server.revival.knowledge import WeightsOnly
from server.revival.locate import strongest

TOLERANCE = 1e-3
"""Relative change at which soft-impute stops in a scan, which reads signs alone: they settle long before sizes do."""


@dataclass(frozen=True)
class Scan:
    """The result of a scan.

    Parameters
    ----------
    found : dict of str to int
        Number of entries located as cut, by layer.
    density : float
        Their share of all entries, in [0, 1].
    right, right_top_fifth : float
        Share of correct signs at held-out entries, which were hidden from the completion, overall and over the most confident fifth. It
        estimates the accuracy for the lost entries, if they resemble the held-out ones. One half means that the layers leak no signs.
    entries : int
        Number of held-out entries.
    """

    found: dict[str, int]
    density: float
    right: float
    right_top_fifth: float
    entries: int


def scan(knowledge: WeightsOnly, settings: Revival | None = None, share: float = 0.05) -> Scan:
    """Return the cut that the adversary can locate, and how well it would guess signs.

    A ``share`` of the entries, in (0, 1), is held out, preferably in columns that have lost entries. Each eligible entry is hidden with
    probability 1/4 at most, so that enough remain to guess from.
    """
    if not 0 < share < 1:
        raise ValueError(f"share {share}: wants a share of entries strictly between 0 and 1")
    settings = (settings or Revival()).settled()
    rule = settings.completion
    if isinstance(rule, SoftImpute):
        rule = rule.model_copy(update={"tolerance": max(rule.tolerance, TOLERANCE)})
    places = locate(knowledge, settings.location)
    hidden = {name: _held_out(place, share, settings.seed, name) for name, place in places.items()}
    completions = complete_layers(knowledge.weights, {n: places[n] | hidden[n] for n in places}, rule, settings.arithmetic)
    right = {n: completion.values.sign() == knowledge.weights[n].sign() for n, completion in completions.items()}
    top = {name: strongest(completion.values.abs(), hidden[name], 0.2) for name, completion in completions.items()}
    found = {name: int(place.sum()) for name, place in places.items()}
    total = sum(place.numel() for place in places.values())
    count = sum(int(mask.sum()) for mask in hidden.values())
    return Scan(found, sum(found.values()) / total, _share(right, hidden), _share(right, top), count)


def _held_out(place: Tensor, share: float, seed: int, name: str) -> Tensor:
    """Return observed entries to hide, bool ``(m, n)``."""
    near = ~place & place.any(dim=0, keepdim=True)
    pool = near if bool(near.any()) else ~place
    wanted = min(0.25, share * place.numel() / max(1, int(pool.sum())))
    return pool & (torch.rand(place.shape, generator=torch_generator(seed, "held out", name)) < wanted)


def _share(right: dict[str, Tensor], among: dict[str, Tensor]) -> float:
    """Return the share of correct signs among the given entries, NaN if there are none."""
    count = sum(int(mask.sum()) for mask in among.values())
    return sum(int(right[name][mask].sum()) for name, mask in among.items()) / count if count else float("nan")
