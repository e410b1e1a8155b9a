"""From a table to a data set, by public facts: numbers scaled by their bounds, categories and classes as codes."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from clients.data import Dataset
from clients.data.classes import array_labels, coded, is_number
from clients.data.errors import DataError
from clients.data.facts import OTHER, ColumnFacts, check_bounds, with_other
from clients.data.labels import codes_of, names_of
from clients.data.rows import Ids
from clients.data.scaling import between
from clients.data.tables import Table

Declared = Sequence[ColumnFacts] | None


@dataclass(frozen=True, eq=False)
class TableSource:
    """A table whose columns have been told apart; rows are sorted by their ids.

    Parameters
    ----------
    table : Table
    label : int
        The place of the label's column.
    features : list of int
        The places of the features' columns.
    named : set of int, optional
        Columns that are said to be categorical, and no others; unless told, those that hold text and no number at all.
    numbers : int64 array, optional
        Lifelong ids, ascending, where a column holds them.
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
        """The lifelong id of each row, ascending."""
        return np.arange(len(self)) if self.numbers is None else self.numbers

    def facts(self, declared: Declared, rows: Ids) -> tuple[ColumnFacts, ...]:
        """Return what is known of every feature: as it is declared, the rest read off the rows with these places."""
        return _all_of(self.tried(declared, rows))

    def tried(self, declared: Declared, rows: Ids, closed: bool = False) -> Iterator[ColumnFacts | DataError]:
        """Yield what is known of each feature, or why it cannot be; where facts are ``closed``, no category joins the declared ones."""
        told = self._told(declared or ())
        shown = self.table if len(rows) == len(self) else self.table.only(rows)
        for i in self.features:
            try:
                yield self._fact(shown, i, told.get(i, ColumnFacts(name=self.table.names[i])), closed)
            except DataError as error:
                yield error

    def classes(self, rows: Ids) -> tuple[str, ...]:
        """Return the names of the classes that the rows with these places have."""
        names, _ = self.labels(None)  # labels that are none are refused wherever they stand
        return names if self.table.classes else names_of(self.table.only(rows).texts(self.label))

    def dataset(self, declared: Declared, classes: Sequence[str] | None) -> Dataset:
        """Return rows of shape (features,), coded by what is declared; the rest is read off all rows."""
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
        """Return the places of the rows with these ids."""
        return ids if self.numbers is None else np.searchsorted(self.numbers, ids)

    def _told(self, declared: Sequence[ColumnFacts]) -> dict[int, ColumnFacts]:
        """Return what is declared by the column's place; ``DataError`` for a column that is no feature, or is declared twice."""
        told: dict[int, ColumnFacts] = {}
        whole = [one.name for one in declared] == [self.table.names[i] for i in self.features]  # perhaps with names that come twice
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
        """Return all that is known of a feature."""
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
        """Return a feature, scaled or coded, shape (n,), and how many of its values lie beyond what is known of it."""
        if fact.categories is None:
            assert fact.low is not None
            assert fact.high is not None
            return between(self.table.numbers(place, self.named, self.features), fact.low, fact.high)
        code = {name: i for i, name in enumerate(fact.categories)}
        codes = [code.get(cell, -1) for cell in self.table.texts(place)]
        values = np.asarray(codes, dtype=np.int64)
        strange = values < 0
        if strange.any() and OTHER not in code:
            row = int(np.argmax(strange))
            cell = self.table.texts(place)[row]
            where = f"{self.table.path}: {self.table.where(row)}"
            raise DataError(f"{where}: column {fact.name} holds {cell!r:.60}, which is no category of it: add it to categories")
        values[strange] = code.get(OTHER, -1)
        return values.astype(np.float32), int(strange.sum())

    def labels(self, classes: Sequence[str] | None) -> tuple[tuple[str, ...], npt.NDArray[np.int64]]:
        """Return the names of the classes, those that occur unless told, and each row's place among them."""
        cells, path, classes = self.table.columns[self.label], self.table.path, classes or self.table.classes
        if isinstance(cells, np.ndarray):
            names, y = array_labels(cells, path, f"column {self.table.names[self.label]}")
        else:
            names, y = coded(cells, path, self.table.where)
        if classes is None:
            return names, y
        return tuple(classes), codes_of(self.table.texts(self.label), classes, path, self.table.where)


def _all_of(found: Iterable[ColumnFacts | DataError]) -> tuple[ColumnFacts, ...]:
    """Return facts, or raise the first error among them."""
    facts: list[ColumnFacts] = []
    for one in found:
        if isinstance(one, DataError):
            raise one
        facts.append(one)
    return tuple(facts)


def _sorted(cells: Sequence[str]) -> tuple[str, ...]:
    """Return the distinct cells in order, as numbers where all are."""
    distinct = set(cells)
    return tuple(sorted(distinct, key=lambda cell: (float(cell), cell)) if all(map(is_number, distinct)) else sorted(distinct))


def _beyond(facts: Sequence[ColumnFacts], counts: Sequence[int]) -> Iterator[str]:
    """Yield how many values lie beyond what is known of their columns."""
    for what, coded_ones in (("beyond a bound, and count as the bound", False), ("in no category, and count as other", True)):
        found = [f"{fact.name} {n}" for fact, n in zip(facts, counts, strict=True) if n and (fact.categories is not None) == coded_ones]
        if found:
            yield f"values {what}: {', '.join(found[:20])}{', ...' if len(found) > 20 else ''}"
