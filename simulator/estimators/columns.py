"""How users declare what is public of a column."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Literal, Self

from pydantic import model_validator

from clients.spec import Spec

OTHER = "other"
"""The category of every value that is none of those that are known."""


class ColumnFacts(Spec):
    """What is publicly known of one column; what is not declared is read off the rows."""

    name: str
    kind: Literal["numeric", "categorical"] | None = None
    low: float | None = None
    high: float | None = None
    categories: tuple[str, ...] | None = None

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


def check_bounds(name: str, low: float, high: float) -> None:
    """Raise ``ValueError`` for bounds that are the wrong way round, or too far apart for a scale."""
    if low > high:
        raise ValueError(f"column {name}: low = {low:g} lies above high = {high:g}: exchange them")
    if not math.isfinite(high - low):
        raise ValueError(f"column {name} reaches from {low:g} to {high:g}, too far for a scale: mend the cells, or declare nearer bounds")


def with_other(categories: Sequence[str]) -> tuple[str, ...]:
    """Return categories with one for all values that are none of them."""
    return tuple(categories) if OTHER in categories else (*categories, OTHER)
