"""Bad input to every registered unlearner of rows: answered by name, and the model is what it was, byte for byte.

Unknown and repeated ids are in the contract suite; graphs and interactions have their own data, and their own tests of it. So has
``item_item``, whose classes are its items.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from functools import cache
from typing import Any

import numpy as np
import pytest

from clients import wire
from clients.data.rows import Column, Ids, Rows
from clients.models.linear import Linear
from clients.training import Training
from clients.unlearning import UNLEARNERS
from clients.unlearning.contract import Problem, Unlearner, UnlearningError

KINDS = [kind for kind in UNLEARNERS.targets() if UNLEARNERS.load(kind).unit == "rows" and kind != "item_item"]
CLASSIFIERS = [kind for kind in KINDS if UNLEARNERS.load(kind).classifier]
NETWORKS = {"approximate", "finetune", "recollection", "retrain", "sisa"}
TIED = [kind for kind in KINDS if kind not in NETWORKS and UNLEARNERS.load(kind).guarantee == "exact"]
"""Kinds whose state tells which rows, or how many, it was learned from."""
SETTINGS: dict[str, dict[str, Any]] = {
    "dare": {"trees": 3},
    "hedgecut": {"trees": 3, "budget": 0.2, "exhausted": "refuse"},
    "kmeans": {"clusters": 2},
    "pca": {"components": 2},
    "quantised_kmeans": {"clusters": 2},
} | {kind: {"base": Linear()} | ({"method": "finetune"} if kind == "approximate" else {}) for kind in NETWORKS}

COLOUR = 2
COLUMNS = (Column("size", 0.0, 1.0), Column("weight", 0.0, 1.0), Column("colour", 0.0, 2.0, 3))
PROBLEM = Problem((3,), 3, rounds=2, columns=COLUMNS, training=Training(epochs=40))


def rows(count: int = 60) -> Rows:
    """Two numbers and a category; the class is the category, half the time the next one."""
    chance = np.random.default_rng(3)
    colour = chance.integers(3, size=count)
    x = np.column_stack([chance.random((count, 2)), colour]).astype(np.float32)
    return Rows(100 + 3 * np.arange(count), x, (colour + chance.integers(2, size=count)) % 3)


def with_value(data: Rows, column: int, value: float) -> Rows:
    x = data.x.copy()
    x[7, column] = value
    return replace(data, x=x)


def model_of(kind: str, data: Rows | None = None, **settings: Any) -> Unlearner[Rows, Ids]:
    spec = UNLEARNERS.load(kind).model_validate(SETTINGS.get(kind, {}) | settings)
    model = spec.build(PROBLEM, ("bad input", 1))
    model.fit(rows() if data is None else data)
    return model


@cache
def fitted(kind: str) -> Unlearner[Rows, Ids]:
    """Return the model that tests share, each of which checks that it stays as it is."""
    return model_of(kind)


def unchanged_by(model: Unlearner[Rows, Ids], act: Callable[[], object]) -> str:
    """Return the one line that an act is answered with; the model must be what it was."""
    before, answers = wire.to_bytes(model.state()), model.predict_proba(rows().x).tobytes()
    with pytest.raises(UnlearningError) as caught:
        act()
    assert wire.to_bytes(model.state()) == before
    assert model.predict_proba(rows().x).tobytes() == answers
    assert "\n" not in str(caught.value)
    return str(caught.value)


BAD_ROWS: dict[str, tuple[Callable[[Rows], Rows], str]] = {
    "NaN": (lambda data: with_value(data, 0, np.nan), "row 121, column size: nan"),
    "infinity": (lambda data: with_value(data, 1, np.inf), "row 121, column weight: inf"),
    "an unseen category": (lambda data: with_value(data, COLOUR, 3), "row 121, column colour: 3.0"),
    "half a category": (lambda data: with_value(data, COLOUR, 0.5), "row 121, column colour: 0.5"),
    "a negative category": (lambda data: with_value(data, COLOUR, -1), "row 121, column colour: -1.0"),
    "an unknown class": (lambda data: replace(data, y=np.where(data.ids == 121, 3, data.y)), "row 121: label 3"),
    "a repeated id": (lambda data: replace(data, ids=np.where(data.ids == 121, 118, data.ids)), "id 118 is repeated"),
    "ids in no order": (lambda data: replace(data, ids=data.ids[::-1]), "out of order"),
    "a label too few": (lambda data: replace(data, y=data.y[1:]), "60 ids, 60 inputs and 59 labels"),
    "a column too few": (lambda data: replace(data, x=data.x[:, 1:]), "2 features a row, the problem has 3"),
}


@pytest.mark.parametrize("what", BAD_ROWS)
@pytest.mark.parametrize("kind", KINDS)
def test_bad_rows_are_refused_by_name(kind: str, what: str) -> None:
    spoil, said = BAD_ROWS[what]
    model = fitted(kind)
    assert said in unchanged_by(model, lambda: model.begin(spoil(rows())))


@pytest.mark.parametrize("what", ["NaN", "infinity", "an unseen category", "a column too few"])
@pytest.mark.parametrize("kind", KINDS)
def test_bad_questions_are_refused_by_name(kind: str, what: str) -> None:
    model = fitted(kind)
    said = BAD_ROWS[what][1].replace("121", "7")
    assert said in unchanged_by(model, lambda: model.predict_proba(BAD_ROWS[what][0](rows()).x))


@pytest.mark.parametrize("kind", KINDS)
def test_no_rows_at_all_answer_every_class_alike_and_can_forget_nothing(kind: str) -> None:
    model = model_of(kind, rows().keep(np.zeros(60, bool)))
    np.testing.assert_allclose(model.predict_proba(rows().x), 1 / 3, rtol=1e-6)
    assert "row 100 is not held" in unchanged_by(model, lambda: model.forget(request(kind, rows(1))))


def request(kind: str, data: Rows) -> Any:
    """Return what asks a model to forget rows: their ids, or they themselves, if the model keeps none."""
    return data if UNLEARNERS.load(kind).needs_rows else data.ids


@pytest.mark.parametrize("kind", CLASSIFIERS)
def test_rows_of_one_class_are_learned_and_forgotten_to_the_last(kind: str) -> None:
    data = rows()
    one = data.keep(data.y == 1)
    model = model_of(kind, one)
    answers = model.predict_proba(data.x)
    assert np.isfinite(answers).all()
    assert (answers.argmax(axis=1) == 1).mean() > 0.9
    if kind == "hedgecut":
        model = model_of(kind, one, exhausted="refit")
    model.forget(request(kind, one))
    np.testing.assert_allclose(model.predict_proba(data.x), 1 / 3, rtol=1e-6)


@pytest.mark.parametrize("kind", ["dare", "hedgecut", "naive_bayes"])
def test_a_problem_of_one_class_is_refused_when_the_model_is_built(kind: str) -> None:
    with pytest.raises(UnlearningError, match=f"{kind}: the problem has one class: it needs at least two"):
        UNLEARNERS.load(kind).model_validate({}).build(replace(PROBLEM, classes=1), ("one",))


def test_a_budget_that_is_exceeded_refuses_the_whole_request() -> None:
    model = model_of("hedgecut")  # bears 12 of 60 removals
    model.forget(rows().ids[:10])
    assert "3 rows exceed the remaining budget of 2" in unchanged_by(model, lambda: model.forget(rows().ids[20:23]))
    model.forget(rows().ids[20:22])


@pytest.mark.parametrize("kind", TIED)
def test_a_state_of_other_rows_is_refused(kind: str) -> None:
    model = fitted(kind)
    state = model.state()
    assert unchanged_by(model, lambda: model.restore(state, rows().without([100]))).startswith("state: ")
