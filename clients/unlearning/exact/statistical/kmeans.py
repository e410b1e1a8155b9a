"""k-means that forgets: exactly, by quantised centroids, or adaptively, by continuing from the present centroids.

Quantised: Ginart, Guan, Valiant, Zou, "Making AI Forget You" (NeurIPS 2019), Q-k-means; here with keyed start and phases, a fixed
number of iterations, and a restart from the first iteration whose centroids change, instead of from the beginning.
"""

from __future__ import annotations

from collections.abc import Mapping
from copy import copy
from typing import Any

import numpy as np
import numpy.typing as npt

from clients.data.rows import Ids, Rows
from clients.streams import Field, order, uniform
from clients.unlearning.contract import Cost, Guarantee, Outcome, Problem, State, Stored, Unlearner, UnlearningError
from clients.unlearning.exact.statistical.fixed import BITS, Design, Ints
from clients.unlearning.exact.statistical.kmeans_kernels import nearest
from clients.unlearning.exact.statistical.learner import one_hot
from clients.unlearning.states import PROGRESS, Signed, fingerprint, fits, opened, same
from clients.unlearning.tabular import Floats, Held, Places, empty

_COARSE = BITS - 20  # distances are taken in integers of 20 bits, so that their squares add up exactly


class KMeans(Unlearner[Rows, Ids]):
    """k-means in ``iterations`` keyed steps; ``cluster_centers_``, ``labels_``, ``inertia_`` and ``n_iter_`` have the same meaning as in
    scikit-learn. Their values differ: scikit-learn starts from other centroids and does not round them.

    The first centroids are the rows with the smallest keyed hashes. Each step assigns rows to the nearest centroid and moves every
    centroid to its rows' mean, rounded to a grid with a keyed phase; a centroid without rows stays. The probability of a class is
    its share in the row's cluster, smoothed by one row per class.

    Parameters
    ----------
    clusters, iterations : int
    grid : float
        Grid spacing, as a fraction of a feature's public half range.
    adaptive : bool
        Forget by continuing from the present centroids (approximate) instead of repeating the steps that change (exact).
    """

    def __init__(
        self, problem: Problem, design: Design, key: tuple[Field, ...], clusters: int, iterations: int, grid: float, adaptive: bool
    ) -> None:
        self.rounds = problem.rounds
        self.problem, self.design, self.key = problem, design, key
        self.clusters, self.iterations, self.adaptive = clusters, iterations, adaptive
        self.guarantee: Guarantee = "approximate" if adaptive else "exact"
        self.grid = max(1, round(grid * 2**20))
        self.held = empty(problem)
        self.progress = 0
        self._start_over()

    def _start_over(self) -> None:
        """Reset to the state before the first step."""
        k, d, t = self.clusters, self.design.width, self.iterations
        self.points: Ints = np.empty((0, d), np.int64)
        self.centroids = np.zeros((t + 1, k, d), np.int64)
        self.sums = np.zeros((t, k, d), np.int64)
        self.counts = np.zeros((t, k), np.int64)
        self.labels = np.zeros((k, self.problem.classes), np.int64)

    def begin(self, data: Rows) -> None:
        """Start anew on ``data``, which may be empty."""
        rows = self.design.table.rows(data)
        self.design.check(len(rows))
        self.held, self.progress = Held(rows), 0
        self._start_over()
        self.points = np.rint(self.design.integers(rows.x) / 2.0**_COARSE).astype(np.int64)

    def advance(self) -> int:
        """Take all steps in the first round; later rounds do nothing."""
        if not self.progress and self.held.count:
            self.centroids[0] = self._first()
            self._steps(0)
        self.progress += 1
        return 0

    def _first(self) -> Ints:
        """Return the points of the rows with the smallest keyed hashes, (k, D); fewer rows than clusters are repeated."""
        alive = np.flatnonzero(self.held.alive)
        chosen = alive[order(self.held.rows.ids[alive], *self.key, "first")[: self.clusters]]
        return np.asarray(self.points[chosen[np.arange(self.clusters) % len(chosen)]])

    def _steps(self, start: int) -> None:
        """Take the steps from number ``start`` on, and count the labels in the resulting clusters."""
        alive = np.flatnonzero(self.held.alive)
        points = self.points[alive]
        for t in range(start, self.iterations):
            cluster = nearest(points, self.centroids[t])
            self.counts[t] = np.bincount(cluster, minlength=self.clusters)
            self.sums[t] = 0
            np.add.at(self.sums[t], cluster, points)
            self.centroids[t + 1] = self._moved(t)
        self.labels[:] = 0
        np.add.at(self.labels, nearest(points, self.centroids[-1]), self._one_hot(alive))

    def _one_hot(self, places: Places) -> Ints:
        y = self.held.rows.y[places] if self.problem.classes > 1 else np.zeros(len(places))
        return one_hot(y, self.problem.classes)

    def _moved(self, t: int) -> Ints:
        """Return the means of step ``t``, rounded to the grid, in integer arithmetic only."""
        count = np.maximum(self.counts[t], 1)[:, None]
        phase = int(uniform(*self.key, "phase", t) * self.grid)
        rounded: Ints = (2 * (self.sums[t] - phase * count) + self.grid * count) // (2 * self.grid * count) * self.grid + phase
        return np.asarray(np.where(self.counts[t][:, None] > 0, rounded, self.centroids[t]))

    def forget(self, request: Ids) -> Outcome:
        """Subtract the rows from every step's sums; repeat all steps from the first whose centroids change. Parts are repeated steps."""
        places = self.held.find(request)
        if not len(places):
            return Outcome(Cost(), self.guarantee)
        rows, points, labels = self.held.rows.ids[places], self.points[places], self._one_hot(places)
        self.held.drop(places)
        self.points[places] = 0
        if not self.progress:
            return Outcome(Cost(), self.guarantee)
        if not self.held.count:
            kept = self.points
            self._start_over()
            self.points = kept
            return Outcome(Cost(parts=self.iterations), self.guarantee)
        return Outcome(Cost(parts=self._go_on() if self.adaptive else self._repeat(rows, points, labels)), self.guarantee)

    def _repeat(self, ids: Ids, points: Ints, labels: Ints) -> int:
        """Subtract forgotten points from the steps whose centroids they do not change; return the number of repeated steps."""
        first = self._first()
        if (first != self.centroids[0]).any():
            self.centroids[0] = first
            self._steps(0)
            return self.iterations
        for t in range(self.iterations):
            cluster = nearest(points, self.centroids[t])
            np.subtract.at(self.sums[t], cluster, points)
            np.subtract.at(self.counts[t], cluster, 1)
            moved = self._moved(t)
            if (moved != self.centroids[t + 1]).any():
                self.centroids[t + 1] = moved
                self._steps(t + 1)
                return self.iterations - t - 1
        np.subtract.at(self.labels, nearest(points, self.centroids[-1]), labels)
        return 0

    def _go_on(self) -> int:
        """Take all steps from the present centroids; return how many. Earlier steps still depend on the rows, and are cleared."""
        self.centroids[0] = self.centroids[-1]
        self._steps(0)
        self.centroids[:-1], self.sums[:-1], self.counts[:-1] = 0, 0, 0
        return self.iterations

    @property
    def cluster_centers_(self) -> Floats:
        """Centroids, float64 (k, D)."""
        return self.design.values(self.centroids[-1] * 2**_COARSE)

    @property
    def labels_(self) -> Ints:
        """Cluster of each row held, in the order of ids, int64 (n,)."""
        return self.predict(self.held.kept().x)

    @property
    def inertia_(self) -> float:
        """Sum of squared distances of the rows held to the centroids of their clusters."""
        away = self.design.expand(self.held.kept().x) - self.cluster_centers_[self.labels_]
        return float((away**2).sum())

    @property
    def n_iter_(self) -> int:
        """Steps taken, 0 before the first round."""
        return self.iterations if self.progress and self.held.count else 0

    def predict(self, x: npt.NDArray[Any]) -> Ints:
        """Return the nearest centroid's number, int64 (n,)."""
        points = np.rint(self.design.integers(self.design.table.features(x)) / 2.0**_COARSE).astype(np.int64)
        found: Ints = nearest(np.clip(points, -(2**21), 2**21), self.centroids[-1])
        return found

    def predict_proba(self, x: npt.NDArray[Any]) -> npt.NDArray[np.float32]:
        """Return smoothed class shares of each row's cluster, (len(x), classes); uniform before training."""
        shares = (self.labels + 1.0) / (self.labels + 1.0).sum(axis=1, keepdims=True)
        return np.asarray(shares[self.predict(x)], dtype=np.float32)

    def state(self) -> State:
        """Return progress, and every step's centroids, sums and counts; for an adaptive model only those of the last step."""
        names = ("centroids", "sums", "counts")
        kept = {name: getattr(self, name)[-1:] if self.adaptive else getattr(self, name) for name in names}
        arrays = {PROGRESS: np.array([self.progress]), "labels": self.labels, **kept}
        return Signed(arrays, self._origin(self.held.kept()))

    def restore(self, state: Mapping[str, npt.NDArray[Any]], data: Rows) -> None:
        """Restore the model from its ``state``; ``UnlearningError`` if it does not belong to these rows and this key.

        The steps of an exact model are repeated and compared. Those of an adaptive one depend on earlier deletions, so only what the rows
        imply is compared: their sum, and their classes in the clusters.
        """
        other = copy(self)
        other.begin(data)
        arrays, progress = opened(state, self._origin(other.held.rows))
        if not self.adaptive or not (progress and other.held.count):
            if progress:
                other.advance()
            same(arrays, {name: array for name, array in other.state().items() if name != PROGRESS}, f"{len(data)} rows given")
        else:
            other._go_to(arrays)
        other.progress = progress
        vars(self).update(vars(other))

    def _go_to(self, arrays: State) -> None:
        """Restore an adaptive model from a state on the present rows; ``UnlearningError`` if they contradict it."""
        fits(arrays, {name: array for name, array in self.state().items() if name != PROGRESS})
        for name in ("centroids", "sums", "counts"):
            getattr(self, name)[-1:] = arrays[name]
        points, last, full = self.points, self.centroids[-1], self.counts[-1] > 0
        np.add.at(self.labels, nearest(points, np.clip(last, -(2**21), 2**21)), self._one_hot(np.arange(len(points))))
        implied = (
            int(self.counts[-1].sum()) == len(points)
            and np.array_equal(self.sums[-1].sum(axis=0), points.sum(axis=0))
            and np.array_equal(self._moved(self.iterations - 1)[full], last[full])
            and np.array_equal(self.labels, arrays["labels"])
        )
        if not implied:
            raise UnlearningError(f"state: it is not that of the {len(points)} rows given: give the rows that were held, the same settings")

    def _origin(self, rows: Rows) -> str:
        settings = (self.clusters, self.iterations, self.grid, int(self.adaptive))
        return fingerprint(settings, self.key, self.design.low, self.design.high, rows.ids, rows.x, rows.y)

    def stored(self) -> list[Stored]:
        """Return the centroids and sums, which depend on every held row."""
        return [Stored("clusters", self.held.ids() if self.progress else self.held.ids()[:0])]
