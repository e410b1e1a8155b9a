"""Data sets that Hugging Face's ``datasets`` saved to a folder."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import replace
from typing import TYPE_CHECKING, Any, Literal

import numpy as np

from clients.data import Dataset
from clients.data.errors import DataError
from clients.data.facts import Source
from clients.data.scaling import located
from clients.data.tabular import TabularSpec

if TYPE_CHECKING:
    import pyarrow as pa

    from clients.data.tables import Cells, Table

_SPLITS = ("train", "validation", "test")


class HuggingFace(TabularSpec):
    """A folder written by ``Dataset.save_to_disk`` or ``DatasetDict.save_to_disk``; it needs the extra ``huggingface``, and no network.

    If a column holds images, they are the rows; otherwise all columns except the label are features, as in a Parquet file. The splits of a
    ``DatasetDict`` are concatenated: train, validation, test, then others by name. A column of type ``ClassLabel`` names the classes.

    Parameters
    ----------
    path : str
        The folder, relative to the scenario's folder.
    label : str
        The label's column.
    id : str or int, optional
        The column of permanent ids, as in a Parquet file; images are numbered from 0.
    """

    dataset: Literal["huggingface"] = "huggingface"
    path: str
    label: str = "label"

    def read(self) -> Source:
        """Return a table with the roles of its columns, or a data set of images; ``DataError`` if the folder cannot be read."""
        from clients.data.arrow import typed_table

        features, table = self._read()
        if self.label not in table.column_names:
            raise DataError(f"{self.path}: label = {self.label!r} is no column: the columns are {', '.join(table.column_names)}")
        if not len(table):
            raise DataError(f"{self.path}: has no rows: save a data set with some")
        names = getattr(features[self.label], "names", None)
        if pictures := self._pictures(features, table.column_names):
            labels = typed_table(self.path, table.select([self.label])).columns[0]
            return self._named(self._images(table.column(pictures[0]).to_pylist(), labels), labels, names)
        typed = typed_table(self.path, table)
        self._check_named(typed.columns[typed.place(self.label, "label")], names)
        return self.of(replace(_with_names(typed, features), classes=None if names is None else tuple(names)))

    def _pictures(self, features: Any, columns: Sequence[str]) -> list[str]:
        """Return the name of the column of images, if any; ``DataError`` if there are columns other than it and the label."""
        pictures = [name for name, feature in features.items() if type(feature).__name__ == "Image"]
        if len(pictures) > 1:
            raise DataError(f"{self.path}: columns {' and '.join(pictures)} hold images: keep one of them")
        if pictures and self.id is not None:
            raise DataError(f"{self.path}: id = {self.id!r}, but images are numbered from 0: leave id out")
        if pictures and len(columns) > 2:
            others = ", ".join(name for name in columns if name not in (self.label, *pictures))
            raise DataError(f"{self.path}: has columns beside images and label ({others}): remove them with remove_columns")
        return pictures

    def _read(self) -> tuple[Any, pa.Table]:
        """Return the features of the columns, and all rows."""
        try:
            import datasets
        except ImportError:
            raise DataError(
                f"{self.path}: needs the package datasets: pip install 'lethe-federated[huggingface]', or save the data as Parquet"
            ) from None
        import pyarrow as pa

        folder = located(self.path)
        if not folder.is_dir():
            raise DataError(f"{self.path}: there is no such folder: correct path (relative paths start at the scenario file's folder)")
        try:
            held = datasets.load_from_disk(str(folder))
            parts = [held] if isinstance(held, datasets.Dataset) else [held[split] for split in sorted(held, key=_rank)]
            tables = [part.with_format("arrow")[:] for part in parts]
            if len({table.schema.remove_metadata() for table in tables}) > 1:
                raise DataError(f"{self.path}: its splits have different columns: save one of them alone")
            if strange := next((name for part in parts for name in part.features if part.features[name] != parts[0].features[name]), None):
                raise DataError(f"{self.path}: column {strange} has other class names or types in another split: cast all splits to one")
            return parts[0].features, pa.concat_tables([table.replace_schema_metadata() for table in tables])
        except DataError:
            raise
        except Exception as error:  # the library raises many kinds of errors for damaged folders
            reason = " ".join((str(error) or type(error).__name__).split())[:200]
            raise DataError(f"{self.path}: cannot be read as a data set ({reason}): write it with save_to_disk") from None

    def _images(self, cells: list[dict[str, Any] | None], labels: Any) -> Dataset:
        """Return a data set of images."""
        from clients.data.classes import array_labels, coded
        from clients.data.npz import channels_first, scaled
        from clients.data.pictures import decode

        pixels = decode(self._encoded(cells), len(cells))
        if isinstance(labels, np.ndarray):
            names, y = array_labels(labels, self.path, f"column {self.label}")
        else:
            names, y = coded(labels, self.path, lambda row: f"row {row} (from 0)")
        return Dataset(channels_first(scaled(pixels, self.path)), y, names)

    def _encoded(self, cells: list[dict[str, Any] | None]) -> Iterator[tuple[str, bytes]]:
        """Yield the words for messages and the encoded bytes of each image."""
        for row, cell in enumerate(cells):
            place = f"{self.path}: row {row} (from 0)"
            if cell is None or cell.get("bytes") is None:
                raise DataError(f"{place} holds no image of its own: cast the column to Image and save the data set again")
            yield place, cell["bytes"]

    def _named(self, data: Dataset, labels: Cells, names: list[str] | None) -> Dataset:
        """Return the data with the classes that the label's column names, including those without a row."""
        self._check_named(labels, names)
        if names is None or not isinstance(labels, np.ndarray):
            return data
        return replace(data, y=labels.astype(np.int64), labels=tuple(names), published=True)

    def _check_named(self, labels: Cells, names: list[str] | None) -> None:
        """Raise ``DataError`` if a label is a number without a name."""
        if names is None or not isinstance(labels, np.ndarray):
            return
        if labels.min() < 0 or labels.max() >= len(names):
            held = f"{labels.min()} to {labels.max()}"
            raise DataError(f"{self.path}: column {self.label} holds {held} for {len(names)} names: mend the labels")


def _with_names(table: Table, features: Any) -> Table:
    """Return the table with names of classes instead of numbers in all columns that have names."""
    columns = list(table.columns)
    for i, name in enumerate(table.names):
        names, codes = getattr(features[name], "names", None), columns[i]
        if names and isinstance(codes, np.ndarray) and len(codes) and 0 <= codes.min() <= codes.max() < len(names):
            columns[i] = [names[code] for code in codes]
    return replace(table, columns=columns)


def _rank(split: str) -> tuple[int, str]:
    """Return the sort key of a split."""
    return (_SPLITS.index(split) if split in _SPLITS else len(_SPLITS), split)
