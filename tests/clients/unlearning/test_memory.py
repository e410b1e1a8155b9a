"""Forgotten means unreadable, for every registered unlearner: its memory, caches, pickles and states hold nothing of forgotten rows.

Data, requests and configurations are those of the contract suite; numbers are made unlike any other row's, so that meeting one again
means that it was kept.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from functools import cache
from typing import Any

import numpy as np
import numpy.typing as npt
import pytest
import scipy.sparse as sp

from clients.data.graphs import Graph
from clients.unlearning.contract import Ids, Rows, Unlearner
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


OTHERS: dict[str, Callable[[], Case]] = {
    "dare, lazy": lambda: Case(Dare(trees=8, lazy=True), tabular()),
    "dare, known in part": lambda: Case(Dare(trees=8, share=0.4, min_leaf=3, random_depth=1), tabular()),
    "dare, few cuts": lambda: Case(Dare(trees=8, cuts=2, depth=30, features=30), tabular()),
    "hedgecut, variants": lambda: Case(HedgeCut(trees=4, budget=0.2, nested=2, candidates=6), tabular()),
    "hedgecut, no variants": lambda: Case(HedgeCut(trees=8, budget=0.3, nested=0, candidates=12, min_split=2, min_leaf=1), tabular()),
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
    given = OTHERS[name]() if name in OTHERS else case_of(name)
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
    "one": lambda case: [case.ids[10:11]],
    "many": lambda case: [case.ids[3:60:4]],
    "one by one": lambda case: [case.ids[[i]] for i in range(2, 50, 3)],
    "everything": lambda case: [case.ids],
}


def forgotten(of: Case, named: list[Ids], data: Any = None, rounds: int | None = None) -> tuple[Unlearner[Any, Any], Secret]:
    """Return a model that was asked and has forgotten, and what it must not hold."""
    data = of.of.data if data is None else data
    model = of.fit(data, rounds)
    model.predict_proba(of.of.asked)
    x = numbers(data, np.concatenate(named))
    secret = Secret.of(x, forms(model, x), learned(model))
    for ids in named:
        of.forget(model, ids)
    return model, secret


@pytest.mark.parametrize("requests", REQUESTS)
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


@pytest.mark.parametrize("done", [0, 1, 2])
@pytest.mark.parametrize("name", CASES)
def test_memory_is_that_of_a_model_that_forgot_other_values(name: str, done: int) -> None:
    of = case(name)
    if not len(numbers(of.of.data, of.ids[:1])):
        pytest.skip("interactions are ids: there are no values that could be others")
    named = REQUESTS["one by one"](of)
    first, _ = forgotten(of, named, rounds=done)
    second, _ = forgotten(of, named, with_other_values(of.of.data, np.concatenate(named)), done)
    laid_out = LAID_OUT.get(name.split(",")[0], ())
    differ = [path for path in differences(first, second) if path.split(".")[-1] not in laid_out]
    assert differ == []
