"""Public facts of the data: those that a scenario declares, and the public rows from which the others are read."""

from __future__ import annotations

import json
import math
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Annotated, Literal, Protocol, Self

import numpy as np
import numpy.typing as npt
from pydantic import Field, model_validator

from clients.data.errors import DataError
from clients.data.rows import Column, Ids
from clients.spec import Spec

OTHER = "other"
"""The category of every value that is not a known category."""


def unset(value: object) -> bool:
    """Return whether a key is unset; such a key is left out, so that the hashes of plans made before the key existed stay the same."""
    return value is None


class ColumnFacts(Spec):
    """Public facts of a feature; undeclared ones are read from public rows.

    A value below ``low`` or above ``high`` is clipped to the bound; a value that is not in ``categories`` belongs to the additional
    category ``other``.

    Parameters
    ----------
    name : str
        The column's name.
    kind : {"numeric", "categorical"}, optional
        Whether the column holds numbers or categories.
    low, high : float, optional
        Smallest and largest value of a numeric column.
    categories : tuple of str, optional
        Values of a categorical column, in the order of their codes.
    """

    name: str
    kind: Literal["numeric", "categorical"] | None = Field(None, exclude_if=unset)
    low: float | None = Field(None, exclude_if=unset)
    high: float | None = Field(None, exclude_if=unset)
    categories: Annotated[tuple[str, ...], Field(min_length=1)] | None = Field(None, exclude_if=unset)

    @model_validator(mode="after")
    def _fits(self) -> Self:
        bounded = self.low is not None or self.high is not None
        if bounded and (self.kind == "categorical" or self.categories is not None):
            raise ValueError("has low or high and is categorical: bounds are for numbers, take one or the other out")
        if self.kind == "numeric" and self.categories is not None:
            raise ValueError("is numeric and has categories: take one or the other out")
        if self.categories is not None and len(set(self.categories)) < len(self.categories):
            raise ValueError("names a category twice: name each once")
        if self.low is not None and self.high is not None:
            check_bounds(self.name, self.low, self.high)
        return self

    @property
    def told(self) -> str | None:
        """The declared kind, also if declared bounds or categories imply it; else None."""
        if self.categories is not None:
            return "categorical"
        return "numeric" if self.low is not None or self.high is not None else self.kind

    @property
    def column(self) -> Column:
        """The facts of the encoded column, which is scaled to [0, 1] or holds codes."""
        count = len(self.categories or ())
        return Column(self.name, 0.0, float(count - 1) if count else 1.0, count)


@dataclass(frozen=True)
class PublicRows:
    """The rows from which facts may be read.

    Parameters
    ----------
    reference : int64 array
        Ids of the rows that determine kinds, bounds and categories, ascending.
    labelled : int64 array
        Ids of the rows that determine the classes, ascending; they include those of the reference set.
    """

    reference: Ids
    labelled: Ids


class Source(Protocol):
    """Data before they are encoded, from which public rows are chosen."""

    def __len__(self) -> int:
        """Return the number of rows."""

    @property
    def ids(self) -> Ids:
        """The permanent id of each row, ascending."""

    @property
    def users(self) -> Ids | None:
        """The user of each row; None where rows belong to no users."""

    @property
    def user_names(self) -> Ids | None:
        """The source's own number of the user of each row; None where rows belong to no users."""


def check_bounds(name: str, low: float, high: float) -> None:
    """Raise ``DataError`` if ``low`` exceeds ``high``, or their difference is not finite."""
    if low > high:
        raise DataError(f"column {name}: low = {low:g} lies above high = {high:g}: exchange them")
    if not math.isfinite(high - low):
        raise DataError(f"column {name} reaches from {low:g} to {high:g}, too far for a scale: mend the cells, or declare nearer bounds")


def with_other(categories: Sequence[str]) -> tuple[str, ...]:
    """Return the categories and ``other``, which is appended unless it is one of them."""
    return tuple(categories) if OTHER in categories else (*categories, OTHER)


def codes(cells: Sequence[str], categories: Sequence[str]) -> tuple[npt.NDArray[np.int64], npt.NDArray[np.bool_]]:
    """Return the code of each cell, its position among the categories, int64 (n,), and whether the cell is not among them, bool (n,).

    The code of a cell that is not among them is that of ``other``, or -1 without such a category.
    """
    place = {name: i for i, name in enumerate(categories)}
    found = np.fromiter((place.get(cell, -1) for cell in cells), np.int64, len(cells))
    unknown = found < 0
    return np.where(unknown, place.get(OTHER, -1), found), unknown


def pasted_labels(labels: Iterable[str]) -> str:
    """Return classes as a key of ``[data]``, ready to paste."""
    return f"labels = {_toml(list(labels))}"


def pasted_column(one: ColumnFacts) -> str:
    """Return a column's facts as an inline table of TOML, ready to paste."""
    keys = [f"{key} = {_toml(value)}" for key, value in one.model_dump(mode="json").items()]
    return "{ " + ", ".join(keys) + " }"


def _toml(value: object) -> str:
    """Return a text, a number or a list of texts as TOML; their JSON is valid TOML, except for one control character."""
    return json.dumps(value, ensure_ascii=False).replace("\x7f", "\\u007f")
