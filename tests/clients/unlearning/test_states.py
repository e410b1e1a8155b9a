"""States go back into the model they are of, and into no other; none shares memory with whoever gave or took it."""

from __future__ import annotations

import pickle
from collections.abc import Callable
from copy import deepcopy
from dataclasses import replace
from functools import cache
from typing import Any

import numpy as np
import numpy.typing as npt
import pytest

from clients import wire
from clients.checks.case import require_same
from clients.data.graphs import Graph
from clients.data.ratings import Ratings, ratings
from clients.data.rows import Column, Rows
from clients.unlearning import UNLEARNERS
from clients.unlearning.contract import Problem, State, UnlearningError
from clients.unlearning.memory_walk import blocks
from tests.clients.unlearning.test_contract import KEY, KINDS, Case, case_of
from tests.clients.unlearning.test_memory import unlike

KEYLESS = {"convex", "item_item", "naive_bayes", "pca", "ridge"}
"""Sums of integers, and an optimum reached from zero: no choice in them is random."""

IMPLIED = {"dare", "hedgecut", "item_item", "kmeans", "naive_bayes", "pca", "quantised_kmeans", "ridge"}
"""Kinds whose arrays alone tell other values of the same rows apart, fingerprint or not."""


@cache
def fitted(kind: str) -> tuple[Case, Any]:
    case = case_of(kind)
    case = Case(case.spec, replace(case.of, data=unlike(case.of.data)))
    return case, case.fit()


def refused(kind: str, state: Any, data: Any = None, key: tuple[Any, ...] = KEY) -> str:
    """Return the line that a restore is answered with; the model asked is what it was."""
    case, _ = fitted(kind)
    model = case.spec.build(case.of.problem, key)
    model.begin(case.of.data)
    before = wire.to_bytes(model.state())
    with pytest.raises(UnlearningError) as caught:
        model.restore(state, case.of.data if data is None else data)
    assert wire.to_bytes(model.state()) == before
    assert "\n" not in str(caught.value)
    return str(caught.value)


def other_rows(data: Any) -> Any:
    """Return as many other rows, nodes or interactions."""
    if isinstance(data, Ratings):
        return ratings((data.user + 1) % data.users, data.item, data.users, data.items)
    if isinstance(data, Graph):
        return Graph(data.ids + 1, data.x, data.edges + 1, data.y)
    return Rows(data.ids + 1, data.x, data.y)


def other_values(data: Any) -> Any:
    return other_rows(data) if isinstance(data, Ratings) else unlike(data, 2)


def other_labels(data: Any) -> Any:
    return other_rows(data) if isinstance(data, Ratings) else replace(data, y=np.roll(data.y, 1))


def fewer(data: Any) -> Any:
    return data.keep(np.arange(len(data)) > 0) if isinstance(data, Ratings) else data.without(data.ids[:1])


OTHERS: dict[str, Callable[[Any], Any]] = {
    "ids": other_rows,
    "values": other_values,
    "labels": other_labels,
    "fewer": fewer,
}


def stored(state: Any) -> Any:
    """Return a state as it comes back from a file."""
    return wire.from_bytes(wire.to_bytes(state))


@pytest.mark.parametrize("what", OTHERS)
@pytest.mark.parametrize("kind", KINDS)
def test_a_state_of_other_rows_is_refused(kind: str, what: str) -> None:
    case, model = fitted(kind)
    for state in (model.state(), stored(model.state())):
        refused(kind, state, OTHERS[what](case.of.data))


@pytest.mark.parametrize("kind", KINDS)
def test_without_its_fingerprint_other_values_are_refused_where_the_arrays_imply_them(kind: str) -> None:
    case, model = fitted(kind)
    bare = stored(dict(model.state()))  # as artefacts of a run are
    if kind in IMPLIED:
        assert "give the rows that were held" in refused(kind, bare, other_values(case.of.data))
    elif not isinstance(case.of.data, Ratings):
        case.spec.build(case.of.problem, KEY).restore(bare, other_values(case.of.data))  # taken: only the fingerprint tells


@pytest.mark.parametrize("kind", [kind for kind in KINDS if kind not in KEYLESS])
def test_a_state_of_another_key_is_refused(kind: str) -> None:
    for state in (fitted(kind)[1].state(), stored(fitted(kind)[1].state())):
        refused(kind, state, key=("another", 7))


@pytest.mark.parametrize("kind", KINDS)
def test_a_fingerprint_is_of_the_rows_that_are_kept(kind: str) -> None:
    case, _ = fitted(kind)
    model = case.fit()
    before = stored(model.state()).fingerprint
    case.forget(model, case.ids[4:9])
    after = stored(model.state()).fingerprint
    assert after == case.fit(case.without(case.ids[4:9])).state().fingerprint
    assert after != before


def without_one(state: State) -> State:
    return dict(sorted(state.items())[:-1])


def reshaped(state: State) -> State:
    name = max(state, key=lambda name: state[name].size)
    return {**state, name: state[name].reshape(-1)[:-1]}


def retyped(state: State) -> State:
    name = max(state, key=lambda name: state[name].size)
    kind = np.float64 if state[name].dtype != np.float64 else np.float32
    return {**state, name: state[name].astype(kind)}


SPOILED: dict[str, Callable[[State], Any]] = {
    "an array is missing": without_one,
    "progress is missing": lambda state: {name: array for name, array in state.items() if name != "progress"},
    "an array too many": lambda state: {**state, "more": np.zeros(3)},
    "another shape": reshaped,
    "another dtype": retyped,
    "progress below 0": lambda state: {**state, "progress": np.array([-1])},
    "progress of another shape": lambda state: {**state, "progress": np.array(1)},
    "progress in floats": lambda state: {**state, "progress": np.array([1.0])},
    "a list for an array": lambda state: {**state, "progress": [1]},
    "texts": lambda state: {**state, "progress": np.array(["1"])},
    "a name that is none": lambda state: {**state, 5: np.zeros(1)},
    "nothing": lambda state: None,
    "empty": lambda state: {},
}


@pytest.mark.parametrize("what", SPOILED)
@pytest.mark.parametrize("kind", KINDS)
def test_a_spoiled_state_is_refused(kind: str, what: str) -> None:
    refused(kind, SPOILED[what](fitted(kind)[1].state()))


COPIES: dict[str, Callable[[Any], Any]] = {"a deep copy": deepcopy, "a pickle": lambda model: pickle.loads(pickle.dumps(model))}


@pytest.mark.parametrize("how", COPIES)
@pytest.mark.parametrize("kind", ["dare", "hedgecut", "naive_bayes", "sisa"])
def test_a_copy_forgets_as_exactly_as_the_model(kind: str, how: str) -> None:
    """Arrays of a forest that are views of others must be so in a copy, too."""
    case, model = fitted(kind)
    copy, gone = COPIES[how](model), case.ids[2:50:3]
    for place in range(len(gone)):
        case.forget(copy, gone[[place]])
    require_same(case, copy, case.fit(case.without(gone)))


def arrays_of(thing: Any) -> list[npt.NDArray[Any]]:
    return [block.array for block in blocks(thing) if block.array is not None and block.array.size]


@pytest.mark.parametrize("kind", KINDS)
def test_no_memory_is_shared_with_the_caller(kind: str) -> None:
    case, _ = fitted(kind)
    model = case.fit()
    state = model.state()
    again = case.spec.build(case.of.problem, KEY)
    again.restore(state, case.of.data)
    outside = arrays_of([case.of.data, state, model.stored(), again.stored(), model.predict_proba(case.of.asked)])
    for each in (model, again):
        inside = [array for array in arrays_of(vars(each)) if not any(array is kept for kept in outside)]
        assert not [1 for array in inside for other in outside if np.may_share_memory(array, other) and np.shares_memory(array, other)]
    before = wire.to_bytes(model.state())
    for array in state.values():
        array[...] = 0
    assert wire.to_bytes(model.state()) == before


@pytest.mark.parametrize("kind", [kind for kind in KINDS if UNLEARNERS.load(kind).adds])
def test_ids_are_not_reused(kind: str) -> None:
    """SISA keeps nothing of a row that it forgot, not even its id."""
    case, _ = fitted(kind)
    model, data = case.fit(), case.of.data
    first, third = data.ids[:1], Rows(data.ids[-1:] + 1, data.x[-1:], data.y[-1:])
    case.forget(model, first)
    model.add(third)
    model.add(replace(third, ids=third.ids + 1))
    before = wire.to_bytes(model.state())
    for again in [third] if kind == "sisa" else [third, data.only(first)]:
        with pytest.raises(UnlearningError, match=f"row {again.ids[0]} is or was held"):
            model.add(again)
    assert wire.to_bytes(model.state()) == before


@pytest.mark.parametrize("kind", [kind for kind in KINDS if not UNLEARNERS.load(kind).adds])
def test_other_learners_refuse_more_rows(kind: str) -> None:
    case, _ = fitted(kind)
    model, data = case.fit(), case.of.data
    before = wire.to_bytes(model.state())
    with pytest.raises(UnlearningError, match="cannot learn more data: train it again"):
        model.add(data)
    assert wire.to_bytes(model.state()) == before


COLUMNS = (Column("a", 0.0, 1.0), Column("b", -2.0, 2.0))
BOUNDED = [kind for kind in KINDS if UNLEARNERS.load(kind).unit == "rows" and kind != "item_item"]


def bounded(kind: str, declared: bool) -> tuple[Any, Rows]:
    chance = np.random.default_rng(1)
    x = np.column_stack([chance.random(40), chance.random(40)]).astype(np.float32)
    data = Rows(100 + 3 * np.arange(40), x, (x[:, 0] > 0.5).astype(np.int64))
    shown = case_of(kind).spec
    spec = shown.model_copy(update={"components": 2, "clusters": 3} if kind in ("pca", "kmeans", "quantised_kmeans") else {})
    return spec.build(Problem((2,), 2, columns=COLUMNS if declared else ()), KEY), data


@pytest.mark.parametrize("value", [1.5, -0.5, 1e8, -1e8])
@pytest.mark.parametrize("kind", BOUNDED)
def test_rows_beyond_declared_bounds_are_refused_and_questions_clipped(kind: str, value: float) -> None:
    model, data = bounded(kind, True)
    beyond = data.x.copy()
    beyond[7, 0] = value
    with pytest.raises(UnlearningError, match=r"row 121, column a: .* lies outside the public range"):
        model.begin(replace(data, x=beyond))
    model.fit(data)
    at_the_bound = data.x.copy()
    at_the_bound[7, 0] = np.clip(value, 0, 1)
    assert model.predict_proba(beyond).tobytes() == model.predict_proba(at_the_bound).tobytes()


@pytest.mark.parametrize("kind", sorted({"hedgecut", "naive_bayes", "ridge", "pca", "kmeans", "quantised_kmeans"} & set(KINDS)))
def test_bounds_that_settings_declare_hold_too(kind: str) -> None:
    model, data = bounded(kind, False)
    with pytest.raises(UnlearningError, match="lies outside the public range"):
        model.begin(replace(data, x=data.x * 10 + 10))
