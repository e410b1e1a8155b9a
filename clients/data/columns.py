"""One-hot encoding of categories for networks and sums, because the size of a code has no meaning."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import numpy.typing as npt

from clients.data.rows import Column


def expanded_shape(shape: tuple[int, ...], columns: Sequence[Column]) -> tuple[int, ...]:
    """Return the shape of one input after ``expand``."""
    return (sum(max(column.categories, 1) for column in columns),) if any(column.categories for column in columns) else shape


def expand(x: npt.NDArray[np.float32], columns: Sequence[Column]) -> npt.NDArray[np.float32]:
    """Return inputs, float32, with each categorical column one-hot encoded; numeric columns are unchanged.

    The data set declares the categories, so that the width does not depend on the given rows. An unknown code becomes zeros. Without
    categorical columns, ``x`` itself is returned.

    Parameters
    ----------
    x : float32 array, shape (n, len(columns)), or any shape if ``columns`` is empty
        Inputs.
    columns : sequence of Column
        Public facts of the columns.
    """
    if not any(column.categories for column in columns):
        return x
    parts = [
        x[:, j : j + 1] if not column.categories else (x[:, j : j + 1] == np.arange(column.categories)).astype(np.float32)
        for j, column in enumerate(columns)
    ]
    return np.concatenate(parts, axis=1)
