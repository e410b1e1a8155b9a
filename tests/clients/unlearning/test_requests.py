"""Requests name integers only; whatever else is asked is answered with one line, and the model is what it was, byte for byte."""

from __future__ import annotations

from functools import cache
from typing import Any

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from clients import wire
from clients.unlearning.contract import Cost, UnlearningError
from clients.unlearning.exact.graph.requests import Removal as Nodes
from clients.unlearning.exact.recommender.requests import Removal as Interactions
from clients.unlearning.requests import whole_ids
from tests.clients.unlearning.test_contract import KINDS, Case, case_of


class Refusing:
    """Raises whatever is asked of it."""

    def __array__(self, *_: Any, **__: Any) -> Any:
        raise RuntimeError("no array")

    def __repr__(self) -> str:
        raise RuntimeError("no words either")


NO_INTEGERS: dict[str, Any] = {
    "a float": [1.7],
    "a whole float": [1.0],
    "truth values": [False, True],
    "a truth value among integers": [True, 2],
    "a text": ["3"],
    "bytes": [b"3"],
    "too large": [2**70],
    "just too large": np.array([2**63], dtype=np.uint64),
    "too small": [-(2**63) - 1],
    "NaN": [float("nan")],
    "infinity": [float("inf")],
    "None": [None],
    "a complex number": [1 + 0j],
    "nested": [[[1], [2]]],
    "ragged": [[1], [2, 3]],
    "an object without dimensions": np.array(object()),
    "a number without dimensions": np.array(5),
    "no list": 5,
    "nothing at all": None,
    "a dictionary": {1: 2},
    "a set": {1},
    "a generator": (i for i in [1]),
    "a date": np.array(["2026-01-01"], dtype="M8[D]"),
    "a span of time": np.array([5], dtype="m8[ns]"),
    "a record": np.array([(1, 2.0)], dtype=[("a", int), ("b", float)]),
    "a float tensor": torch.tensor([1.5]),
    "a masked array": np.ma.array([1, 2], mask=[0, 1]),
    "an object that refuses": Refusing(),
    "objects that refuse": [Refusing()],
    "an empty array of many dimensions": np.zeros((3, 0)),
}


@cache
def fitted(kind: str) -> tuple[Case, Any, bytes]:
    case = case_of(kind)
    model = case.fit()
    return case, model, wire.to_bytes(model.state()) + model.predict_proba(case.of.asked).tobytes()


def refused(kind: str, request: Any) -> str:
    case, model, before = fitted(kind)
    with pytest.raises(UnlearningError) as caught:
        model.forget(request)
    assert wire.to_bytes(model.state()) + model.predict_proba(case.of.asked).tobytes() == before
    assert "\n" not in str(caught.value)
    return str(caught.value)


@pytest.mark.parametrize("what", NO_INTEGERS)
@pytest.mark.parametrize("kind", KINDS)
def test_what_is_no_integer_is_refused(kind: str, what: str) -> None:
    refused(kind, NO_INTEGERS[what])


@pytest.mark.parametrize("what", NO_INTEGERS)
@pytest.mark.parametrize("field", ["nodes", "edges"])
def test_what_is_no_node_or_edge_is_refused(field: str, what: str) -> None:
    refused("grapheraser", Nodes(**{field: NO_INTEGERS[what]}))


@pytest.mark.parametrize("what", NO_INTEGERS)
@pytest.mark.parametrize("field", ["interactions", "users", "items"])
def test_what_is_no_interaction_user_or_item_is_refused(field: str, what: str) -> None:
    refused("receraser", Interactions(**{field: NO_INTEGERS[what]}))


@pytest.mark.parametrize("request_", [Nodes([1]), Interactions(users=[1]), Interactions([1, 2, 3, 4])])
@pytest.mark.parametrize("kind", KINDS)
def test_a_request_to_another_kind_of_learner_is_refused(kind: str, request_: Any) -> None:
    if (kind, request_.users if isinstance(request_, Interactions) else ()) == ("receraser", [1]):
        pytest.skip("its own kind of request")
    refused(kind, request_)


JUNK = st.recursive(
    st.none() | st.booleans() | st.floats() | st.text(max_size=3) | st.integers(-(2**80), 2**80) | st.binary(max_size=3),
    lambda inner: st.lists(inner, max_size=3) | st.tuples(inner) | st.dictionaries(st.integers(), inner, max_size=2),
    max_leaves=6,
)


@settings(max_examples=25, deadline=None)
@given(junk=JUNK)
@pytest.mark.parametrize("kind", KINDS)
def test_whatever_is_asked_the_answer_is_a_cost_of_nothing_or_one_line(kind: str, junk: Any) -> None:
    case, model, before = fitted(kind)
    said = ""
    try:
        assert model.forget(junk).cost == Cost(), "only what is empty can name nothing that is held"
    except UnlearningError as error:
        said = str(error)
    assert "\n" not in said
    assert wire.to_bytes(model.state()) + model.predict_proba(case.of.asked).tobytes() == before


@pytest.mark.parametrize("given_", [[], (), np.empty(0), np.empty(0, bool), range(0)])
def test_what_holds_nothing_names_nothing(given_: Any) -> None:
    assert whole_ids(given_).shape == (0,)
    assert whole_ids(given_, width=2).shape == (0, 2)


@given(ids=st.lists(st.integers(-(2**63), 2**63 - 1)))
def test_integers_are_read_as_they_are_whatever_holds_them(ids: list[int]) -> None:
    for held in (ids, tuple(ids), np.array(ids, dtype=np.int64), np.array(ids, dtype=object), torch.tensor(ids, dtype=torch.int64)):
        found = whole_ids(held)
        assert found.dtype == np.int64
        assert found.tolist() == ids
    assert not np.shares_memory(whole_ids(array := np.array(ids, dtype=np.int64)), array)
