"""Single cells of tables, as inputs hold them."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from clients.data import Dataset, DatasetSpec
from clients.data.errors import DataError
from clients.data.scaling import between

_NAMED = 20
"""Most columns, or categories, that a message lists."""


def coded(spec: DatasetSpec, data: Dataset, column: str, value: float | str) -> tuple[int, float]:
    """Return the position of a column, and a value in it as inputs hold it: scaled by its bounds where they are, or a category's code.

    Parameters
    ----------
    spec : DatasetSpec
        With the facts by which ``data`` is encoded.
    data : Dataset
    column : str
        The column's name.
    value : float or str
        A number as the source holds it, or the name of a category.

    Raises
    ------
    DataError
        If there is no such column, several have the name, the value lies beyond the column's bounds, or is none of its categories.
    """
    names = [one.name for one in data.columns]
    if column not in names:
        known = f"the columns are {_listed(names)}" if names else "inputs of this data set have no named columns, only tables have"
        raise DataError(f"there is no column {column!r}: {known}")
    if twice := repeated(names, column):
        raise DataError(twice)
    place = names.index(column)
    if data.columns[place].categories:
        return place, float(_code(data.categories[place] if data.categories else (), column, value))
    if isinstance(value, str):
        raise DataError(f"column {column} holds numbers, {value!r:.60} is none: give a number")
    held, facts = data.columns[place], spec.columns[place] if spec.columns is not None else None
    low = held.low if facts is None or facts.low is None else facts.low
    high = held.high if facts is None or facts.high is None else facts.high
    if not low <= value <= high:
        raise DataError(f"column {column}: {value:g} lies outside its public range [{low:g}, {high:g}]: give a value within")
    scaled = (low, high) != (held.low, held.high)  # inputs of an npz file keep their bounds
    return place, float(between(np.array([value], np.float64), low, high)[0][0]) if scaled else float(np.float32(value))


def repeated(names: Sequence[str], column: str) -> str | None:
    """Return why a name does not say which of the named columns is meant; None if it does."""
    count = names.count(column)
    return f"{count} columns are called {column!r}: give each a name of its own" if count > 1 else None


def _code(names: tuple[str, ...], column: str, value: float | str) -> int:
    """Return the code of a category; ``DataError`` if the column has no such category."""
    text = value if isinstance(value, str) else f"{value:g}"
    if text not in names:
        raise DataError(f"column {column} has no category {text!r:.60}: its categories are {_listed(names)}")
    return names.index(text)


def _listed(names: tuple[str, ...] | list[str]) -> str:
    """Return names as a list in words."""
    return ", ".join(names[:_NAMED]) + (", ..." if len(names) > _NAMED else "")
