"""Data sets and partitions, by name."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from clients.spec import Registry, Spec
from clients.unlearning.contract import Column, Ids


@dataclass(frozen=True)
class Dataset:
    """Rows of a public or private source, before anything is dealt out.

    Row ``i`` has id ``i`` for ever. ``x`` is float32 ``(n, *shape)``, scaled by public constants; ``y`` is int64 ``(n,)`` in
    ``0 .. classes - 1``. ``columns`` holds public facts of tabular features, empty for images. ``labels`` names the classes.
    """

    x: npt.NDArray[np.float32]
    y: npt.NDArray[np.int64]
    labels: tuple[str, ...]
    columns: tuple[Column, ...] = ()

    @property
    def shape(self) -> tuple[int, ...]:
        """Shape of one input."""
        return tuple(self.x.shape[1:])

    @property
    def classes(self) -> int:
        """Number of classes."""
        return len(self.labels)


class DatasetSpec(Spec):
    """How a scenario names a data set; ``load`` reads it."""

    def load(self) -> Dataset:
        """Return the whole data set; ``DataError`` (one line: file, what is wrong, cure) if it cannot be read."""
        raise NotImplementedError


class PartitionSpec(Spec):
    """How rows are dealt to peers."""

    def deal(self, data: Dataset, ids: Ids, peers: int, seed: int) -> Sequence[Ids]:
        """Return one ascending id array a peer: a partition of ``ids``; ``DataError`` where it cannot be."""
        raise NotImplementedError


class DataError(ValueError):
    """Data that cannot be read or dealt out; the message is one line with place, value, and cure."""


DATASETS: Registry[DatasetSpec] = Registry(
    "lethe.datasets",
    {
        "breast_cancer": "clients.data.bundled:BreastCancer",
        "csv": "clients.data.csv:Csv",
        "digits": "clients.data.bundled:Digits",
        "idx": "clients.data.idx:Idx",
        "npz": "clients.data.npz:Npz",
        "wine": "clients.data.bundled:Wine",
    },
    tag="dataset",
)

PARTITIONS: Registry[PartitionSpec] = Registry(
    "lethe.partitions",
    {
        "column": "clients.data.partition:ByColumn",
        "dirichlet": "clients.data.partition:Dirichlet",
        "iid": "clients.data.partition:Iid",
        "pathological": "clients.data.partition:Pathological",
    },
)
