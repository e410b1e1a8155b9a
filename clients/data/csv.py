"""Tables in CSV files."""

from __future__ import annotations

from typing import TYPE_CHECKING, Literal

from clients.data.errors import DataError
from clients.data.scaling import existing
from clients.data.tabular import TabularSpec

if TYPE_CHECKING:
    from clients.data.coding import TableSource


class Csv(TabularSpec):
    """A table with one row per line and a class label in one column.

    Numeric columns are scaled to [0, 1] by their bounds, categorical ones become codes ``0 .. c - 1`` in the order given; undeclared facts
    are read from public rows. A column that mixes numbers and text is an error.

    Parameters
    ----------
    path : str
        The file, relative to the scenario's folder.
    header : bool
        Whether the first line names the columns; otherwise they are called ``c0``, ``c1``, ...
    """

    dataset: Literal["csv"] = "csv"
    path: str
    header: bool = True

    def read(self) -> TableSource:
        """Return the table with the roles of its columns; ``DataError`` if the file cannot be read, or is no such table."""
        from clients.data.delimited import read_table
        from clients.data.header import check_header
        from clients.data.tables import Table

        text = read_table(existing(self.path, "CSV file"))
        if len(text.lines) < 1 + self.header or text.width < 2:
            raise DataError(f"{text.path}: has no rows or only one column: it needs a label and at least one feature, separated by commas")
        check_header(text, self.header)
        names = text.first if self.header else [f"c{i}" for i in range(text.width)]
        columns = [text.column(i, self.header) for i in range(text.width)]
        return self.of(Table(text.path, names, columns, lambda row: text.line(row, self.header)))
