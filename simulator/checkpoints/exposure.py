"""What tests still see of a cut after a fill, for the owner of the mask; the figures name no place."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

import torch

from clients.streams import torch_generator
from server.defences.detection import Auc, column_auc, entry_auc, grid_auc
from server.defences.recommend import COLUMN, ENTRY
from simulator.checkpoints.cut import zeros_of

if TYPE_CHECKING:
    from torch import Tensor

SEEN: dict[str, tuple[str, float]] = {
    "zeros": ("zeros that a scan takes for a cut", 0.0),
    "grid": ("filled entries lie off the number grid of the others", ENTRY),
    "entries": ("filled entries differ in size from the others", ENTRY),
    "columns": ("edited columns fit their layer's low-rank part worse than the others", COLUMN),
}
"""What each test sees, and the largest value that counts as hidden: a number of zeros, or an area under the curve (0.5 is chance)."""

MOST = 1 << 20
"""Entries of a layer that tests of single entries look at."""


def exposure(sealed: Tensor, mask: Tensor) -> dict[str, float]:
    """Return what tests see of a filled layer ``(m, n)`` whose filled places are known, by the names of `SEEN`.

    Areas are two-sided, in [0.5, 1]; a test that has nothing to compare, as where every column was edited, is left out.
    """
    zeros = zeros_of(sealed)
    entries, edited = ({"": one} for one in _sampled(sealed, mask))
    areas = {"grid": grid_auc(entries, edited), "entries": entry_auc(entries, edited), "columns": column_auc({"": sealed}, {"": mask})}
    found = {name: area.two_sided for name, area in areas.items() if _clear(area)}
    return {"zeros": float(zeros.count if zeros.cut else 0), **found}


def _sampled(weight: Tensor, mask: Tensor) -> tuple[Tensor, Tensor]:
    """Return a layer's entries and their mask; of a large layer a keyed sample, drawn with replacement."""
    if weight.numel() <= MOST:
        return weight, mask
    places = torch.randint(weight.numel(), (MOST,), generator=torch_generator("exposure"))
    return weight.flatten()[places], mask.flatten()[places]


def _clear(area: Auc) -> bool:
    """Return whether a test had two sides to compare, and saw more than chance."""
    return area.value == area.value and not area.at_chance


def warnings(layers: Mapping[str, Mapping[str, Any]]) -> str:
    """Return in words, after what was done, what is still seen in how many layers, and where it is worst; empty if nothing is."""
    told = []
    for test, (words, most) in SEEN.items():
        over = {name: one[test] for name, one in layers.items() if one.get(test, 0.0) > most}
        if over:
            worst = max(over, key=lambda name: over[name])
            figure = f"{over[worst]:.0f}" if test == "zeros" else f"area {over[worst]:.2f}"
            told.append(f"{words} in {len(over)} of {len(layers)} layers (worst {worst}: {figure})")
    return "".join(f"\nwarning: still seen: {line}" for line in told)
