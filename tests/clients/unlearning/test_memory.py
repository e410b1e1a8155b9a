"""Forgotten means unreadable, for every registered unlearner: its memory, caches, pickles and states hold nothing of forgotten rows.

Data, requests and configurations are those of the contract suite; numbers are made unlike any other row's, so that meeting one again
means that it was kept.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from dataclasses import replace
from functools import cache
from typing import Any

import numpy as np
import numpy.typing as npt
import pytest
import scipy.sparse as sp

from clients.data.graphs import Graph
from clients.data.rows import Ids, Rows
from clients.unlearning.approximate.certified.spec import CertifiedRemoval
from clients.unlearning.contract import Unlearner
from clients.unlearning.exact.dare.grove import SPLIT, codes
from clients.unlearning.exact.dare.spec import Dare
from clients.unlearning.exact.graph.spec import GraphEraser
from clients.unlearning.exact.hedgecut.spec import HedgeCut
from clients.unlearning.exact.recommender.spec import Bpr, RecEraser
from clients.unlearning.exact.statistical.specs import NaiveBayes
from clients.unlearning.memory_walk import blocks
from clients.unlearning.traces import Secret, differences, traces
from tests.clients.unlearning.test_contract import KINDS, Case, case_of, papers, ratings, tabular, taste

LAID_OUT: dict[str, tuple[str, ...]] = {
    "dare": ("nodes", "counts", "free", "heads", "cells", "floats", "order"),
    "hedgecut": ("nodes", "counts", "rivals", "below", "used"),
}
"""Arrays of forests in which the place of a node depends on what was there before; what each place holds is looked at one by one."""


def unlike(data: Any, key: int = 0) -> Any:
    """Return data whose numbers are all different: a little noise within the public bounds, the same for the same key."""
    noise = np.random.default_rng([5, key])
    if isinstance(data, Graph):
        x = sp.csr_matrix(data.x, copy=True)
        x.data = (x.data + 0.01 * noise.random(len(x.data))).astype(np.float32)
        return replace(data, x=x)
    if isinstance(data, Rows):
        return replace(data, x=(0.9 * data.x + 0.1 * noise.random(data.x.shape)).astype(np.float32))
    return data


def with_other_values(data: Any, ids: Ids) -> Any:
    """Return the same data in which the rows named have other numbers."""
    other, gone = unlike(data, 1), np.isin(data.ids, ids)
    if isinstance(data, Graph):
        x = data.x.tolil()
        x[gone] = other.x[gone]
        return replace(data, x=sp.csr_matrix(x, dtype=np.float32))
    return replace(data, x=np.where(gone.reshape(-1, *[1] * (data.x.ndim - 1)), other.x, data.x)) if isinstance(data, Rows) else data


SMALLER: dict[str, Callable[[], Case]] = {
    "dare": lambda: Case(Dare(trees=2, depth=6), tabular()),
    "hedgecut": lambda: Case(HedgeCut(trees=2, budget=0.05), tabular()),
}
"""Forests of fewer trees than in the contract suite: every byte of them is looked through."""

OTHERS: dict[str, Callable[[], Case]] = {
    "certified_removal, kept": lambda: Case(CertifiedRemoval(hessian="kept"), tabular()),
    "dare, lazy": lambda: Case(Dare(trees=2, depth=6, lazy=True), tabular()),
    "dare, known in part": lambda: Case(Dare(trees=5, depth=6, share=0.4, min_leaf=3, random_depth=1), tabular()),
    "dare, few cuts": lambda: Case(Dare(trees=2, cuts=2, depth=30, features=12), tabular()),
    "hedgecut, variants": lambda: Case(HedgeCut(trees=2, budget=0.2, nested=2, candidates=6), tabular()),
    "hedgecut, no variants": lambda: Case(HedgeCut(trees=3, budget=0.3, nested=0, candidates=12, min_split=2, min_leaf=1), tabular()),
    "grapheraser, mean": lambda: Case(GraphEraser(shards=3, hidden=8, epochs=6, aggregate="mean", partition="keyed"), papers()),
    "grapheraser, frozen": lambda: Case(GraphEraser(shards=3, hidden=8, epochs=6, partition="bekm", leakage="frozen"), papers()),
    "naive_bayes, bernoulli": lambda: Case(NaiveBayes(distribution="bernoulli", threshold=0.3), ratings()),
    "receraser, mean": lambda: Case(
        RecEraser(shards=2, dim=6, partition="keyed", aggregate="mean", base=Bpr(epochs=2)), taste()
    ),
}

CASES = [*KINDS, *OTHERS]


@cache
def case(name: str) -> Case:
    own = SMALLER | OTHERS
    given = own[name]() if name in own else case_of(name)
    return Case(given.spec, replace(given.of, data=unlike(given.of.data)))


def numbers(data: Any, ids: Ids) -> npt.NDArray[np.float32]:
    """Return the rows named, (n, p); of interactions, which are ids and no numbers, none."""
    gone = np.isin(data.ids, ids)
    if isinstance(data, Graph):
        return np.asarray(data.x[gone].toarray(), dtype=np.float32)
    return data.x[gone].reshape(int(gone.sum()), -1) if isinstance(data, Rows) else np.empty((0, 1), np.float32)


def forms(model: Any, x: npt.NDArray[np.float32]) -> list[npt.NDArray[Any]]:
    """Return the rows in the forms of this learner's own."""
    found: list[npt.NDArray[Any]] = []
    if len(x) and hasattr(model, "design"):
        whole = model.design.integers(x)
        found += [whole, np.rint(whole / 2.0**20).astype(np.int64)]
    if len(x) and hasattr(model, "levels"):
        found.append(model.levels(x))
    return found


def learned(model: Unlearner[Any, Any]) -> list[npt.NDArray[Any]]:
    """Return what was trained: the arrays of the state, and every array of floats."""
    inside = [block.array.copy() for block in blocks(model) if block.array is not None and block.array.dtype.kind == "f"]
    return [*model.state().values(), *inside]


REQUESTS: dict[str, Callable[[Case], list[Ids]]] = {
    "many": lambda case: [case.ids[3:60:4]],
    "one by one": lambda case: [case.ids[[i]] for i in range(2, 50, 10)],
    "everything": lambda case: [case.ids],
}


def forgotten(of: Case, named: list[Ids], data: Any = None, rounds: int | None = None) -> tuple[Unlearner[Any, Any], Secret]:
    """Return a model that was asked and has forgotten, and what it must not hold: of one that is not exact, the values alone."""
    data = of.of.data if data is None else data
    model = of.fit(data, rounds)
    model.predict_proba(of.of.asked)
    x = numbers(data, np.concatenate(named))
    x = x[:: len(x) // 20 + 1]  # of many rows a sample: each is searched for in every byte
    secret = Secret.of(x, forms(model, x), learned(model) if of.spec.guarantee == "exact" else ())
    for ids in named:
        of.forget(model, ids)
    return model, secret


@pytest.mark.parametrize("requests", ["one by one", *(pytest.param(name, marks=pytest.mark.slow) for name in ("many", "everything"))])
@pytest.mark.parametrize("name", CASES)
def test_nothing_of_the_forgotten_is_left_in_memory(name: str, requests: str) -> None:
    of = case(name)
    named = REQUESTS[requests](of)
    model, secret = forgotten(of, named)
    innocent = of.fit(of.without(np.concatenate(named)))
    assert traces(model, secret, innocent) == []


@pytest.mark.parametrize("name", CASES)
def test_what_was_never_forgotten_is_found(name: str) -> None:
    of = case(name)
    ids = of.ids[10:13]
    model, x = of.fit(), numbers(of.of.data, ids)
    assert traces(model, Secret.of(x, forms(model, x), learned(model)), of.fit(of.without(ids)))


@pytest.mark.parametrize("done", [0, 2])
@pytest.mark.parametrize("name", CASES)
def test_memory_is_that_of_a_model_that_forgot_other_values(name: str, done: int) -> None:
    of = case(name)
    if not len(numbers(of.of.data, of.ids[:1])):
        pytest.skip("interactions are ids: there are no values that could be others")
    if of.spec.guarantee != "exact":
        pytest.skip("it says itself that its weights keep a trace")
    named = REQUESTS["one by one"](of)
    first, _ = forgotten(of, named, rounds=done)
    second, _ = forgotten(of, named, with_other_values(of.of.data, np.concatenate(named)), done)
    laid_out = LAID_OUT.get(name.split(",")[0], ())
    differ = [path for path in differences(first, second) if path.split(".")[-1] not in laid_out]
    assert differ == []


def trees_of(nodes: npt.NDArray[Any], below: Callable[[int, int], list[int]]) -> npt.NDArray[np.bool_]:
    """Return which places (T, places) are part of a tree; ``below`` names the left children of a place."""
    used = np.zeros(nodes.shape, np.bool_)
    for t in range(len(nodes)):
        waiting = [0]
        while waiting:
            node = waiting.pop()
            used[t, node] = True
            waiting += [place for left in below(t, node) for place in (left, left + 1)]
    return used


def after_each(name: str, deletions: Iterable[slice]) -> Iterator[Any]:
    """Yield the model of a case after each deletion of the rows at these places."""
    of = case(name)
    model: Any = of.fit()
    model.predict_proba(of.of.asked)
    for places in deletions:
        of.forget(model, of.ids[places])
        yield model


@pytest.mark.parametrize("name", [name for name in CASES if name.startswith("dare")])
def test_what_no_tree_of_a_grove_uses_is_blank(name: str) -> None:
    for model in after_each(name, [slice(start, start + 9, 2) for start in range(0, 90, 9)]):
        g = model.grove
        split = g.nodes["kind"] == SPLIT
        used = trees_of(g.nodes, lambda t, node, g=g, split=split: [int(g.nodes["left"][t, node])] if split[t, node] else [])
        assert not any(g.nodes[field][~used].any() for field in g.nodes.dtype.names)
        assert not g.counts[~used].any()
        assert not any(g.nodes[field][used & ~split].any() for field in ("feature", "cut", "left", "slot"))
        taken = np.zeros(g.heads.shape[:2], np.bool_)
        taken[np.nonzero(split)[0], g.nodes["slot"][split]] = True
        assert not g.heads[~taken].any()
        assert not g.cells[~taken].any()
        for array in (g.histogram, g.seen, g.ints, g.ends, g.stack, g.words, g.sums, g.touched):
            assert not array.any()
        assert (g.label[g.order[g.order >= 0]] >= 0).all()
        alive = g.label >= 0
        ranks, values, distinct = codes(g.x[alive])
        assert (g.code[:, alive] == ranks).all()
        assert not g.code[:, ~alive].any()
        assert g.distinct.tolist() == distinct.tolist()
        assert (g.values[:, : values.shape[1]] == values).all()
        assert not g.values[:, values.shape[1] :].any()


@pytest.mark.parametrize("name", [name for name in CASES if name.startswith("hedgecut")])
def test_what_no_tree_of_a_hedge_uses_is_blank(name: str) -> None:
    for model in after_each(name, [slice(start, start + 1) for start in range(0, 60, 2)]):
        h = model.hedge
        first, many = h.nodes["first"], h.nodes["rivals"]

        def below(t: int, node: int, h: Any = h, first: Any = first, many: Any = many) -> list[int]:
            mine = h.rivals["child"][t, first[t, node] : first[t, node] + many[t, node]].tolist()
            left = int(h.nodes["left"][t, node]) if h.nodes["champion"][t, node] >= 0 else -1
            return [child for child in {*mine, left} if child >= 0]

        used = trees_of(h.nodes, below)
        assert not any(h.nodes[field][~used].any() for field in h.nodes.dtype.names if field not in ("left", "champion"))
        assert (h.nodes["left"][~used] <= 0).all()
        assert not h.counts[~used].any()
        assert not h.counts[h.nodes["kind"] == 2].any(), "what is proven counts no rows"
        listed = np.zeros(h.rivals.shape, np.bool_)
        for t, node in np.argwhere(used).tolist():
            listed[t, first[t, node] : first[t, node] + many[t, node]] = True
        assert not h.below[~listed].any()
        assert not h.rivals["mask"][~listed].any()
        for array in (h.here, h.trail, h.word, h.rows, h.total, h.left, h.doubtful, h.sums, h.work, h.stack, h.planes[-1]):
            assert not array.any()
