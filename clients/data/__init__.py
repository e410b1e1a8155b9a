"""Data sets, by name."""

from __future__ import annotations

from abc import abstractmethod
from dataclasses import dataclass, field, replace
from functools import lru_cache
from pathlib import Path
from typing import Annotated, ClassVar, Self

import numpy as np
import numpy.typing as npt
from pydantic import Field, PositiveInt, field_validator

from clients.data.errors import DataError as DataError
from clients.data.errors import one_line as one_line
from clients.data.facts import ColumnFacts, PublicRows, Source, unset
from clients.data.labels import check_public, names_of, recoded
from clients.data.rows import Column, Ids, Rows
from clients.metrics import Metric
from clients.spec import Registry, Spec
from clients.streams import bottom


@dataclass(frozen=True)
class Dataset:
    """All rows of a source, before they are partitioned among peers.

    Parameters
    ----------
    x : float32 array, shape (n, ...)
        Inputs, scaled by public constants.
    y : int64 array, shape (n,)
        Classes, in ``0 .. classes - 1``.
    labels : tuple of str
        Names of the classes.
    columns : tuple of Column
        Public facts of tabular features; empty for images.
    edges : int64 array, shape (m, 2)
        Pairs of row ids ``u < v``; none unless rows are nodes of a graph. Edge ``i`` has the permanent id ``n + i``, so that ids of rows
        and edges differ.
    categories : tuple of tuple of str
        Names of the categories of each column; empty for a numeric one.
    notes : tuple of str
        One line for each change to the source that its owner might not expect.
    numbers : int64 array, shape (n,), optional
        Permanent ids of the rows, ascending; by default row ``i`` has the id ``i``.
    subjects : int64 array, shape (n,), optional
        Number of the person that each row is from; None where rows are from no people.
    published : bool
        Whether the source itself names the classes, whatever rows it has.
    """

    x: npt.NDArray[np.float32]
    y: npt.NDArray[np.int64]
    labels: tuple[str, ...]
    columns: tuple[Column, ...] = ()
    edges: npt.NDArray[np.int64] = field(default_factory=lambda: np.empty((0, 2), np.int64))
    categories: tuple[tuple[str, ...], ...] = ()
    notes: tuple[str, ...] = ()
    numbers: Ids | None = None
    subjects: Ids | None = None
    published: bool = False

    def __len__(self) -> int:
        return len(self.y)

    @property
    def shape(self) -> tuple[int, ...]:
        """Shape of one input."""
        return tuple(self.x.shape[1:])

    @property
    def classes(self) -> int:
        """Number of classes."""
        return len(self.labels)

    @property
    def ids(self) -> Ids:
        """The permanent id of each row, int64 (n,), ascending."""
        return np.arange(len(self)) if self.numbers is None else self.numbers

    def at(self, ids: npt.ArrayLike) -> Ids:
        """Return the positions of the rows with these ids, int64 (len(ids),); ``DataError`` names the first id that no row has."""
        wanted = np.asarray(ids, dtype=np.int64)
        if self.numbers is None:
            places, strange = wanted, (wanted < 0) | (wanted >= len(self))
        else:
            places = np.minimum(np.searchsorted(self.numbers, wanted), len(self) - 1)
            strange = self.numbers[places] != wanted
        if strange.any():
            raise DataError(f"row {wanted[strange][0]}: no row of the data set has this id: name rows that are there")
        return places

    def rows(self, ids: Ids) -> Rows:
        """Return the rows with these ids, ascending."""
        places = self.at(ids)
        return Rows(ids, self.x[places], self.y[places])

    def classes_of(self, ids: npt.ArrayLike) -> npt.NDArray[np.int64]:
        """Return the class of the rows with these ids, int64 (len(ids),)."""
        return self.y[self.at(ids)]

    @property
    def users(self) -> Ids | None:
        """The user of each row, int64 (n,); None where rows belong to no users."""
        return None

    @property
    def user_names(self) -> Ids | None:
        """The source's own number of the user of each row, int64 (n,); None where rows belong to no users."""
        return self.users

    def edges_among(self, ids: Ids) -> Ids:
        """Return the ids of the edges that join two of these rows, ascending."""
        return len(self) + np.flatnonzero(np.isin(self.edges, ids).all(axis=1))

    def ends(self, edges: Ids) -> npt.NDArray[np.int64]:
        """Return the rows that the edges with these ids join, int64 (len(edges), 2)."""
        return self.edges[edges - len(self)]

    def inputs(self, ids: Ids) -> npt.NDArray[np.float32]:
        """Return the inputs of a prediction for rows, float32 (len(ids), *shape)."""
        return self.x[self.at(ids)]

    def metrics(self, ids: Ids, probabilities: npt.NDArray[np.floating]) -> dict[str, npt.NDArray[np.float64]]:
        """Return the value of each metric for each row, by the metric's name in the ledger.

        Parameters
        ----------
        ids : int64 array, shape (n,)
            Ids of the rows.
        probabilities : float array, shape (n, classes)
            Predictions for these rows.

        Returns
        -------
        dict of str to float64 array, shape (n,)
            Values in [0, 1]. ``accuracy`` is 1 where the most probable class, the lowest among equals, is the row's class, else 0.
        """
        return {"accuracy": (probabilities.argmax(axis=1) == self.classes_of(ids)).astype(np.float64)}


ACCURACY = Metric("accuracy", "mean", "share", "higher")
"""Share of correct predictions."""


class DatasetSpec(Spec):
    """Base class of the data sets of scenarios; ``load`` reads the data.

    Parameters
    ----------
    rows : int, optional
        Number of rows to keep; all by default. The hash of a row's position in the source decides, so that every run keeps the same rows;
        these are then numbered from 0.
    columns : list of tables, optional
        Public facts of columns: kind, bounds, categories; undeclared ones are read from public rows.
    labels : list of str, optional
        Names of the classes, in the order of their codes; by default, the classes of public rows.
    """

    published: ClassVar[bool] = False
    """Whether bounds and classes are published with the data, so that no row decides them."""
    catalogue: ClassVar[str] = ""
    """Description of what the source fixes in addition to these facts, and keeps when rows are forgotten."""
    rows: PositiveInt | None = None
    columns: tuple[ColumnFacts, ...] | None = Field(None, exclude_if=unset)
    labels: Annotated[tuple[str | int, ...], Field(min_length=1)] | None = Field(None, exclude_if=unset)

    @field_validator("labels")
    @classmethod
    def _once(cls, labels: tuple[str | int, ...] | None) -> tuple[str | int, ...] | None:
        if labels is not None and len(names_of([str(label) for label in labels])) < len(labels):
            raise ValueError("names a class twice: name each once")
        return labels

    @property
    def class_names(self) -> tuple[str, ...] | None:
        """The declared classes; None if they are not declared."""
        return None if self.labels is None else tuple(map(str, self.labels))

    def by_all_rows(self) -> Self:
        """Return the spec of the same data with bounds, categories and classes read from all rows, private ones included."""
        kinds = self.columns and tuple(ColumnFacts(name=one.name, kind=one.told) for one in self.columns)
        return self.model_copy(update={"columns": kinds, "labels": None})

    @property
    def metrics(self) -> tuple[Metric, ...]:
        """The metrics of predictions, the primary one first; the ledger calls that one ``accuracy``."""
        return (ACCURACY,)

    @property
    def title(self) -> str:
        """Name for people: that of the file or folder, or the data set's own if it is bundled."""
        path = getattr(self, "path", "")
        return one_line(Path(path).name) if path else self.tag.replace("_", " ")

    @abstractmethod
    def load(self) -> Dataset:
        """Return the whole data set, encoded by the declared facts.

        Raises
        ------
        DataError
            If it cannot be read; one line with the file, the fault and the cure.
        """

    def read(self) -> Source:
        """Return the source from which public rows are chosen, before anything is encoded."""
        return load(self)

    def known(self, source: Source, public: PublicRows) -> Self:
        """Return the spec with all facts that the encoding needs; undeclared ones are read from public rows.

        Raises
        ------
        DataError
            If a row has a class that is neither declared nor that of a public row.
        """
        assert isinstance(source, Dataset)
        if self.columns is not None:
            raise DataError("columns: this data set has none that could be declared: leave columns out")
        self.check_classes(source, public)
        return self

    def check_classes(self, data: Dataset, public: PublicRows) -> None:
        """Raise ``DataError`` if a row has a class that is neither declared nor that of a public row."""
        if self.labels is None and not data.published:
            check_public(data.labels, data.y, data.at(public.labelled), data.ids)


@lru_cache(maxsize=4)
def load(spec: DatasetSpec) -> Dataset:
    """Return the data set of a spec, limited to ``spec.rows``; it is read once per process.

    Raises
    ------
    DataError
        If it cannot be read, is empty, contains values that are not finite, or has fewer rows than requested.
    """
    data = spec.load()
    if spec.class_names not in (None, data.labels):
        names = spec.class_names
        data = replace(data, y=recoded(data.labels, data.y, names, data.ids), labels=names)
    if len(data) == 0 or len(data.x) != len(data.y):
        raise DataError(f"the data set has {len(data.x)} inputs and {len(data.y)} labels: it needs as many of each, and at least one")
    if not data.x.size:
        raise DataError(f"the data set has inputs of shape {data.x.shape}, so no values: it needs at least one a row")
    if not np.isfinite(data.x).all():
        raise DataError("the data set holds values that are not finite: replace NaN and infinity in the source")
    if spec.rows is None or spec.rows == len(data):
        return data
    if spec.rows > len(data):
        raise DataError(f"rows = {spec.rows}, but the source has {len(data)}: ask for at most {len(data)}, or leave rows out")
    kept = np.sort(np.asarray(bottom(spec.rows, range(len(data)), "rows")))
    return only(data, kept)


def only(data: Dataset, kept: Ids) -> Dataset:
    """Return the data of the kept rows (ascending ids), renumbered from 0, and the edges among them."""
    inside = data.edges[np.isin(data.edges, kept).all(axis=1)]
    subjects = None if data.subjects is None else data.subjects[kept]
    return replace(data, x=data.x[kept], y=data.y[kept], edges=np.searchsorted(kept, inside), subjects=subjects)


DATASETS: Registry[DatasetSpec] = Registry(
    "lethe.datasets",
    "clients.data:DatasetSpec",
    {
        "activities": "clients.data.activities:Activities",
        "authors": "clients.data.worlds:Authors",
        "breast_cancer": "clients.data.bundled:BreastCancer",
        "citations": "clients.data.citations:Citations",
        "csv": "clients.data.csv:Csv",
        "digits": "clients.data.bundled:Digits",
        "hazards": "clients.data.hazards:Hazards",
        "huggingface": "clients.data.huggingface:HuggingFace",
        "idx": "clients.data.idx:Idx",
        "images": "clients.data.images:Images",
        "muse": "clients.data.benchmarks:Muse",
        "npz": "clients.data.npz:Npz",
        "parquet": "clients.data.parquet:Parquet",
        "posts": "clients.data.topics:Posts",
        "ratings": "clients.data.interactions:Ratings",
        "records": "clients.data.worlds:Records",
        "saga": "clients.data.topics:Saga",
        "tofu": "clients.data.benchmarks:Tofu",
        "uci_har": "clients.data.activities:UciHar",
        "wine": "clients.data.bundled:Wine",
        "wmdp": "clients.data.benchmarks:Wmdp",
    },
    tag="dataset",
)
