"""The DaRE forest as an unlearner (Brophy and Lowd, "Machine Unlearning for Random Forests", ICML 2021).

Two definitions differ from the paper, so that a tree is a pure function of its rows and the key. A threshold is a value at the node with
enough rows on both sides (of a categorical feature: a category against the others), and the k with the smallest keyed hashes of the
*value* are tried. A random node tries one feature and one threshold. A deletion therefore changes a split only if a chosen value vanishes,
or another of the tried thresholds becomes the best.
"""

from __future__ import annotations

from math import ceil, isqrt
from typing import Any

import numpy as np
import numpy.typing as npt

from clients.data.rows import Ids, Rows
from clients.streams import Field
from clients.unlearning.contract import Cost, Outcome, Problem, State, Stored
from clients.unlearning.exact.dare import forest_kernels as kernels
from clients.unlearning.exact.dare.grove import SPLIT, Grove, codes, grown, linked, listed, tree_arrays
from clients.unlearning.exact.dare.spec import Dare
from clients.unlearning.exact.forests import ExactForest
from clients.unlearning.states import PROGRESS, Signed
from clients.unlearning.tabular import Held

_SLOTS = 128
"""Initial capacity of a tree in splits."""

_MANY = 64
"""Maximum number of distinct values of a feature for which a node's rows are counted by value instead of compared with each cut."""

_NONE = np.empty(0, np.int32)
_NOTHING = np.empty((0, 1), np.float32)


class Forest(ExactForest):
    """The DaRE forest; its parameters are those of `ExactForest`.

    Attributes
    ----------
    grove : Grove, optional
        The trees; None before the first round.
    """

    def __init__(self, settings: Dare, problem: Problem, key: tuple[Field, ...]) -> None:
        super().__init__(settings, problem, key)
        self.grove: Grove | None = None

    def _clear(self) -> None:
        """Discard the trees."""
        self.grove = None

    def _link(self) -> None:
        """Make arrays views of each other again that are so in a forest that was never copied."""
        self.grove = self.grove and linked(self.grove)

    def _plant(self) -> None:
        """Grow the trees from the held rows."""
        self.held = self.held.packed()
        self.grove = self._empty_grove(self.held.rows)
        self._perform(kernels.PLANT)

    def _empty_grove(self, rows: Rows) -> Grove:
        """Return arrays for these rows and for trees without nodes."""
        s, (n, p), classes = self.settings, rows.x.shape, self.problem.classes
        x = np.array(rows.x, order="C")
        features = min(s.features or isqrt(p), p)
        slots = max(1, min(_SLOTS, 2 ** min(s.depth, 30), n))
        known = ceil(s.share * s.trees)
        member = kernels.members(self.keys, rows.ids, known) if known < s.trees else np.ones((n, s.trees), np.uint8)
        code, values, distinct = codes(x)
        word = values.view(np.uint32).astype(np.uint64)
        kernels.spread(word)
        width, sums = values.shape[1], np.zeros((2, listed(s.cuts)))
        return Grove(
            x=x,
            code=code,
            values=values,
            word=word,
            distinct=distinct,
            categorical=(self.table.categories > 0).astype(np.uint8),
            tabled=(distinct <= _MANY).astype(np.uint8),
            label=rows.y.astype(np.int32),
            member=member,
            order=np.full((s.trees, n), -1, np.int32),
            **tree_arrays(s.trees, slots, features, s.cuts, classes),
            settings=np.array([features, s.cuts, s.depth, s.random_depth, s.min_split, s.min_leaf, s.lazy], dtype=np.int64),
            key=self.keys,
            histogram=np.zeros((classes, width), np.int32),
            seen=np.zeros(width, np.uint8),
            ints=np.zeros((6, max(n, width, listed(s.cuts)) + 3), np.int32),
            ends=np.zeros(classes, np.int32),
            stack=np.zeros((3, 3, 128), np.int32),
            words=np.zeros((3, max(n, width, p, listed(s.cuts)) + 3), np.uint64),
            touched=np.zeros(1, np.int64),
            sums=sums,
            merits=sums[0].view(np.int64),
        )

    def _perform(
        self, task: int, places: npt.NDArray[Any] = _NONE, labels: npt.NDArray[Any] = _NONE, x: npt.NDArray[np.float32] = _NOTHING
    ) -> tuple[int, npt.NDArray[np.float64]]:
        """Perform a task on all trees; return the number of replaced subtrees, and class shares summed over trees, (len(x), classes).

        If a tree exceeds its capacity, all capacities are doubled, and it is grown again from its rows, which gives the same tree.
        """
        assert self.grove is not None
        rows, answers = np.empty((2, len(places)), np.int32), np.zeros((len(x), self.problem.classes))
        rows[0], rows[1] = places, labels
        first, replaced, trees = 0, 0, self.settings.trees
        while True:
            first, more = kernels.perform(self.grove, task, first, trees, rows, x, answers)
            replaced += int(more)
            if first == trees:
                return replaced, answers
            planted = first
            while planted == first:
                self.grove = grown(self.grove)
                planted, _ = kernels.perform(self.grove, kernels.PLANT, first, first + 1, rows, x, answers)
            if task == kernels.ASK:  # some rows have this tree's shares already: start again
                first, answers = 0, np.zeros_like(answers)
            else:
                first += 1

    def forget(self, request: Ids) -> Outcome:
        """Remove rows from every tree that contains them; ``parts`` of the cost is the number of replaced subtrees."""
        places = self.held.find(request)
        if not len(places):
            return Outcome(Cost(), "exact")
        if self.grove is None:
            self.held.drop(places)
            return Outcome(Cost(), "exact")
        labels = self.held.rows.y[places]
        self.grove.label[places] = -1
        replaced, _ = self._perform(kernels.FORGET, places, labels)
        self.held.drop(places)
        return Outcome(Cost(parts=replaced), "exact")

    def add(self, data: Rows) -> Outcome:
        """Add rows with new ids; afterwards the forest equals one that was grown with them.

        ``UnlearningError``, without any change, if an id is or was held.
        """
        more = self.table.rows(data)
        return self._grown(self.held.joined(more), more)

    def correct(self, data: Rows) -> Outcome:
        """Take held rows out and add them as they should have been; afterwards the forest equals one that was grown with them so."""
        right = self.table.rows(data)
        self.held.find(right.ids)
        joined = self.held.replaced(right)
        gone = self.forget(right.ids)
        added = self._grown(joined, right)
        return Outcome(Cost(parts=gone.cost.parts + added.cost.parts), "exact")

    def _grown(self, joined: Held, more: Rows) -> Outcome:
        """Hold ``joined``, the rows that are held and ``more``, and take the latter into the trees."""
        if not len(more):
            return Outcome(Cost(), "exact")
        old, now_dead, kept = self.grove, self.held.alive == 0, self.held.ids()
        places = joined.rows.ids.searchsorted(np.concatenate([kept, more.ids])).astype(np.int32)
        self.held = joined
        if old is None:
            return Outcome(Cost(), "exact")
        moved = np.full(len(now_dead) + 1, -1, np.int32)  # the last entry is for removed rows, whose number is -1
        moved[:-1][~now_dead] = places[: len(kept)]
        fresh = self._empty_grove(self.held.rows)
        self.grove = old._replace(
            **{name: getattr(fresh, name) for name in _DATA},
            order=_widened(moved[old.order], fresh.order.shape[1]),
        )
        added = places[len(kept) :]
        replaced, _ = self._perform(kernels.ADD, added, more.y)
        return Outcome(Cost(parts=replaced), "exact")

    def settle(self) -> None:
        """Perform the repairs that ``lazy`` has deferred."""
        if self.grove is not None:
            self._perform(kernels.SETTLE)

    def _ask(self, x: npt.NDArray[np.float32]) -> npt.NDArray[np.float64] | None:
        """Return class shares summed over the trees, None without trees."""
        return None if self.grove is None else self._perform(kernels.ASK, x=x)[1]

    def state(self) -> State:
        """Return progress and the trees in preorder, after deferred repairs.

        Arrays have one entry per node: class counts, feature (-1 at a leaf), cut, and at a leaf the sum of its rows' keyed hashes modulo
        2**64, which identifies the rows without naming them. ``sizes`` are the numbers of nodes per tree.
        """
        if self.grove is None:
            return Signed({PROGRESS: np.array([self.progress])}, self._origin())
        self.settle()
        g, trees = self.grove, self.settings.trees
        nodes, marks = np.empty(g.nodes.shape[1], np.int32), np.empty(g.nodes.shape[1], np.uint64)
        parts: dict[str, list[npt.NDArray[Any]]] = {name: [] for name in ("feature", "cut", "counts", "rows")}
        sizes = np.empty(trees, np.int64)
        for t in range(trees):
            sizes[t] = n = kernels.describe(g, t, self.held.rows.ids, nodes, marks)
            at = nodes[:n]
            split = g.nodes["kind"][t, at] == SPLIT
            parts["feature"].append(np.where(split, g.nodes["feature"][t, at], -1).astype(np.int32))
            parts["cut"].append(np.where(split, g.nodes["cut"][t, at], 0).astype(np.float32))
            parts["counts"].append(g.counts[t, at])
            parts["rows"].append(marks[:n].copy())
        joined = {name: np.concatenate(part) for name, part in parts.items()}
        return Signed({PROGRESS: np.array([self.progress]), "sizes": sizes, **joined}, self._origin())

    def stored(self) -> list[Stored]:
        """Return the trees, each with the ids of the rows that it contains."""
        ids = self.held.rows.ids
        if self.grove is None:
            return [Stored("forest", ids[:0])]
        alive = self.held.alive == 1
        return [Stored(f"tree {t}", ids[alive & (self.grove.member[:, t] == 1)]) for t in range(self.settings.trees)]


_DATA = ("x", "code", "values", "word", "distinct", "tabled", "label", "member", "histogram", "seen", "ints", "words")
"""Arrays of a grove that depend on the rows, except ``order``."""


def _widened(order: npt.NDArray[np.int32], width: int) -> npt.NDArray[np.int32]:
    """Return the rows' order with capacity for more rows, -1 at the end."""
    wider = np.full((len(order), max(width, order.shape[1])), -1, np.int32)
    wider[:, : order.shape[1]] = order
    return wider
