"""Common base of tabular data sets: a label, features, optional ids, and facts of the columns."""

from __future__ import annotations

from abc import abstractmethod
from typing import TYPE_CHECKING, Self

import numpy as np
from pydantic import Field

from clients.data import Dataset, DatasetSpec
from clients.data.errors import DataError
from clients.data.facts import PublicRows, Source, unset
from clients.data.rows import Ids
from clients.streams import bottom

if TYPE_CHECKING:
    from clients.data.coding import TableSource
    from clients.data.tables import Table


class TabularSpec(DatasetSpec):
    """A table with a class label in one column.

    Numeric columns are scaled to [0, 1] by their bounds, categorical ones become codes ``0 .. c - 1`` in the order given; undeclared facts
    are read from public rows.

    Parameters
    ----------
    label : str or int
        Name, or number (from 0; negative from the end), of the label's column.
    categorical : tuple of str or int, optional
        Categorical columns; by default, those that contain text and no number.
    id : str or int, optional
        The column of permanent ids, whole numbers from 0, which is no feature; by default, rows are numbered from 0 in their order.
    """

    label: str | int = -1
    categorical: tuple[str | int, ...] | None = None
    id: str | int | None = Field(None, exclude_if=unset)

    @abstractmethod
    def read(self) -> Source:
        """Return the table with the roles of its columns; a data set if there is no table."""

    def of(self, table: Table) -> TableSource:
        """Return a table with the roles of its columns, its rows limited to ``rows`` and sorted by id.

        ``DataError`` if a key of the scenario names no column, label and id are the same column, no feature is left, or an id is invalid.
        """
        from clients.data.coding import TableSource

        label = table.place(self.label, "label")
        numbers = None if self.id is None else _numbers(table, table.place(self.id, "id"))
        aside = {label} if self.id is None else {label, table.place(self.id, "id")}
        features = [i for i in range(len(table.names)) if i not in aside]
        if self.id is not None and len(aside) == 1:
            raise DataError(f"{table.path}: id and label name the same column: give each its own")
        if not features:
            raise DataError(f"{table.path}: has no rows or only one column: it needs a label and at least one feature")
        named = None if self.categorical is None else {table.place(one, "categorical") for one in self.categorical}
        places = np.arange(len(table)) if numbers is None else np.argsort(numbers)
        if self.rows is not None and self.rows < len(table):
            drawn = bottom(self.rows, range(len(table)) if numbers is None else numbers.tolist(), "rows")
            places = np.sort(drawn) if numbers is None else places[np.isin(numbers[places], drawn)]
        kept = table if np.array_equal(places, np.arange(len(table))) else table.only(places)
        return TableSource(kept, label, features, named, None if numbers is None else numbers[places])

    def known(self, source: Source, public: PublicRows) -> Self:
        """Return the spec with the facts of all columns and all classes; undeclared ones are read from public rows."""
        from clients.data.coding import TableSource

        if not isinstance(source, TableSource):
            return super().known(source, public)
        facts = source.facts(self.columns, source.at(public.reference))
        return self.model_copy(update={"columns": facts, "labels": self.labels or source.classes(source.at(public.labelled))})

    def load(self) -> Dataset:
        """Return rows of shape (columns,)."""
        from clients.data.coding import TableSource

        source = self.read()
        if isinstance(source, TableSource):
            return source.dataset(self.columns, self.class_names)
        assert isinstance(source, Dataset)
        return source


def _numbers(table: Table, place: int) -> Ids:
    """Return the ids in a column, int64 (n,), in the order of rows; ``DataError`` if one is no whole number from 0, or is repeated."""
    cells, what = table.texts(place), f"column {table.names[place]}"
    wrong = next((row for row, cell in enumerate(cells) if not _is_id(cell)), None)
    if wrong is not None:
        cure = f"an id is a whole number from 0 to {2**63 - 1}"
        raise DataError(f"{table.path}: {table.where(wrong)}: {what} holds {cells[wrong]!r:.60}: {cure}")
    numbers = np.asarray([int(cell) for cell in cells], dtype=np.int64)
    values, counts = np.unique(numbers, return_counts=True)
    if (counts > 1).any():
        twice = values[counts > 1][0]
        rows = np.flatnonzero(numbers == twice)
        raise DataError(f"{table.path}: {table.where(int(rows[1]))}: {what} gives the id {twice} again: an id is of one row for ever")
    return numbers


def _is_id(cell: str) -> bool:
    """Return whether a cell is a whole number from 0 that fits in int64."""
    return cell.isascii() and cell.isdigit() and len(cell) <= 19 and int(cell) < 2**63
