"""Tables in Parquet files."""

from __future__ import annotations

from typing import TYPE_CHECKING, Literal

from clients.data.errors import DataError
from clients.data.scaling import existing
from clients.data.tabular import TabularSpec

if TYPE_CHECKING:
    from clients.data.coding import TableSource


class Parquet(TabularSpec):
    """A table with typed columns and a class label in one of them.

    Numbers are scaled to [0, 1] by their bounds; text and booleans become codes ``0 .. c - 1`` in the order given; undeclared facts are
    read from public rows.

    Parameters
    ----------
    path : str
        The file, relative to the scenario's folder.
    categorical : tuple of str or int, optional
        Categorical columns; by default, those of text and booleans.
    """

    dataset: Literal["parquet"] = "parquet"
    path: str

    def read(self) -> TableSource:
        """Return the table with the roles of its columns; ``DataError`` if the file cannot be read, or is no such table."""
        import pyarrow as pa
        import pyarrow.parquet as pq

        from clients.data.arrow import typed_table
        from clients.data.limits import afford

        path = existing(self.path, "Parquet file")
        try:
            with pq.ParquetFile(path, page_checksum_verification=True) as file:
                held = file.metadata
                afford(path, 16 * held.num_rows * held.num_columns, "reading it")
                afford(path, 4 * sum(held.row_group(i).total_byte_size for i in range(held.num_row_groups)), "unpacking it")
                table = file.read()
                table.validate(full=True)
        except (pa.ArrowException, OSError, ValueError, MemoryError) as error:
            if isinstance(error, DataError):
                raise
            reason = " ".join(str(error).split())[:200]
            raise DataError(f"{path}: cannot be read as Parquet ({reason}): fetch it again, or save it with pandas.to_parquet") from None
        if not len(table):
            raise DataError(f"{path}: has no rows: it needs a label and at least one feature")
        return self.of(typed_table(str(path), table))
