"""The memory walk itself: leaks of every kind are found where they were planted, and nothing is found where nothing was."""

from __future__ import annotations

import functools
import weakref
from collections import deque
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
import scipy.sparse as sp
import torch

from clients.data.rows import Ids, Rows
from clients.models.linear import Linear
from clients.training import Training
from clients.unlearning.contract import Cost, Problem
from clients.unlearning.exact.retrain import Retrain
from clients.unlearning.exact.retraining import Retrained
from clients.unlearning.exact.statistical.specs import Ridge
from clients.unlearning.memory_walk import blocks
from clients.unlearning.traces import Secret, differences, traces

PROBLEM = Problem((6,), 2, rounds=1, training=Training(epochs=2))


def rows(key: int = 0) -> Rows:
    chance = np.random.default_rng(key)
    x = chance.random((40, 6)).astype(np.float32)
    return Rows(100 + 3 * np.arange(40), x, (x[:, 0] > 0.5).astype(np.int64))


GONE = rows().ids[[4, 9]]


class Slotted:
    __slots__ = ("kept",)

    def __init__(self, kept: object) -> None:
        self.kept = kept


class Cached:
    table: Any = None  # set by a leak, on a class of its own


def padded(x: Any) -> Any:
    """Return a view of the first of many places; the rows are in the spare ones behind it."""
    room = np.zeros((64, 6), np.float32)
    room[60:62] = x
    return room[:8]


def quantised(x: Any) -> Any:
    return np.rint(x * 2.0**20).astype(np.int64)


def remembering(x: Any) -> Any:
    @functools.cache
    def known(row: int) -> Any:
        return x[row]

    known(0)
    return known


def tape(x: Any) -> Any:
    weight = torch.ones(6, requires_grad=True)
    return (torch.tensor(x) * weight).sum()  # its graph of gradients keeps the rows


def on_a_class(x: Any) -> Any:
    kind = type("Holder", (Cached,), {"table": x})
    return kind()


def running(x: Any) -> Any:
    def steps() -> Any:
        own = x.copy()
        yield 0
        yield own

    started = steps()
    next(started)
    return started


PLANTED: dict[str, Callable[[Any], Any]] = {
    "a copy in float64": lambda x: {"copies": [x.astype(np.float64)]},
    "one value": lambda x: float(x[0, 2]),
    "a column of a table by columns": lambda x: np.asfortranarray(np.vstack([np.zeros((5, 6)), x])),
    "half precision": lambda x: x.astype(np.float16),
    "bytes": lambda x: b"?" + x.tobytes(),
    "spare places behind a view": padded,
    "a buffer that a view leaves out": lambda x: np.concatenate([x, x])[:0],
    "codes into a table": lambda x: (np.vstack([np.arange(6) * 0, np.arange(6) * 0 + 1]), np.sort(x.T, axis=1)),
    "quantised": quantised,
    "a sparse matrix": lambda x: sp.csr_matrix(x),
    "a tensor's storage": lambda x: torch.tensor(x).reshape(-1)[:1],
    "a graph of gradients": tape,
    "a slot": lambda x: Slotted(x.copy()),
    "a default argument": lambda x: lambda kept=x: kept,
    "a closure": lambda x: lambda: x,
    "a cache of a function": remembering,
    "a partial function": lambda x: functools.partial(np.add, x.copy()),
    "a bound method": lambda x: x.copy().sum,
    "a queue": lambda x: deque([x.copy()]),
    "a class attribute": on_a_class,
    "a generator at work": running,
    "a key of a dictionary": lambda x: {tuple(x[0].tolist()): 1},
    "an array of objects": lambda x: np.array([x.copy(), None], dtype=object),
}


class Leaky(Retrained):
    """Forgets by training again, and keeps something all the same."""

    plant: Callable[[Any], Any]
    spare: Any = None

    def forget(self, request: Ids) -> Cost:
        x = self.rows.only(request).x.copy()
        cost = super().forget(request)
        self.spare = type(self).plant(x)
        return cost


def leaky(plant: Callable[[Any], Any]) -> Any:
    kind = type("Leaky", (Leaky,), {"plant": staticmethod(plant)})
    model = kind(Retrain(base=Linear()), PROBLEM, ("leak",))
    model.fit(rows())
    return model


def honest(data: Rows | None = None) -> Retrained:
    model = Retrained(Retrain(base=Linear()), PROBLEM, ("leak",))
    model.fit(rows() if data is None else data)
    return model


def secret(**more: Any) -> Secret:
    x = rows().only(GONE).x
    return Secret.of(x, [quantised(x)], **more)


@pytest.mark.parametrize("what", PLANTED)
def test_a_planted_leak_is_found_where_it_is(what: str) -> None:
    model = leaky(PLANTED[what])
    model.forget(GONE)
    found = traces(model, secret(), honest(rows().without(GONE)))
    assert any(line.startswith("model.spare") for line in found), found


def test_a_model_that_keeps_nothing_has_no_traces() -> None:
    model = honest()
    trained = [array.copy() for array in model.weights.values()]
    assert any("weights" in line for line in traces(model, secret(weights=trained), honest(rows().without(GONE))))
    model.forget(GONE)
    assert traces(model, secret(weights=trained), honest(rows().without(GONE))) == []


def test_weights_in_a_spare_network_are_found() -> None:
    model = leaky(lambda x: None)
    trained = [array.copy() for array in model.weights.values()]
    spare = torch.nn.Linear(6, 2)
    with torch.no_grad():
        spare.weight.copy_(torch.tensor(next(array for array in trained if array.shape == (2, 6))))
    model.forget(GONE)
    model.spare = [spare]
    found = traces(model, secret(weights=trained), honest(rows().without(GONE)))
    assert any("model.spare[0]" in line and "weights trained" in line for line in found)


def test_what_needs_no_form_is_found_by_comparing_twins() -> None:
    other = rows(1)
    gone = np.isin(rows().ids, GONE)
    twin = Rows(rows().ids, np.where(gone[:, None], other.x, rows().x), rows().y)
    odd: Callable[[Any], Any] = lambda x: np.packbits(x > 0.5)  # noqa: E731  bits of which no pattern is known
    pairs = []
    for plant in (odd, lambda x: None):
        first, second = leaky(plant), leaky(plant)
        second.begin(twin)
        second.advance()
        first.forget(GONE)
        second.forget(GONE)
        pairs.append(differences(first, second))
    assert pairs == [["model.spare"], []]


def test_every_stretch_is_met_once_and_in_the_same_order() -> None:
    model = Ridge().build(PROBLEM, ())
    model.fit(rows())
    paths = [block.path for block in blocks(model)]
    assert paths == [block.path for block in blocks(model)]
    assert len(set(paths)) == len(paths)
    assert {"model.held.rows.x", "model.sums['second']"} <= set(paths)


def test_circles_and_dead_references_end() -> None:
    ring: list[Any] = []
    ring += [ring, weakref.ref(Cached())]
    assert list(blocks(ring)) == []
