"""Movements of people as accelerometer windows: a generated set, and UCI HAR from its files."""

from __future__ import annotations

from pathlib import Path
from typing import ClassVar, Literal, NamedTuple

import numpy as np
import numpy.typing as npt
from pydantic import PositiveInt

from clients.data import DataError, Dataset, DatasetSpec
from clients.data.limits import afford
from clients.data.partition import KeyedSpec, whole
from clients.data.rows import Ids
from clients.data.scaling import between, located
from clients.streams import generator

LABELS = ("walking", "walking upstairs", "walking downstairs", "sitting", "standing", "laying")
"""The activities, in the order of UCI HAR."""

_SAMPLES, _RATE, _RANGE = 128, 50.0, 2.0
"""Samples of a window, samples a second, and the largest acceleration, in g, either way."""

Floats = npt.NDArray[np.float64]


class _Gait(NamedTuple):
    """A kind of movement: the direction of gravity, steps a second, and the size of their first and second harmonic on each axis, in g."""

    gravity: tuple[float, float, float]
    pace: float
    first: tuple[float, float, float]
    second: tuple[float, float, float]


_GAITS = (
    _Gait((0.98, -0.15, 0.1), 1.8, (0.28, 0.10, 0.12), (0.10, 0.05, 0.04)),
    _Gait((0.90, -0.20, 0.35), 1.5, (0.20, 0.16, 0.10), (0.04, 0.10, 0.05)),
    _Gait((0.95, -0.12, -0.25), 2.1, (0.45, 0.14, 0.20), (0.22, 0.08, 0.12)),
    _Gait((0.80, 0.20, 0.55), 0.0, (0.0, 0.0, 0.0), (0.0, 0.0, 0.0)),
    _Gait((1.00, -0.05, 0.02), 0.0, (0.0, 0.0, 0.0), (0.0, 0.0, 0.0)),
    _Gait((0.05, 0.60, 0.80), 0.0, (0.0, 0.0, 0.0), (0.0, 0.0, 0.0)),
)


class Activities(DatasetSpec):
    """Six activities of generated people, each with a pace, a strength and a way to carry the phone: 128 samples of three axes at 50 Hz.

    A stand-in for UCI HAR; accelerations between -2 g and 2 g become inputs between 0 and 1. Every run has the same rows.

    Parameters
    ----------
    subjects : int
        Number of people.
    windows : int
        Windows of each activity of each person.
    """

    published: ClassVar[bool] = True
    dataset: Literal["activities"] = "activities"
    subjects: PositiveInt = 12
    windows: PositiveInt = 12

    def load(self) -> Dataset:
        """Return windows of shape (3, 128), by person, then activity."""
        count = len(_GAITS) * self.windows
        afford("activities", 8 * 3 * _SAMPLES * self.subjects * count, "generating it")
        x = np.concatenate([_person(person, self.windows) for person in range(self.subjects)])
        y = np.tile(np.repeat(np.arange(len(_GAITS)), self.windows), self.subjects)
        return Dataset(_scaled(x)[0], y, LABELS, published=True, subjects=np.repeat(np.arange(self.subjects), count))


def _person(person: int, windows: int) -> Floats:
    """Return a person's windows in g, shape (activities * windows, 3, 128)."""
    own = generator("activities", person, "person")
    pace, strength, tilt = own.uniform(0.85, 1.15), own.uniform(0.7, 1.3), _rotation(own.normal(0, 0.15, 3))
    time = np.arange(_SAMPLES) / _RATE
    found = np.empty((len(_GAITS), windows, 3, _SAMPLES))
    for place, gait in enumerate(_GAITS):
        draws = generator("activities", person, "windows", place)
        angle = 2 * np.pi * (gait.pace * pace * draws.normal(1, 0.03, (windows, 1)) * time + draws.random((windows, 1)))
        waves = np.asarray(gait.first)[:, None] * np.sin(angle)[:, None] + np.asarray(gait.second)[:, None] * np.sin(2 * angle)[:, None]
        held = _rotation(draws.normal(0, 0.05, 3)) @ np.asarray(gait.gravity)
        noise = draws.normal(0, 0.04, (windows, 3, _SAMPLES))
        found[place] = np.einsum("ab,wbt->wat", tilt, held[:, None] + strength * waves) + noise
    return found.reshape(-1, 3, _SAMPLES)


def _rotation(angles: Floats) -> Floats:
    """Return the matrix that turns by these angles about the three axes, one after another."""
    matrix: Floats = np.eye(3)
    for axis, angle in enumerate(angles):
        a, b = [other for other in range(3) if other != axis]
        turn = np.eye(3)
        turn[a, a] = turn[b, b] = np.cos(angle)
        turn[a, b], turn[b, a] = -np.sin(angle), np.sin(angle)
        matrix = turn @ matrix
    return matrix


def _scaled(values: Floats) -> tuple[npt.NDArray[np.float32], int]:
    """Return accelerations in g, scaled to [0, 1], and how many lay beyond the bounds."""
    flat, beyond = between(values.reshape(-1), -_RANGE, _RANGE)
    return flat.reshape(values.shape), beyond


class UciHar(DatasetSpec):
    """UCI HAR (Anguita et al. 2013) from a local copy: total acceleration of 30 people with a phone, training part first, then test.

    Accelerations between -2 g and 2 g become inputs between 0 and 1; those beyond count as the bound.

    Parameters
    ----------
    path : str
        The folder ``UCI HAR Dataset``, with ``train`` and ``test`` in it, relative to the scenario's folder.
    """

    published: ClassVar[bool] = True
    dataset: Literal["uci_har"] = "uci_har"
    path: str

    def load(self) -> Dataset:
        """Return windows of shape (3, 128); ``DataError`` if files are missing, damaged, or do not match."""
        folder = located(self.path)
        parts = [self._part(folder, part) for part in ("train", "test")]
        x, y, subjects = (np.concatenate([part[i] for part in parts]) for i in range(3))
        if not ((y >= 1) & (y <= len(LABELS))).all():
            raise DataError(f"{self.path}: has activities beyond 1 to {len(LABELS)}: fetch the files again")
        scaled, beyond = _scaled(x)
        notes = (f"{beyond} accelerations lie beyond {_RANGE:g} g, and count as the bound",) if beyond else ()
        return Dataset(scaled, (y - 1).astype(np.int64), LABELS, notes=notes, published=True, subjects=subjects.astype(np.int64))

    def _part(self, folder: Path, part: str) -> tuple[Floats, Floats, Floats]:
        """Return windows (n, 3, 128), activities (n,) from 1 on, and people (n,)."""
        signals = [self._table(folder / part / "Inertial Signals" / f"total_acc_{axis}_{part}.txt", _SAMPLES) for axis in "xyz"]
        y, subjects = (self._table(folder / part / f"{what}_{part}.txt", 1)[:, 0] for what in ("y", "subject"))
        if len({len(one) for one in (*signals, y, subjects)}) > 1:
            raise DataError(f"{folder / part}: its files have different numbers of lines: fetch them again")
        if not all((one == np.round(one)).all() for one in (y, subjects)):
            raise DataError(f"{folder / part}: activities or people are no whole numbers: fetch the files again")
        return np.stack(signals, axis=1), y, subjects

    def _table(self, path: Path, width: int) -> Floats:
        """Return the numbers of a file, shape (n, width)."""
        if not path.is_file():
            raise DataError(f"{path}: there is no such file: give the folder 'UCI HAR Dataset' (relative to the scenario file's folder)")
        afford(path, 4 * path.stat().st_size, "reading it")
        try:
            table = np.loadtxt(path, ndmin=2)
        except (ValueError, OSError) as error:
            raise DataError(f"{path}: cannot be read ({' '.join(str(error).split())[:200]}): fetch the file again") from None
        if table.shape[1] != width or not np.isfinite(table).all():
            raise DataError(f"{path}: needs {width} finite numbers a line, it has {table.shape[1]}: fetch the file again")
        return table


class BySubject(KeyedSpec):
    """Every peer holds people with all their rows: people in random order, each to the peer with the fewest rows so far.

    In a keyed partition, the hash of the source's number of a person decides.
    """

    kind: Literal["subjects"] = "subjects"

    def deal(self, data: Dataset, ids: Ids, peers: int, seed: int) -> list[Ids]:
        """Return each peer's ids, ascending; ``DataError`` if rows are from no people, or there are fewer of them than peers."""
        if data.subjects is None:
            raise DataError("the rows of this data set are from no people: take another kind of partition, or dataset = 'activities'")
        return whole(self, data.subjects[data.at(ids)], data.subjects[data.at(ids)], ids, peers, seed, "subjects")
