"""Encoding of tables by public facts: numbers are scaled by their bounds, categories and classes become codes."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from clients.data import Dataset
from clients.data.classes import array_labels, coded, is_number
from clients.data.errors import DataError
from clients.data.facts import OTHER, ColumnFacts, check_bounds, codes, with_other
from clients.data.labels import codes_of, names_of
from clients.data.rows import Ids
from clients.data.scaling import between
from clients.data.tables import Table

Declared = Sequence[ColumnFacts] | None


@dataclass(frozen=True, eq=False)
class TableSource:
    """A table with the roles of its columns; rows are sorted by their ids.

    Parameters
    ----------
    table : Table
        The rows.
    label : int
        Position of the label's column.
    features : list of int
        Positions of the features' columns.
    named : set of int, optional
        Positions of the categorical columns; by default, those that contain text and no number.
    numbers : int64 array, optional
        Permanent ids of the rows, ascending, if a column holds them.
    """

    table: Table
    label: int
    features: Sequence[int]
    named: set[int] | None = None
    numbers: Ids | None = None
    users: None = None
    user_names: None = None

    def __len__(self) -> int:
        return len(self.table)

    @property
    def ids(self) -> Ids:
        """The permanent id of each row, ascending."""
        return np.arange(len(self)) if self.numbers is None else self.numbers

    def facts(self, declared: Declared, rows: Ids) -> tuple[ColumnFacts, ...]:
        """Return the facts of every feature; undeclared ones are read from the rows at these positions."""
        return _all_of(self.tried(declared, rows))

    def tried(self, declared: Declared, rows: Ids, closed: bool = False) -> Iterator[ColumnFacts | DataError]:
        """Yield the facts of each feature, or the error why there are none; if ``closed``, no category is added to the declared ones."""
        told = self._told(declared or ())
        shown = self.table if len(rows) == len(self) else self.table.only(rows)
        for i in self.features:
            try:
                yield self._fact(shown, i, told.get(i, ColumnFacts(name=self.table.names[i])), closed)
            except DataError as error:
                yield error

    def classes(self, rows: Ids) -> tuple[str, ...]:
        """Return the names of the classes of the rows at these positions."""
        names, _ = self.labels(None)  # an invalid label is an error in any row, public or not
        return names if self.table.classes else names_of(self.table.only(rows).texts(self.label))

    def dataset(self, declared: Declared, classes: Sequence[str] | None) -> Dataset:
        """Return rows of shape (features,), encoded by the declared facts; undeclared ones are read from all rows."""
        facts = _all_of(self.tried(declared, np.arange(len(self)), closed=True))
        parts = [self.coded(i, fact) for i, fact in zip(self.features, facts, strict=True)]
        names, y = self.labels(classes)
        notes = (*self.table.notes, *_beyond(facts, [beyond for _, beyond in parts]))
        return Dataset(
            np.stack([values for values, _ in parts], axis=1),
            y,
            names,
            tuple(fact.column for fact in facts),
            categories=tuple(fact.categories or () for fact in facts),
            notes=notes,
            numbers=self.numbers,
        )

    def at(self, ids: Ids) -> Ids:
        """Return the positions of the rows with these ids."""
        return ids if self.numbers is None else np.searchsorted(self.numbers, ids)

    def _told(self, declared: Sequence[ColumnFacts]) -> dict[int, ColumnFacts]:
        """Return declared facts by the column's position; ``DataError`` for a column that is no feature, or is declared twice."""
        told: dict[int, ColumnFacts] = {}
        whole = [one.name for one in declared] == [self.table.names[i] for i in self.features]  # then duplicate names are allowed
        places = self.features if whole else [self.table.place(one.name, "columns") for one in declared]
        for place, one in zip(places, declared, strict=True):
            if place in told or place not in self.features:
                wrong = "is declared twice: declare it once" if place in told else "is no feature, but the label or the id: take it out"
                raise DataError(f"{self.table.path}: columns: {one.name} {wrong}")
            if self.named is not None and one.told == "numeric" and place in self.named:
                raise DataError(f"{self.table.path}: columns: {one.name} is numeric here and listed in categorical: say it once")
            told[place] = one
        return told

    def _fact(self, shown: Table, place: int, told: ColumnFacts, closed: bool) -> ColumnFacts:
        """Return the facts of a feature; what ``told`` does not declare is read from the rows ``shown``."""
        categorical = shown.is_categorical(place, self.named) if told.told is None else told.told == "categorical"
        if categorical is None:
            raise self.table.no_number(place, self.named, self.features)
        if categorical:
            names = told.categories or _sorted(shown.texts(place))
            open_end = not closed and (told.categories is not None or len(shown) < len(self))
            listed = with_other(names) if open_end else names
            return ColumnFacts(name=told.name, kind="categorical", categories=listed)
        low, high = told.low, told.high
        if low is None or high is None:
            values = shown.numbers(place, self.named, self.features)
            low, high = float(values.min()) if low is None else low, float(values.max()) if high is None else high
        check_bounds(f"{told.name} of {self.table.path}", low, high)
        return ColumnFacts(name=told.name, kind="numeric", low=low, high=high)

    def coded(self, place: int, fact: ColumnFacts) -> tuple[npt.NDArray[np.float32], int]:
        """Return an encoded feature, float32 (n,), and how many values are outside its bounds or categories."""
        if fact.categories is None:
            assert fact.low is not None
            assert fact.high is not None
            return between(self.table.numbers(place, self.named, self.features), fact.low, fact.high)
        cells = self.table.texts(place)
        values, unknown = codes(cells, fact.categories)
        if unknown.any() and OTHER not in fact.categories:
            row = int(np.argmax(unknown))
            where = f"{self.table.path}: {self.table.where(row)}"
            raise DataError(f"{where}: column {fact.name} holds {cells[row]!r:.60}, which is no category of it: add it to categories")
        return values.astype(np.float32), int(unknown.sum())

    def labels(self, classes: Sequence[str] | None) -> tuple[tuple[str, ...], npt.NDArray[np.int64]]:
        """Return the names of the classes, by default those that occur, and each row's position among them, int64 (n,)."""
        cells, path, classes = self.table.columns[self.label], self.table.path, classes or self.table.classes
        if isinstance(cells, np.ndarray):
            names, y = array_labels(cells, path, f"column {self.table.names[self.label]}")
        else:
            names, y = coded(cells, path, self.table.where)
        if classes is None:
            return names, y
        return tuple(classes), codes_of(self.table.texts(self.label), classes, path, self.table.where)


def _all_of(found: Iterable[ColumnFacts | DataError]) -> tuple[ColumnFacts, ...]:
    """Return the facts, or raise the first error among them."""
    facts: list[ColumnFacts] = []
    for one in found:
        if isinstance(one, DataError):
            raise one
        facts.append(one)
    return tuple(facts)


def _sorted(cells: Sequence[str]) -> tuple[str, ...]:
    """Return the distinct cells, sorted; by value if all are numbers."""
    distinct = set(cells)
    return tuple(sorted(distinct, key=lambda cell: (float(cell), cell)) if all(map(is_number, distinct)) else sorted(distinct))


def _beyond(facts: Sequence[ColumnFacts], counts: Sequence[int]) -> Iterator[str]:
    """Yield notes on how many values are outside their columns' bounds or categories."""
    for what, coded_ones in (("beyond a bound, and count as the bound", False), ("in no category, and count as other", True)):
        found = [f"{fact.name} {n}" for fact, n in zip(facts, counts, strict=True) if n and (fact.categories is not None) == coded_ones]
        if found:
            yield f"values {what}: {', '.join(found[:20])}{', ...' if len(found) > 20 else ''}"
