"""Data sets and partitions, by name."""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Sequence
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
from clients.data.labels import check_public, recoded
from clients.data.rows import Column, Ids, Rows
from clients.metrics import Metric
from clients.spec import Registry, Spec
from clients.streams import bottom


@dataclass(frozen=True)
class Dataset:
    """Rows of a public or private source, before anything is dealt out.

    Row ``i`` has the id ``ids[i]`` for ever, ``i`` unless the source names lifelong ids: ``numbers``, ascending. ``x`` is float32 ``(n,
    *shape)``, scaled by public constants; ``y`` is int64 ``(n,)`` in ``0 .. classes - 1``. ``columns`` holds public facts of tabular
    features, empty for images. ``labels`` names the classes. ``edges`` is int64 ``(m, 2)``: pairs of row ids ``u < v``, none where rows are
    no nodes of a graph. Edge ``i`` has id ``n + i`` for ever, so that ids of rows and edges never meet. ``categories`` names the categories
    of each of the ``columns``, none for a numeric one. ``published`` says that the source itself names the classes, whatever rows it has.
    ``notes`` say, a line each, what was done to the source that its owner might not expect.
    """

    x: npt.NDArray[np.float32]
    y: npt.NDArray[np.int64]
    labels: tuple[str, ...]
    columns: tuple[Column, ...] = ()
    edges: npt.NDArray[np.int64] = field(default_factory=lambda: np.empty((0, 2), np.int64))
    categories: tuple[tuple[str, ...], ...] = ()
    notes: tuple[str, ...] = ()
    numbers: Ids | None = None
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
        """The lifelong id of each row, int64 (n,), ascending."""
        return np.arange(len(self)) if self.numbers is None else self.numbers

    def at(self, ids: npt.ArrayLike) -> Ids:
        """Return the places of the rows with these ids, int64 (len(ids),); ``DataError`` names the first id that no row has."""
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
        """What the source calls the user of each row, int64 (n,); None where rows belong to no users."""
        return self.users

    def edges_among(self, ids: Ids) -> Ids:
        """Return the ids of the edges that join two of these rows, ascending."""
        return len(self) + np.flatnonzero(np.isin(self.edges, ids).all(axis=1))

    def ends(self, edges: Ids) -> npt.NDArray[np.int64]:
        """Return the rows that the edges with these ids join, int64 (len(edges), 2)."""
        return self.edges[edges - len(self)]

    def inputs(self, ids: Ids) -> npt.NDArray[np.float32]:
        """Return what a model is shown when it is asked about rows, float32 (len(ids), *shape)."""
        return self.x[self.at(ids)]

    def metrics(self, ids: Ids, probabilities: npt.NDArray[np.floating]) -> dict[str, npt.NDArray[np.float64]]:
        """Return how good answers (len(ids), classes) about rows are, 0-1, by the metric's name in the ledger; each (len(ids),).

        ``accuracy`` is 1 where the answer is right: the most probable class, the lowest of equals.
        """
        return {"accuracy": (probabilities.argmax(axis=1) == self.classes_of(ids)).astype(np.float64)}


ACCURACY = Metric("accuracy", "mean", "share", "higher")
"""Share of answers that are right."""


class DatasetSpec(Spec):
    """How a scenario names a data set; ``load`` reads it.

    ``rows`` keeps that many rows of a large set, chosen by the hash of their place in the source, so that the choice is the same
    in every run; the kept rows are then numbered anew from 0.

    Parameters
    ----------
    rows : int, optional
        Keep so many rows, chosen by the hash of their place in the source; without it, all.
    columns : list of tables, optional
        Public facts of columns: kind, bounds, categories; what is not declared is read off public rows.
    labels : list of str, optional
        Names of the classes, in the order of their codes; unless declared, the classes of public rows.
    """

    published: ClassVar[bool] = False
    """Whether bounds and classes are published with the data, so that no row decides them."""
    catalogue: ClassVar[str] = ""
    """What the source decides beside facts, in words, and keeps when rows are forgotten."""
    rows: PositiveInt | None = None
    columns: tuple[ColumnFacts, ...] | None = Field(None, exclude_if=unset)
    labels: Annotated[tuple[str | int, ...], Field(min_length=1)] | None = Field(None, exclude_if=unset)

    @field_validator("labels")
    @classmethod
    def _once(cls, labels: tuple[str | int, ...] | None) -> tuple[str | int, ...] | None:
        if labels is not None and len(set(map(str, labels))) < len(labels):
            raise ValueError("names a class twice: name each once")
        return labels

    @property
    def class_names(self) -> tuple[str, ...] | None:
        """The classes that are declared, None where they are not."""
        return None if self.labels is None else tuple(map(str, self.labels))

    def by_all_rows(self) -> Self:
        """Return the spec of the same data with bounds, categories and classes as all rows have them, private ones among them."""
        kinds = self.columns and tuple(ColumnFacts(name=one.name, kind=one.told) for one in self.columns)
        return self.model_copy(update={"columns": kinds, "labels": None})

    @property
    def metrics(self) -> tuple[Metric, ...]:
        """What answers about the set's rows are measured by; the first is what most people look at, its name in the ledger ``accuracy``."""
        return (ACCURACY,)

    @property
    def title(self) -> str:
        """What people call the set: the name of its file or folder; of one that is bundled, its own."""
        path = getattr(self, "path", "")
        return one_line(Path(path).name) if path else self.tag.replace("_", " ")

    @abstractmethod
    def load(self) -> Dataset:
        """Return the whole data set, coded by what is declared; ``DataError`` (one line: file, what is wrong, cure) if it cannot be."""

    def read(self) -> Source:
        """Return what public rows are chosen from, before anything is coded."""
        return load(self)

    def known(self, source: Source, public: PublicRows) -> Self:
        """Return the spec with all facts that coding needs, those that are not declared read off public rows.

        ``DataError`` where a row has a class that is neither declared nor a public row's.
        """
        assert isinstance(source, Dataset)
        if self.columns is not None:
            raise DataError("columns: this data set has none that could be declared: leave columns out")
        self.check_classes(source, public)
        return self

    def check_classes(self, data: Dataset, public: PublicRows) -> None:
        """Raise ``DataError`` where a row has a class that nobody declares and no public row has."""
        if self.labels is None and not data.published:
            check_public(data.labels, data.y, data.at(public.labelled), data.ids)


class PartitionSpec(Spec):
    """How rows are dealt to peers."""

    @abstractmethod
    def deal(self, data: Dataset, ids: Ids, peers: int, seed: int) -> Sequence[Ids]:
        """Return one ascending id array a peer: a partition of ``ids``; ``DataError`` where it cannot be."""


@lru_cache(maxsize=4)
def load(spec: DatasetSpec) -> Dataset:
    """Return the data set a spec names, limited to ``spec.rows``; read once a process.

    Raises
    ------
    DataError
        If it cannot be read, is empty, holds values that are not finite, or has fewer rows than asked for.
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
    """Return the data of the kept rows, ascending ids, numbered anew from 0, and the edges among them."""
    inside = data.edges[np.isin(data.edges, kept).all(axis=1)]
    return replace(data, x=data.x[kept], y=data.y[kept], edges=np.searchsorted(kept, inside))


DATASETS: Registry[DatasetSpec] = Registry(
    "lethe.datasets",
    "clients.data:DatasetSpec",
    {
        "breast_cancer": "clients.data.bundled:BreastCancer",
        "citations": "clients.data.citations:Citations",
        "csv": "clients.data.csv:Csv",
        "digits": "clients.data.bundled:Digits",
        "huggingface": "clients.data.huggingface:HuggingFace",
        "idx": "clients.data.idx:Idx",
        "images": "clients.data.images:Images",
        "npz": "clients.data.npz:Npz",
        "parquet": "clients.data.parquet:Parquet",
        "ratings": "clients.data.interactions:Ratings",
        "wine": "clients.data.bundled:Wine",
    },
    tag="dataset",
)

PARTITIONS: Registry[PartitionSpec] = Registry(
    "lethe.partitions",
    "clients.data:PartitionSpec",
    {
        "column": "clients.data.partition:ByColumn",
        "communities": "clients.data.communities:Communities",
        "dirichlet": "clients.data.partition:Dirichlet",
        "iid": "clients.data.partition:Iid",
        "pathological": "clients.data.partition:Pathological",
        "users": "clients.data.interactions:ByUser",
    },
)
