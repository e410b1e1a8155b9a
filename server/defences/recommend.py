"""Recommendation of a fill: the weakest one that defeats every location test."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from torch import Tensor

from server.defences.detection import Auc, column_auc, entry_auc, grid_auc
from server.defences.fills import ClosedColumns, Contrary, Decoys, FillSpec, Gaussian, Permuted, RedrawnColumns
from server.defences.secret import Secret

LADDER: tuple[FillSpec, ...] = (
    Gaussian(relative=0.25),
    Gaussian(relative=0.5),
    Gaussian(relative=0.75),
    Gaussian(relative=1.0),
    Permuted(),
    Contrary(),
    Decoys(),
    ClosedColumns(),
    RedrawnColumns(),
)
"""Fills from the weakest to the strongest: by noise level, then by structure, then by the number of changed entries."""

ENTRY, COLUMN = 0.55, 0.60
"""Thresholds: a test is defeated if its two-sided AUC is at most this."""


def recommend(weights: Mapping[str, Tensor], cut: Mapping[str, Tensor], secret: Secret) -> dict[str, Any]:
    """Return the recommendation in words, and the AUCs of every tried fill with 95 % intervals.

    Parameters
    ----------
    weights : mapping of str to tensor
        Weights whose cut entries are zero.
    cut : mapping of str to bool tensor
    secret : Secret
        Keys the draws of the fills.
    """
    tried: list[dict[str, Any]] = []
    if any(bool(mask.all()) for mask in cut.values()):
        return {"fill": None, "text": "A layer is cut as a whole: there is no place to hide, and nothing to revive from.", "tried": tried}
    for fill in LADDER:
        sealed = fill.seal(weights, cut, secret).weights
        tests = {
            "entries": entry_auc(sealed, cut),
            "grid": grid_auc(sealed, cut),
            **{f"columns.{name}": column_auc(sealed, cut, name) for name in ("std", "leading", "coherence")},
        }
        areas = {name: {"value": area.value, "low": area.low, "high": area.high} for name, area in tests.items()}
        hidden = all(_defeated(name, area) for name, area in tests.items())
        tried.append({"fill": fill.model_dump(mode="json", exclude_none=True), "hides": hidden, "tests": areas})
        if hidden:
            return {"fill": tried[-1]["fill"], "text": _sentence(fill, tests), "tried": tried}
    return {"fill": None, "text": _none(tried), "tried": tried}


def _defeated(name: str, area: Auc) -> bool:
    return not area.two_sided > (COLUMN if name.startswith("columns") else ENTRY)


def _sentence(fill: FillSpec, tests: Mapping[str, Auc]) -> str:
    worst = max((area for name, area in tests.items() if name.startswith("columns")), key=lambda area: area.two_sided)
    entries = tests["entries"]
    return (
        f"The weakest fill that defeats all tests of the place is {_words(fill)}: entries {entries.value:.2f} "
        f"({entries.low:.2f} to {entries.high:.2f}), the best test of columns {worst.value:.2f} ({worst.low:.2f} to {worst.high:.2f})."
    )


def _none(tried: list[dict[str, Any]]) -> str:
    def worst(one: dict[str, Any]) -> float:
        return max(max(float(area["value"]), 1 - float(area["value"])) for name, area in one["tests"].items() if name.startswith("columns"))

    best = min(tried, key=worst)
    entries = best["tests"]["entries"]
    return (
        f"No fill defeats all tests of the place. Columns are told worst with {best['fill']['kind']}: area {worst(best):.2f}, "
        f"entries {entries['value']:.2f} ({entries['low']:.2f} to {entries['high']:.2f})."
    )


def _words(fill: FillSpec) -> str:
    keys = {name: value for name, value in fill.model_dump(mode="json", exclude_none=True).items() if name != "kind"}
    told = ", ".join(f"{name} {value}" for name, value in keys.items())
    kind = fill.tag
    return f"{kind} ({told})" if told else kind
