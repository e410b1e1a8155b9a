"""Sums over rows of gradients and of their squares, which peers can add."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from math import ceil

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor

from clients.data.rows import Rows
from clients.models.row_gradients import row_gradients
from clients.training import Arrays, from_arrays
from clients.unlearning.general.contract import Learning

COUNT = "#"
"""Name, in sums, of the number of rows."""

_ENTRIES = 1 << 24
"""Entries of single rows' gradients that are held at once."""


def squares(weights: Arrays, learning: Learning, parts: Mapping[str, Rows]) -> Arrays:
    """Return, as ``part/parameter``, the sums over each part's rows of the squared gradients of single rows' cross-entropy, float64.

    ``part/#`` is the number of rows. The gradients are those in evaluation mode, of one row each, so that no batch size enters.
    """
    return _sums(weights, learning, parts, lambda gradient: gradient.square().sum(0))


def gradients(weights: Arrays, learning: Learning, parts: Mapping[str, Rows]) -> Arrays:
    """Return, as ``part/parameter``, the sums over each part's rows of the gradients of cross-entropy, float64; see `squares`."""
    return _sums(weights, learning, parts, lambda gradient: gradient.sum(0))


def mean(totals: Arrays, name: str, *parts: str) -> Tensor:
    """Return the mean of a parameter's sums over the rows of some parts together, float64; zeros if they have no row."""
    rows = sum(int(totals[f"{part}/{COUNT}"]) for part in parts)
    return torch.from_numpy(sum(totals[f"{part}/{name}"] for part in parts) / max(rows, 1))


def by_class(classes: int, forget: Rows, retain: Rows) -> Arrays:
    """Return how many rows of each class go and stay, int64 (classes,), as ``go/classes`` and ``stay/classes``."""
    return {f"{name}/classes": np.bincount(rows.y, minlength=classes) for name, rows in (("go", forget), ("stay", retain))}


def gone_classes(totals: Arrays) -> npt.NDArray[np.intp]:
    """Return the classes of which rows go and none stays."""
    return np.flatnonzero((totals["go/classes"] > 0) & (totals["stay/classes"] == 0))


def largest(sums: Sequence[npt.NDArray[np.float64]], share: float) -> list[Tensor]:
    """Return masks of the share of all entries together, rounded up, with the largest absolute values; of equals, of the first ones."""
    whole = np.abs(np.concatenate([one.reshape(-1) for one in sums]))
    chosen = np.zeros(len(whole), bool)
    chosen[np.argsort(-whole, kind="stable")[: ceil(round(share * len(whole), 9))]] = True
    ends = np.cumsum([one.size for one in sums])[:-1]
    return [torch.from_numpy(part.reshape(one.shape)) for part, one in zip(np.split(chosen, ends), sums, strict=True)]


def _sums(weights: Arrays, learning: Learning, parts: Mapping[str, Rows], fold: Callable[[Tensor], Tensor]) -> Arrays:
    network, module = learning.network, learning.network.build(("unlearning",)).eval()
    from_arrays(module, weights)
    chunk = max(1, _ENTRIES // sum(parameter.numel() for parameter in module.parameters()))
    found: Arrays = {}
    for part, rows in parts.items():
        sums = {name: torch.zeros(parameter.shape, dtype=torch.float64) for name, parameter in module.named_parameters()}
        for start in range(0, len(rows), chunk):
            here = slice(start, start + chunk)
            for name, gradient in row_gradients(module, network.inputs(rows.x[here]), network.targets(rows.y[here])).items():
                sums[name] += fold(gradient.double()).cpu()
        found |= {f"{part}/{name}": total.numpy() for name, total in sums.items()}
        found[f"{part}/{COUNT}"] = np.array(len(rows))
    return found
