"""Columns that corrections have made the same in all rows: no row decides their weights any more, so that these are moved into biases."""

from __future__ import annotations

from math import prod
from typing import TYPE_CHECKING

import numpy as np
import numpy.typing as npt

from clients.data.columns import expand
from clients.data.rows import Rows
from clients.models.network import Network

if TYPE_CHECKING:
    from torch import nn

Floats = npt.NDArray[np.float64]

_SAME = 1e-9
"""Mean distance to the mean, relative to values of 1 and more, that rounding alone explains."""


def changed(before: Rows, after: Rows) -> npt.NDArray[np.int64]:
    """Return in how many of the rows that are in both each column is another, (columns,)."""
    old, new = before.only(after.ids), after.only(before.ids)
    return np.asarray((_flat(old) != _flat(new)).sum(axis=0))


def totals(rows: Rows) -> Floats:
    """Return the sum of each column, (columns,)."""
    return np.asarray(_flat(rows).sum(axis=0))


def spread(rows: Rows, around: Floats) -> Floats:
    """Return the sum of the distances of each column's values to one value, (columns,)."""
    return np.asarray(np.abs(_flat(rows) - around).sum(axis=0))


def same(means: Floats, spreads: Floats, count: int) -> npt.NDArray[np.bool_]:
    """Return which columns have one value in all of ``count`` rows, (columns,)."""
    return np.asarray(spreads <= _SAME * count * np.maximum(1.0, np.abs(means)))


def fold(module: nn.Module, network: Network, columns: npt.NDArray[np.bool_], values: Floats) -> bool:
    """Move what columns with one value add to the first layer into its bias, and set their weights to 0; return whether that was possible.

    What the network answers to rows with these values stays; what else stands in these columns of a question has no effect any more.

    Parameters
    ----------
    module : nn.Module
        Its first layer must be linear on the inputs as they are, and may vary.
    network : Network
        Of which it is the module.
    columns : bool array, shape (columns,)
    values : float64 array, shape (columns,)
    """
    import torch

    from clients.unlearning.layers import layers

    first = layers(module)[0][1]
    if network.spec.tag not in ("linear", "mlp") or not isinstance(first, torch.nn.Linear) or not first.weight.requires_grad:
        return False
    row = np.where(columns, values, 0.0).astype(np.float32).reshape(1, *network.shape)
    widths = [max(column.categories, 1) for column in network.columns] if network.columns else 1
    inside = torch.from_numpy(np.repeat(columns, widths)).to(first.weight.device)
    given = torch.from_numpy(expand(row, network.columns)).flatten().to(first.weight)
    with torch.no_grad():
        first.bias.add_(first.weight[:, inside] @ given[inside])
        first.weight[:, inside] = 0.0
    return True


def _flat(rows: Rows) -> Floats:
    return np.asarray(rows.x, dtype=np.float64).reshape(len(rows), prod(rows.x.shape[1:]))
