"""What is taken as public of a table: the kind of each column, bounds of numbers, categories; declared, or else read off the rows."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from clients.data.facts import ColumnFacts, check_bounds, codes, with_other
from clients.data.scaling import between
from simulator.estimators.cells import Cells


@dataclass(frozen=True)
class Facts:
    """All facts of all columns, in the order of the table.

    Parameters
    ----------
    columns : tuple of ColumnFacts
        Each says its kind, and both bounds or all categories, ``other`` among them.
    bounds, categories : int
        Of how many columns bounds or categories were read off the rows.
    """

    columns: tuple[ColumnFacts, ...]
    bounds: int = 0
    categories: int = 0

    @classmethod
    def of(cls, declared: Sequence[ColumnFacts], cells: Sequence[Cells]) -> Facts:
        """Return what is declared, completed by what the cells show; ``ValueError`` for bounds that are no range."""
        columns = tuple(_whole(told, shown) for told, shown in zip(declared, cells, strict=True))
        bounds = sum(one.kind == "numeric" and None in (told.low, told.high) for told, one in zip(declared, columns, strict=True))
        categories = sum(one.kind == "categorical" and told.categories is None for told, one in zip(declared, columns, strict=True))
        return cls(columns, bounds, categories)

    def encoded(self, cells: Sequence[Cells]) -> tuple[npt.NDArray[np.float32], dict[str, int]]:
        """Return rows as unlearners take them, float32 (n, columns), and how many cells of which column lie beyond its facts.

        Numbers are scaled to [0, 1] by their bounds, categories are codes. A number beyond a bound counts as the bound, a category that is
        none of those known as ``other``.
        """
        found = [_encoded(fact, one) for fact, one in zip(self.columns, cells, strict=True)]
        beyond = {fact.name: count for fact, (_, count) in zip(self.columns, found, strict=True) if count}
        return np.stack([values for values, _ in found], axis=1), beyond

    @property
    def read_off(self) -> list[str]:
        """In words, what was read off the rows."""
        parts = (("bounds", self.bounds), ("categories", self.categories))
        return [f"the {what} of {count} column{'s' * (count > 1)}" for what, count in parts if count]


def _whole(told: ColumnFacts, shown: Cells) -> ColumnFacts:
    """Return a column's facts, those that are not declared as its cells show them."""
    if shown.text is not None:
        names = told.categories or shown.categories or tuple(sorted(set(shown.text)))
        return ColumnFacts(name=told.name, kind="categorical", categories=with_other(names))
    low = float(shown.numbers.min()) if told.low is None else told.low
    high = float(shown.numbers.max()) if told.high is None else told.high
    check_bounds(told.name, low, high)
    return ColumnFacts(name=told.name, kind="numeric", low=low, high=high)


def _encoded(fact: ColumnFacts, cells: Cells) -> tuple[npt.NDArray[np.float32], int]:
    """Return a column as unlearners take it, float32 (n,), and how many of its cells lie beyond its facts."""
    if fact.categories is None:
        assert fact.low is not None
        assert fact.high is not None
        return between(cells.numbers, fact.low, fact.high)
    values, unknown = codes(cells.text or (), fact.categories)
    return values.astype(np.float32), int(unknown.sum())
