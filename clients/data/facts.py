"""Public facts of the data: what a scenario declares, and which rows the rest may be read off."""

from __future__ import annotations

import json
import math
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Annotated, Literal, Protocol, Self

from pydantic import Field, model_validator

from clients.data.errors import DataError
from clients.data.rows import Column, Ids
from clients.spec import Spec

OTHER = "other"
"""The category of every value that is none of those that are known."""



def unset(value: object) -> bool:
    """Tell whether a key is not set: it is left out then, so that plans from before there was such a key keep their hash."""
    return value is None


class ColumnFacts(Spec):
    """What is publicly known of a feature; what is not declared is read off public rows.

    A value below ``low`` or above ``high`` counts as the bound, one that is none of the ``categories`` as ``other``, which joins them.

    Parameters
    ----------
    name : str
        The column's name.
    kind : {"numeric", "categorical"}, optional
        Whether it holds numbers or categories.
    low, high : float, optional
        Least and greatest value of a numeric column.
    categories : tuple of str, optional
        The values of a categorical column, in the order of their codes.
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
        """The kind as far as it is declared, by what is said of the column if not in so many words."""
        if self.categories is not None:
            return "categorical"
        return "numeric" if self.low is not None or self.high is not None else self.kind

    @property
    def column(self) -> Column:
        """What learners are told of the column once it is scaled to [0, 1] or coded."""
        count = len(self.categories or ())
        return Column(self.name, 0.0, float(count - 1) if count else 1.0, count)


@dataclass(frozen=True)
class PublicRows:
    """The rows that facts may be read off.

    Parameters
    ----------
    reference : int64 array
        Ids of the rows that show kinds, bounds and categories, ascending.
    labelled : int64 array
        Ids of the rows that show the classes, those of the reference set among them, ascending.
    """

    reference: Ids
    labelled: Ids


class Source(Protocol):
    """What public rows are chosen from."""

    def __len__(self) -> int:
        """Return the number of rows."""

    @property
    def ids(self) -> Ids:
        """The lifelong id of each row, ascending."""

    @property
    def users(self) -> Ids | None:
        """The user of each row; None where rows belong to no users."""

    @property
    def user_names(self) -> Ids | None:
        """What the source calls the user of each row."""


def check_bounds(name: str, low: float, high: float) -> None:
    """Raise ``DataError`` for bounds that are the wrong way round, or too far apart for a scale."""
    if low > high:
        raise DataError(f"column {name}: low = {low:g} lies above high = {high:g}: exchange them")
    if not math.isfinite(high - low):
        raise DataError(f"column {name} reaches from {low:g} to {high:g}, too far for a scale: mend the cells, or declare nearer bounds")


def with_other(categories: Sequence[str]) -> tuple[str, ...]:
    """Return categories with one for all values that are none of them."""
    return tuple(categories) if OTHER in categories else (*categories, OTHER)


def pasted_labels(labels: Iterable[str]) -> str:
    """Return classes as a key of ``[data]``, ready to paste."""
    return f"labels = {_toml(list(labels))}"


def pasted_column(one: ColumnFacts) -> str:
    """Return a column's facts as an inline table of TOML, ready to paste."""
    keys = [f"{key} = {_toml(value)}" for key, value in one.model_dump(mode="json").items()]
    return "{ " + ", ".join(keys) + " }"


def _toml(value: object) -> str:
    """Return a text, a number or a list of texts as TOML, which takes JSON but for one character."""
    return json.dumps(value, ensure_ascii=False).replace("\x7f", "\\u007f")
