"""One suite over every registered unlearner of rows: what is claimed is compared with the run that never had the rows.

A new unlearner needs one entry in ``CASES``; without it ``test_every_unlearner_has_a_case`` fails.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import cache
from typing import Any

import numpy as np
import pytest

from clients import wire
from clients.data.bundled import BreastCancer, Digits
from clients.models.mlp import Mlp
from clients.training import Training
from clients.unlearning import UNLEARNERS
from clients.unlearning.contract import Cost, Ids, Problem, Rows, State, Unlearner, UnlearnerSpec, UnlearningError
from clients.unlearning.exact.dare.spec import Dare
from clients.unlearning.exact.hedgecut.spec import HedgeCut
from clients.unlearning.exact.retrain import Retrain
from clients.unlearning.exact.sisa import Sisa
from clients.unlearning.exact.statistical.specs import AdaptiveKMeans, ItemItem, NaiveBayes, Pca, QuantisedKMeans, Ridge
from clients.unlearning.finetune import Finetune

KEY = ("contract", 7)
FIRST, STEP = 1_000_003, 7
"""Ids are no positions and too large to be met by chance in a model's state."""


@dataclass(frozen=True)
class Case:
    """A configuration small enough to fit dozens of times, and the rows to fit it on."""

    spec: UnlearnerSpec
    problem: Problem
    rows: Rows

    def fit(self, rows: Rows | None = None, rounds: int | None = None) -> Unlearner[Rows, Ids]:
        model = self.spec.build(self.problem, KEY)
        model.begin(self.rows if rows is None else rows)
        for _ in range(self.problem.rounds if rounds is None else rounds):
            model.advance()
        return model


@cache
def digits() -> tuple[Problem, Rows]:
    """Images: 100 rows of the classes 0 to 3, three rounds of two epochs."""
    data = Digits().load()
    chosen = np.flatnonzero(data.y < 4)[:100]
    rows = Rows(FIRST + STEP * np.arange(len(chosen)), data.x[chosen], data.y[chosen])
    return Problem(data.shape, 4, rounds=3, training=Training(epochs=2, batch_size=16)), rows


@cache
def tabular() -> tuple[Problem, Rows]:
    """Numeric columns with public bounds: 120 rows, two classes, two rounds."""
    data = BreastCancer().load()
    rows = Rows(FIRST + STEP * np.arange(120), data.x[:120], data.y[:120])
    return Problem(data.shape, data.classes, rounds=2, columns=data.columns), rows


@cache
def ratings() -> tuple[Problem, Rows]:
    """Users who rate three of the four items of one of three shelves, and one of the next shelf; the fourth is the label."""
    users = np.arange(120)
    shelf, left_out = users % 3, users // 3 % 4
    items = np.arange(12)
    liked = (items // 4 == shelf[:, None]) & (items % 4 != left_out[:, None])
    liked |= items == ((4 * (shelf + 1) + users // 12 % 4) % 12)[:, None]
    return Problem((12,), 12, rounds=2), Rows(FIRST + STEP * users, liked.astype(np.float32), 4 * shelf + left_out)


CASES: dict[str, Callable[[], Case]] = {
    "dare": lambda: Case(Dare(trees=10), *tabular()),
    "finetune": lambda: Case(Finetune(base=Mlp(hidden=(8,))), *digits()),
    "hedgecut": lambda: Case(HedgeCut(trees=10, budget=0.05), *tabular()),
    "item_item": lambda: Case(ItemItem(), *ratings()),
    "kmeans": lambda: Case(AdaptiveKMeans(clusters=4), *tabular()),
    "naive_bayes": lambda: Case(NaiveBayes(), *tabular()),
    "pca": lambda: Case(Pca(components=4), *tabular()),
    "quantised_kmeans": lambda: Case(QuantisedKMeans(clusters=4), *tabular()),
    "retrain": lambda: Case(Retrain(base=Mlp(hidden=(8,))), *digits()),
    "ridge": lambda: Case(Ridge(), *tabular()),
    "sisa": lambda: Case(Sisa(shards=3, slices=2, base=Mlp(hidden=(8,))), *digits()),
}

KINDS = [kind for kind in UNLEARNERS.targets() if UNLEARNERS.load(kind).unit == "rows"]
EXACT = [kind for kind in KINDS if UNLEARNERS.load(kind).guarantee == "exact"]


def case_of(kind: str) -> Case:
    if kind not in CASES:
        pytest.fail(f"unlearner {kind!r} is registered without an entry in CASES")
    return CASES[kind]()


def canonical(model: Unlearner[Any, Any]) -> bytes:
    model.settle()
    return wire.to_bytes(model.state())


def assert_same(model: Unlearner[Rows, Ids], oracle: Unlearner[Rows, Ids], rows: Rows) -> None:
    assert canonical(model) == canonical(oracle)
    assert model.predict_proba(rows.x).tobytes() == oracle.predict_proba(rows.x).tobytes()


def whole_class(rows: Rows) -> Ids:
    return rows.ids[rows.y == rows.y[0]]


REQUESTS: dict[str, Callable[[Rows], list[Ids]]] = {
    "one row": lambda rows: [rows.ids[10:11]],
    "many rows": lambda rows: [rows.ids[3:60:4]],
    "one by one": lambda rows: [rows.ids[[i]] for i in (5, 31, 17, 2)],
    "one by one, in another order": lambda rows: [rows.ids[[i]] for i in (2, 17, 31, 5)],
    "a request in no order": lambda rows: [rows.ids[[31, 2, 17, 5]]],
    "a whole class": lambda rows: [whole_class(rows)],
    "all but one": lambda rows: [rows.ids[rows.ids != rows.ids[20]]],
    "the oldest, then the newest": lambda rows: [rows.ids[:1], rows.ids[-1:]],
}


def test_every_unlearner_has_a_case() -> None:
    assert set(KINDS) <= set(CASES), f"registered without an entry in CASES: {sorted(set(KINDS) - set(CASES))}"


@pytest.mark.parametrize("kind", KINDS)
def test_spec_says_what_it_is(kind: str) -> None:
    spec = UNLEARNERS.load(kind)
    assert spec.guarantee in ("exact", "certified", "approximate", "behavioural")
    assert spec.summary
    assert "\n" not in spec.summary
    assert spec.source
    assert spec.model_validate_json(case_of(kind).spec.model_dump_json()) == case_of(kind).spec


@pytest.mark.parametrize("kind", KINDS)
def test_predictions_are_probabilities_learned_from_the_rows(kind: str) -> None:
    case = case_of(kind)
    answers = case.fit().predict_proba(case.rows.x)
    assert answers.shape == (len(case.rows), case.problem.classes)
    assert answers.dtype == np.float32
    assert (answers >= 0).all()
    np.testing.assert_allclose(answers.sum(axis=1), 1, atol=1e-5)
    chance = np.bincount(case.rows.y).max() / len(case.rows)
    assert (answers.argmax(axis=1) == case.rows.y).mean() > chance + 0.1


@pytest.mark.parametrize("kind", KINDS)
def test_same_key_gives_same_bytes(kind: str) -> None:
    case = case_of(kind)
    assert_same(case.fit(), case.fit(), case.rows)


@pytest.mark.parametrize("kind", EXACT)
@pytest.mark.parametrize("requests", REQUESTS)
def test_forgetting_equals_never_having_had(kind: str, requests: str) -> None:
    case = case_of(kind)
    model = case.fit()
    named = REQUESTS[requests](case.rows)
    for request in named:
        model.forget(request)
    assert_same(model, case.fit(case.rows.without(np.concatenate(named))), case.rows)


@pytest.mark.parametrize("kind", EXACT)
@pytest.mark.parametrize("done", [0, 1])
def test_forgetting_between_rounds_equals_never_having_had(kind: str, done: int) -> None:
    case = case_of(kind)
    model = case.fit(rounds=done)
    model.forget(case.rows.ids[::3])
    assert_same(model, case.fit(case.rows.without(case.rows.ids[::3]), rounds=done), case.rows)
    for _ in range(done, case.problem.rounds):
        model.advance()
    assert_same(model, case.fit(case.rows.without(case.rows.ids[::3])), case.rows)


@pytest.mark.parametrize("kind", KINDS)
def test_a_restored_model_is_the_same_and_goes_on_alike(kind: str) -> None:
    case = case_of(kind)
    first, second = case.rows.ids[4:9], case.rows.ids[40:43]
    model = case.fit(rounds=1)
    model.forget(first)
    model.settle()
    again = case.spec.build(case.problem, KEY)
    again.restore(wire.from_bytes(wire.to_bytes(model.state())), case.rows.without(first))
    assert_same(again, model, case.rows)
    for each in (model, again):
        each.forget(second)
        for _ in range(1, case.problem.rounds):
            each.advance()
    assert_same(again, model, case.rows)
    assert [(kept.name, kept.ids.tolist()) for kept in again.stored()] == [(kept.name, kept.ids.tolist()) for kept in model.stored()]


@pytest.mark.parametrize("kind", KINDS)
def test_an_empty_request_changes_nothing(kind: str) -> None:
    case = case_of(kind)
    model = case.fit()
    before = canonical(model)
    assert model.forget(np.empty(0, np.int64)) == Cost()
    assert canonical(model) == before


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("fault", ["unknown", "unknown among known", "repeated", "already forgotten"])
def test_a_bad_request_names_the_row_and_changes_nothing(kind: str, fault: str) -> None:
    case = case_of(kind)
    ids, model = case.rows.ids, case.fit()
    model.forget(ids[7:8])
    bad, named = {
        "unknown": ([FIRST + 1], FIRST + 1),
        "unknown among known": ([int(ids[1]), FIRST + 1, int(ids[2])], FIRST + 1),
        "repeated": ([int(ids[1]), int(ids[2]), int(ids[1])], int(ids[1])),
        "already forgotten": ([int(ids[1]), int(ids[7])], int(ids[7])),
    }[fault]
    before, answers = canonical(model), model.predict_proba(case.rows.x)
    stored = [(kept.name, kept.ids.tolist()) for kept in model.stored()]
    with pytest.raises(UnlearningError, match=str(named)) as caught:
        model.forget(np.array(bad))
    assert "\n" not in str(caught.value)
    assert canonical(model) == before
    assert model.predict_proba(case.rows.x).tobytes() == answers.tobytes()
    assert [(kept.name, kept.ids.tolist()) for kept in model.stored()] == stored


@pytest.mark.parametrize("kind", EXACT)
def test_nothing_of_the_forgotten_is_stored(kind: str) -> None:
    case = case_of(kind)
    gone = case.rows.ids[10:50:3]
    model = case.fit()
    assert np.isin(gone, np.concatenate([kept.ids for kept in model.stored()])).all(), "the rows were learned, so something knows them"
    model.forget(gone)
    model.settle()
    for kept in model.stored():
        assert np.isin(kept.ids, case.rows.without(gone).ids).all(), kept.name
    for name, array in model.state().items():
        assert not np.isin(array, gone).any(), name


@pytest.mark.parametrize("kind", EXACT)
def test_not_forgetting_is_noticed(kind: str) -> None:
    case = case_of(kind)
    oracle = case.fit(case.rows.without(whole_class(case.rows)))
    assert canonical(case.fit()) != canonical(oracle)
    assert np.abs(case.fit().predict_proba(case.rows.x) - oracle.predict_proba(case.rows.x)).max() > 1e-3


def test_finetuning_is_noticed() -> None:
    case = case_of("finetune")
    gone = case.rows.ids[3:4]
    model = case.fit()
    model.forget(gone)
    oracle = case.fit(case.rows.without(gone))
    weights = [_weights(model.state()), _weights(oracle.state())]
    assert max(np.abs(weights[0][name] - weights[1][name]).max() for name in weights[0]) > 1e-3
    assert any(np.isin(gone, kept.ids).any() for kept in model.stored()), "it says itself that the trace stays"


def _weights(state: State) -> State:
    return {name: array for name, array in state.items() if array.dtype == np.float32}
