"""The HedgeCut forest as an unlearner.

Schelter, Grafberger, Dunning, "HedgeCut" (SIGMOD 2021), made exact: bins are public, candidates are keyed by tree, path and number and
never drawn again, and the tree in force is a function of the held rows alone. Robustness, proven and not guessed, only saves work.
"""

from __future__ import annotations

from collections.abc import Mapping
from math import sqrt
from typing import Any

import numpy as np
import numpy.typing as npt

from clients.data.rows import Ids, Rows
from clients.streams import Field, key_hash
from clients.unlearning.contract import COST_NOTE, Cost, Outcome, Problem, State, Stored, Unlearner, UnlearningError
from clients.unlearning.exact.hedgecut import tree_kernels as kernels
from clients.unlearning.exact.hedgecut.hedge import Hedge, grown, row_arrays, tree_arrays
from clients.unlearning.exact.hedgecut.spec import HedgeCut
from clients.unlearning.states import PROGRESS, Signed, fingerprint, opened, same
from clients.unlearning.tabular import Floats, Held, Table, empty

_SLOTS = 256
"""Room for open nodes that a tree starts with."""

_NOTHING = np.empty((0, 1), np.int16)


def public_edges(low: float, high: float, bins: int) -> Floats:
    """Return the cuts between bins of a numeric feature, ascending float64: evenly spaced ones and ones that halve towards ``low``."""
    share = np.concatenate([np.arange(1, bins) / bins, 0.5 ** np.arange(1, bins), [0.0]])
    return np.unique(low + (high - low) * share)


class Forest(Unlearner[Rows, Ids]):
    """See the module; ``settings`` are the spec's.

    Parameters
    ----------
    settings : HedgeCut
    problem : Problem
    key : tuple
        What every candidate is keyed by.

    Attributes
    ----------
    remaining : int
        Removals that the forest still bears before it is grown anew.
    """

    def __init__(self, settings: HedgeCut, problem: Problem, key: tuple[Field, ...]) -> None:
        if problem.classes < 2:
            raise UnlearningError("hedgecut: the problem has one class: it needs at least two")
        self.rounds = problem.rounds
        self.settings, self.problem = settings, problem
        self.table = Table(problem, (settings.low, settings.high))
        edges = [
            np.empty(0) if k else public_edges(low, high, settings.bins)
            for low, high, k in zip(self.table.low, self.table.high, self.table.categories, strict=True)
        ]
        self.edges, self.cuts = np.concatenate(edges), np.array([len(part) for part in edges], dtype=np.int64)
        self.keys = np.array([key_hash(*key, "tree", t) for t in range(settings.trees)], dtype=np.uint64)
        self.held = empty(problem)
        self.progress = 0
        self.remaining = 0
        self.hedge: Hedge | None = None

    def levels(self, x: npt.NDArray[np.float32]) -> npt.NDArray[np.int16]:
        """Return checked features (n, p) as bins and categories modulo 64, int16 (n, p)."""
        found = np.empty(x.shape, np.int16)
        kernels.levels(x, self.edges, self.cuts, found)
        return found

    def begin(self, data: Rows) -> None:
        """Start anew on ``data``; no rows at all, or of one class only, are allowed."""
        self.held, self.progress, self.hedge = Held(self.table.rows(data)), 0, None

    def advance(self) -> int:
        """Grow the trees in the first round; nothing is left to do in later ones."""
        if not self.progress:
            self._plant()
        self.progress += 1
        return 0

    def _plant(self) -> None:
        """Grow the trees from the rows at hand, with a full budget."""
        s, classes = self.settings, self.problem.classes
        self.held = self.held.packed()
        n, p = self.held.rows.x.shape
        words = -(-n // 64)
        candidates = s.candidates or max(1, round(2 * sqrt(p)))
        sums = np.zeros((3, candidates))
        self.remaining = max(s.least_budget, round(s.budget * n))
        self.hedge = Hedge(
            **row_arrays(self.levels(self.held.rows.x), self.cuts, self.table.categories, self.held.rows.y, classes),
            **tree_arrays(s.trees, max(2 * candidates, min(_SLOTS, 4 * n)), classes),
            used=np.zeros((s.trees, 2), np.int32),
            key=self.keys,
            settings=np.array([s.depth, s.min_split, s.min_leaf, self.remaining, s.nested, max(n, 1)], dtype=np.int64),
            here=np.zeros((s.depth + 1, words), np.uint64),
            trail=np.zeros(s.depth + 1, np.int32),
            word=np.zeros((classes, words), np.uint64),
            rows=np.zeros(classes * words, np.int32),
            total=np.zeros(classes, np.int32),
            left=np.zeros((classes, candidates), np.int32),
            doubtful=np.zeros(candidates, np.uint8),
            sums=sums,
            bits=sums[0].view(np.int64),
            work=np.zeros((3, classes)),
            stack=np.zeros((2, 128 * candidates + 64), np.int32),
        )
        self._perform(kernels.PLANT)

    def _perform(
        self, task: int, row: int = -1, label: int = -1, levels: npt.NDArray[np.int16] = _NOTHING
    ) -> tuple[int, npt.NDArray[np.float64]]:
        """Do a task to all trees; return how many nodes changed, and answers summed over trees, (len(levels), classes).

        A tree without room is given room and grown anew from its rows, which comes to the same tree.
        """
        assert self.hedge is not None
        answers = np.zeros((len(levels), self.problem.classes))
        first, changed, trees = 0, 0, self.settings.trees
        while True:
            first, more = kernels.perform(self.hedge, task, first, trees, row, label, levels, answers)
            changed += int(more)
            if first == trees:
                return changed, answers
            planted = first
            while planted == first:
                self.hedge = grown(self.hedge)
                planted, _ = kernels.perform(self.hedge, kernels.PLANT, first, first + 1, row, label, levels, answers)
            first += 1

    def forget(self, request: Ids) -> Outcome:
        """Take the rows out of every tree, or grow all anew if the budget is exceeded; parts are nodes that changed, or trees grown.

        ``UnlearningError`` instead of growing anew if the spec says so.
        """
        places = self.held.find(request)
        if not len(places):
            return Outcome(Cost(), "exact")
        if self.hedge is None:
            self.held.drop(places)
            return Outcome(Cost(), "exact")
        if len(places) > self.remaining:
            if self.settings.exhausted == "refuse":
                raise UnlearningError(
                    f"forget: {len(places)} rows exceed the remaining budget of {self.remaining}: train anew, or set exhausted to refit"
                )
            before, trees = self.remaining, self.settings.trees
            self.held.drop(places)
            self._plant()
            note = f"{COST_NOTE}a refit, {len(places)} removed where the budget bore {before} more: all {trees} trees were grown anew"
            return Outcome(Cost(parts=trees), "exact", notes=(note,))
        changed = 0
        for place in places:
            changed += self._perform(kernels.FORGET, int(place), int(self.held.rows.y[place]))[0]
        self.held.drop(places)
        self.remaining -= len(places)
        return Outcome(Cost(parts=changed), "exact")

    def predict_proba(self, x: npt.NDArray[Any]) -> npt.NDArray[np.float32]:
        """Return the trees' mean class shares, shape (len(x), classes); all alike while no row is known."""
        features, classes = self.table.features(x), self.problem.classes
        if self.hedge is None or not self.held.count:
            return np.full((len(features), classes), 1 / classes, np.float32)
        _, total = self._perform(kernels.ASK, levels=self.levels(features))
        return np.asarray(total / total.sum(axis=1, keepdims=True), dtype=np.float32)

    def state(self) -> State:
        """Return progress and the trees in force, in preorder.

        Per node the number of its candidate, -1 at a leaf, and a leaf's class counts; ``sizes`` are nodes per tree. Variants and the
        budget already spent are no part of it: they only save work.
        """
        if self.hedge is None:
            return Signed({PROGRESS: np.array([self.progress])}, self._origin())
        places, chosen = (np.empty(self.hedge.nodes.shape[1], np.int32) for _ in range(2))
        sizes = np.empty(self.settings.trees, np.int64)
        candidates, counts = [], []
        for t in range(self.settings.trees):
            sizes[t] = n = kernels.describe(self.hedge, t, places, chosen)
            candidates.append(chosen[:n].copy())
            counts.append(self.hedge.counts[t, places[:n][chosen[:n] < 0]])
        arrays: State = {"sizes": sizes, "candidate": np.concatenate(candidates), "counts": np.concatenate(counts)}
        return Signed({PROGRESS: np.array([self.progress]), **arrays}, self._origin())

    def restore(self, state: Mapping[str, npt.NDArray[Any]], data: Rows) -> None:
        """Grow the trees from ``data``, which is the model; ``UnlearningError`` if its state is not the given one."""
        other = Forest(self.settings, self.problem, ())
        other.keys = self.keys
        other.begin(data)
        arrays, progress = opened(state, other._origin())
        if progress:
            other.advance()
        same(arrays, {name: array for name, array in other.state().items() if name != PROGRESS}, "a forest on these rows")
        other.progress = progress
        self.held, self.progress, self.remaining, self.hedge = other.held, other.progress, other.remaining, other.hedge

    def _origin(self) -> str:
        rows = self.held.kept()
        return fingerprint(self.settings.model_dump_json(), self.problem.classes, self.keys, rows.ids, rows.x, rows.y)

    def stored(self) -> list[Stored]:
        """List the trees with their variants, which every held row has influenced."""
        return [Stored("forest", self.held.ids() if self.hedge is not None else self.held.ids()[:0])]
