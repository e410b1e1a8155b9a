"""Categories as networks and sums take them: one 0/1 column each, instead of a code whose size means nothing."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import numpy.typing as npt

from clients.data.rows import Column


def expanded_shape(shape: tuple[int, ...], columns: Sequence[Column]) -> tuple[int, ...]:
    """Return the shape of one input after ``expand``."""
    return (sum(max(column.categories, 1) for column in columns),) if any(column.categories for column in columns) else shape


def expand(x: npt.NDArray[np.float32], columns: Sequence[Column]) -> npt.NDArray[np.float32]:
    """Return inputs with a 0/1 column a category in the place of each categorical column; numeric ones stay as they are.

    The categories are those that the data set declares, so the width does not depend on the rows at hand. A code that is none of them
    becomes zeros. Without categorical columns, ``x`` itself is returned.

    Parameters
    ----------
    x : float32 array, shape (n, len(columns)), or any shape where ``columns`` is empty
    columns : sequence of Column
    """
    if not any(column.categories for column in columns):
        return x
    parts = [
        x[:, j : j + 1] if not column.categories else (x[:, j : j + 1] == np.arange(column.categories)).astype(np.float32)
        for j, column in enumerate(columns)
    ]
    return np.concatenate(parts, axis=1)
