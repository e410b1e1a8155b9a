"""The HedgeCut forest as an unlearner (Schelter, Grafberger, Dunning, "HedgeCut", SIGMOD 2021), made exact.

Bins are public, candidate splits are keyed by tree, path and number, and the current tree is a function of the held rows alone. The
robustness of a split is proven, instead of estimated as in the paper, and only saves work.
"""

from __future__ import annotations

from math import sqrt

import numpy as np
import numpy.typing as npt

from clients.data.rows import Ids
from clients.streams import Field
from clients.unlearning.contract import COST_NOTE, Cost, Outcome, Problem, State, Stored, UnlearningError
from clients.unlearning.exact.forests import ExactForest
from clients.unlearning.exact.hedgecut import tree_kernels as kernels
from clients.unlearning.exact.hedgecut.hedge import Hedge, grown, linked, row_arrays, tree_arrays
from clients.unlearning.exact.hedgecut.spec import HedgeCut
from clients.unlearning.states import PROGRESS, Signed
from clients.unlearning.tabular import Floats

_SLOTS = 256
"""Initial capacity of a tree in open nodes."""

_NOTHING = np.empty((0, 1), np.int16)


def public_edges(low: float, high: float, bins: int) -> Floats:
    """Return the edges between bins of a numeric feature, ascending float64: evenly spaced ones, and ones that halve towards ``low``."""
    share = np.concatenate([np.arange(1, bins) / bins, 0.5 ** np.arange(1, bins), [0.0]])
    return np.unique(low + (high - low) * share)


class Forest(ExactForest):
    """The HedgeCut forest; its parameters are those of `ExactForest`.

    Attributes
    ----------
    remaining : int
        Number of removals until the forest is grown again.
    hedge : Hedge, optional
        The trees; None before the first round.
    """

    def __init__(self, settings: HedgeCut, problem: Problem, key: tuple[Field, ...]) -> None:
        super().__init__(settings, problem, key, (settings.low, settings.high))
        edges = [
            np.empty(0) if k else public_edges(low, high, settings.bins)
            for low, high, k in zip(self.table.low, self.table.high, self.table.categories, strict=True)
        ]
        self.edges, self.cuts = np.concatenate(edges), np.array([len(part) for part in edges], dtype=np.int64)
        self.remaining = 0
        self.hedge: Hedge | None = None

    def levels(self, x: npt.NDArray[np.float32]) -> npt.NDArray[np.int16]:
        """Return checked features (n, p) as bins, or as categories modulo 64, int16 (n, p)."""
        found = np.empty(x.shape, np.int16)
        kernels.levels(x, self.edges, self.cuts, found)
        return found

    def _clear(self) -> None:
        """Discard the trees."""
        self.hedge = None

    def _link(self) -> None:
        """Make arrays views of each other again that are so in a forest that was never copied."""
        self.hedge = self.hedge and linked(self.hedge)

    def _plant(self) -> None:
        """Grow the trees from the held rows, with the full budget."""
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
        """Perform a task on all trees; return the number of changed nodes, and class shares summed over trees, (len(levels), classes).

        If a tree exceeds its capacity, all capacities are doubled, and it is grown again from its rows, which gives the same tree.
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
        """Remove rows from every tree, or grow all trees again if the budget is exceeded.

        ``parts`` of the cost is the number of changed nodes, or of trees grown again. ``UnlearningError`` if the budget is exceeded, and
        the spec has ``exhausted = "refuse"``.
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

    def _ask(self, x: npt.NDArray[np.float32]) -> npt.NDArray[np.float64] | None:
        """Return class shares summed over the trees, None without trees."""
        return None if self.hedge is None else self._perform(kernels.ASK, levels=self.levels(x))[1]

    def state(self) -> State:
        """Return progress and the current trees in preorder.

        ``candidate`` has the number of each node's split, -1 for a leaf, ``counts`` the leaves' class counts, ``sizes`` the numbers of
        nodes per tree. Variants and the used budget are not included, because they only save work.
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

    def stored(self) -> list[Stored]:
        """Return the forest, variants included, with the ids of all held rows, each of which has influenced it."""
        return [Stored("forest", self.held.ids() if self.hedge is not None else self.held.ids()[:0])]
