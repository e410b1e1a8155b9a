"""Rows that leave an array without a second one being made: those after them move forward, and nothing of those that left remains."""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt

_BYTES = 2**20
"""Size of what moves at once: it fits a processor's cache."""


def compacted(array: npt.NDArray[Any], stays: npt.NDArray[np.bool_]) -> npt.NDArray[Any]:
    """Move the rows that stay to the front of their own array, in order, and return the view of them; what lies behind becomes zeros.

    Parameters
    ----------
    array : array, shape (n, ...)
        Changed in place: whoever holds it sees the change.
    stays : bool array, shape (n,)

    Returns
    -------
    array, shape (sum of stays, ...)

    Examples
    --------
    >>> held = np.array([[1.0], [2.0], [3.0]])
    >>> compacted(held, np.array([True, False, True])).tolist(), held.tolist()
    ([[1.0], [3.0]], [[1.0], [3.0], [0.0]])
    """
    if stays.all():
        return array
    first = int(np.argmin(stays))
    kept = first + np.flatnonzero(stays[first:])
    step = max(1, _BYTES * len(array) // max(1, array.nbytes))
    for start in range(0, len(kept), step):
        part = array[kept[start : start + step]]
        array[first + start : first + start + len(part)] = part
    left = first + len(kept)
    array[left:] = 0
    return array[:left]
