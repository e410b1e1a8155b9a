"""Common functions of the loaders: scaling by public bounds, and finding a file."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import numpy as np
import numpy.typing as npt

from clients.data.errors import DataError
from clients.data.rows import Column


def unit_interval(values: npt.NDArray[np.float64]) -> npt.NDArray[np.float32]:
    """Scale each column of ``values``, shape (n, d), to [0, 1] by its smallest and largest value; a constant column becomes 0.

    The bounds are public facts of the source, which do not change when rows are forgotten.
    """
    low, high = values.min(axis=0), values.max(axis=0)
    width = np.where(high > low, high - low, 1.0)
    scaled: npt.NDArray[np.float32] = ((values - low) / width).astype(np.float32)
    return scaled


def between(values: npt.NDArray[np.float64], low: float, high: float) -> tuple[npt.NDArray[np.float32], int]:
    """Return values, float64 (n,), clipped to public bounds and scaled to [0, 1], float32, and how many were clipped.

    If the bounds are equal, every value becomes 0.
    """
    beyond = int(((values < low) | (values > high)).sum())
    width = high - low if high > low else 1.0
    return ((np.clip(values, low, high) - low) / width).astype(np.float32), beyond


def unit_columns(names: Sequence[str]) -> tuple[Column, ...]:
    """Return the public facts of numeric columns that are scaled to [0, 1]."""
    return tuple(Column(name, 0.0, 1.0) for name in names)


def located(path: str) -> Path:
    """Return a scenario's path, ``~`` expanded; ``DataError`` for control characters, as in Windows paths in double quotes."""
    if any(ord(character) < 32 for character in path):
        raise DataError(f"{path!r}: holds control characters, as TOML reads \\t or \\n in double quotes: use single quotes, or / for \\")
    try:
        return Path(path).expanduser()
    except RuntimeError:
        raise DataError(f"{path}: there is no user with such a home folder: correct path") from None


def existing(path: str, what: str) -> Path:
    """Return the path of an existing file; ``DataError`` otherwise, which calls the file ``what``."""
    found = located(path)
    try:
        if found.is_file():
            return found
        wrong = f"is a folder, no {what}" if found.is_dir() else f"there is no such {what}"
    except OSError as error:  # a name that is too long, a folder that may not be read
        wrong = f"cannot be read ({error.strerror})"
    raise DataError(f"{path}: {wrong}: correct path (relative paths start at the scenario file's folder)")
