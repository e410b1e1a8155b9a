"""Tables in CSV files."""

from __future__ import annotations

from typing import TYPE_CHECKING, Literal

from clients.data.errors import DataError
from clients.data.scaling import existing
from clients.data.tabular import TabularSpec

if TYPE_CHECKING:
    from clients.data.coding import TableSource


class Csv(TabularSpec):
    """A table with one row a line and a class label in one column.

    Numeric columns are scaled to [0, 1] by their bounds, categorical ones become codes ``0 .. c - 1`` in the order given; what is not
    declared is read off public rows. A column that holds numbers and something else is refused.

    Parameters
    ----------
    path : str
        The file, from the scenario's folder.
    header : bool
        Whether the first line names the columns; if not they are called ``c0``, ``c1``, ...
    categorical : tuple of str or int, optional
        Categorical columns; unless told, those that hold text and no number at all.
    """

    dataset: Literal["csv"] = "csv"
    path: str
    header: bool = True

    def read(self) -> TableSource:
        """Return the table, its columns told apart."""
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
