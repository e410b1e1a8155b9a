"""The DaRE forest as an unlearner.

Brophy and Lowd, "Machine Unlearning for Random Forests" (ICML 2021), with two readings of our own, so that a tree is a pure function of
(its rows, the key). A threshold is a value present at the node with enough rows on both sides (a category against the rest, of a
categorical feature); the k with the smallest keyed hashes of the *value* are tried. A random node is one that tries one feature and one
threshold. So a deletion changes a choice only if a chosen value vanishes or the best of the tried ones changes.
"""

from __future__ import annotations

from collections.abc import Mapping
from math import ceil, isqrt
from typing import Any

import numpy as np
import numpy.typing as npt

from clients.data.rows import Ids, Rows
from clients.streams import Field, key_hash
from clients.unlearning.contract import Cost, Outcome, Problem, State, Stored, Unlearner, UnlearningError
from clients.unlearning.exact.dare import forest_kernels as kernels
from clients.unlearning.exact.dare.grove import SPLIT, Grove, codes, grown, listed, tree_arrays
from clients.unlearning.exact.dare.spec import Dare
from clients.unlearning.states import PROGRESS, Signed, fingerprint, opened, same
from clients.unlearning.tabular import Held, Table, empty

_SLOTS = 128
"""Room for splits that a tree starts with."""

_MANY = 64
"""Values of a feature above which a node's rows are compared with each cut."""

_NONE = np.empty(0, np.int32)
_NOTHING = np.empty((0, 1), np.float32)


class Forest(Unlearner[Rows, Ids]):
    """See the module; ``settings`` are the spec's.

    Parameters
    ----------
    settings : Dare
    problem : Problem
    key : tuple
        What every choice is keyed by.
    """

    def __init__(self, settings: Dare, problem: Problem, key: tuple[Field, ...]) -> None:
        if problem.classes < 2:
            raise UnlearningError("dare: the problem has one class: it needs at least two")
        self.rounds = problem.rounds
        self.settings, self.problem = settings, problem
        self.table = Table(problem)
        self.keys = np.array([key_hash(*key, "tree", t) for t in range(settings.trees)], dtype=np.uint64)
        self.held = empty(problem)
        self.progress = 0
        self.grove: Grove | None = None

    def begin(self, data: Rows) -> None:
        """Start anew on ``data``; no rows at all, or of one class only, are allowed."""
        self.held, self.progress, self.grove = Held(self.table.rows(data)), 0, None

    def advance(self) -> int:
        """Grow the trees in the first round; nothing is left to do in later ones."""
        if not self.progress:
            self._plant()
        self.progress += 1
        return 0

    def _plant(self) -> None:
        """Grow the trees from the rows at hand."""
        self.held = self.held.packed()
        self.grove = self._empty_grove(self.held.rows)
        self._perform(kernels.PLANT)

    def _empty_grove(self, rows: Rows) -> Grove:
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
        """Do a task to all trees; return the number of subtrees replaced, and answers summed over trees, (len(x), classes).

        A tree without room is given room and grown anew from its rows, which comes to the same tree.
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
            if task == kernels.ASK:  # some rows have had this tree's answer already: begin again
                first, answers = 0, np.zeros_like(answers)
            else:
                first += 1

    def forget(self, request: Ids) -> Outcome:
        """Take the rows out of every tree that knows them; parts are the subtrees replaced."""
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
        """Learn more rows, with ids never held before; afterwards the forest is as if it had always had them.

        ``UnlearningError`` if an id is or was held; nothing has changed then.
        """
        more = self.table.rows(data)
        joined = self.held.joined(more)
        if not len(more):
            return Outcome(Cost(), "exact")
        old, now_dead, kept = self.grove, self.held.alive == 0, self.held.ids()
        places = joined.rows.ids.searchsorted(np.concatenate([kept, more.ids])).astype(np.int32)
        self.held = joined
        if old is None:
            return Outcome(Cost(), "exact")
        moved = np.full(len(now_dead) + 1, -1, np.int32)  # the last entry serves the holes, whose row is -1
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
        """Carry out the repairs that were put off."""
        if self.grove is not None:
            self._perform(kernels.SETTLE)

    def predict_proba(self, x: npt.NDArray[Any]) -> npt.NDArray[np.float32]:
        """Return the trees' mean class shares, shape (len(x), classes); all alike while no row is known."""
        features = self.table.features(x)
        classes = self.problem.classes
        if self.grove is None or not self.held.count:
            return np.full((len(features), classes), 1 / classes, np.float32)
        _, total = self._perform(kernels.ASK, x=features)
        shares = total / total.sum(axis=1, keepdims=True)
        return np.asarray(shares, dtype=np.float32)

    def state(self) -> State:
        """Return progress and the settled trees in preorder.

        Per node: class counts, feature (-1 at a leaf), cut, and, at a leaf, the sum of its rows' keyed hashes modulo 2**64, which tells
        which rows are there without naming them. ``sizes`` are nodes per tree.
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
        self.held, self.progress, self.grove = other.held, other.progress, other.grove

    def _origin(self) -> str:
        rows = self.held.kept()
        return fingerprint(self.settings.model_dump_json(), self.problem.classes, self.keys, rows.ids, rows.x, rows.y)

    def stored(self) -> list[Stored]:
        """List the trees, each with the rows that it knows."""
        ids = self.held.rows.ids
        if self.grove is None:
            return [Stored("forest", ids[:0])]
        alive = self.held.alive == 1
        return [Stored(f"tree {t}", ids[alive & (self.grove.member[:, t] == 1)]) for t in range(self.settings.trees)]


_DATA = ("x", "code", "values", "word", "distinct", "tabled", "label", "member", "histogram", "seen", "ints", "words")
"""Arrays of a grove that depend on which rows there are, besides ``order``."""


def _widened(order: npt.NDArray[np.int32], width: int) -> npt.NDArray[np.int32]:
    """Return the rows' order with room for more rows, holes at the end."""
    wider = np.full((len(order), max(width, order.shape[1])), -1, np.int32)
    wider[:, : order.shape[1]] = order
    return wider
