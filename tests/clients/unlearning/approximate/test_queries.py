"""An oracle answers within its tolerance and forgets exactly; learners that ask one query after the other are measured, not believed."""

from __future__ import annotations

from typing import Literal

import numpy as np
import pytest
from sklearn.datasets import load_digits

from clients.data.rows import Rows
from clients.unlearning.approximate.asking import Asking, Logistic, Perceptron, Support, softmax
from clients.unlearning.approximate.queries import AdaptiveQueries
from clients.unlearning.approximate.querying import Querying
from clients.unlearning.contract import Problem, UnlearningError
from clients.unlearning.exact.statistical.oracle import Oracle, Query

Kind = Literal["logistic", "svm", "network"]


def held(n: int = 60, d: int = 4) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    draw = np.random.default_rng(3)
    return np.arange(n) * 7 + 2, draw.uniform(-1, 1, (n, d)), draw.integers(0, 3, n)


def asked(seed: int, d: int = 4) -> Query:
    """A random query of five numbers."""
    draw = np.random.default_rng(seed)
    weights, shift = draw.normal(size=(d, 5)), draw.normal(size=(3, 5))
    return lambda x, y: np.tanh(x @ weights + shift[y])


def test_answers_lie_within_the_tolerance_before_and_after_deletions_and_are_those_of_an_oracle_that_never_knew() -> None:
    ids, x, y = held()
    oracle = Oracle(ids, x, y)
    gone = np.random.default_rng(0).permutation(ids)
    stale = 0
    for k in (0, 20):
        kept = ~np.isin(ids, gone[:k])
        fresh = Oracle(ids[kept], x[kept], y[kept])
        for seed in range(1000):
            xi, tolerance = asked(seed), float(np.random.default_rng(seed).choice([1e-6, 1e-4, 1e-2, 0.3]))
            answer = oracle.query(xi, tolerance)
            assert (np.abs(answer - xi(x[kept], y[kept]).mean(axis=0)) <= tolerance).all()
            assert answer.tobytes() == fresh.query(xi, tolerance).tobytes()
            stale += bool((np.abs(answer - xi(x, y).mean(axis=0)) > tolerance).any())
        oracle.forget(gone[k : k + 20])
    assert stale > 400, "an oracle that went on counting what it forgot would be found out"
    assert oracle.asked == 2 * 1000 * 5


@pytest.mark.parametrize(
    ("xi", "tolerance", "said"),
    [
        (lambda x, y: x * 2, 0.1, "outside [-1, 1]"),
        (lambda x, y: x * np.nan, 0.1, "outside [-1, 1]"),
        (lambda x, y: x[:3], 0.1, "shape (3, 4) for 60 rows"),
        (lambda x, y: x[:, 0], 0.1, "shape (60,)"),
        (lambda x, y: x, 0.0, "tolerance 0.0"),
        (lambda x, y: x, 2.0, "tolerance 2.0"),
        (lambda x, y: x, float("nan"), "tolerance nan"),
    ],
)
def test_what_is_no_query_is_refused(xi: Query, tolerance: float, said: str) -> None:
    with pytest.raises(UnlearningError) as caught:
        Oracle(*held()).query(xi, tolerance)
    assert said in str(caught.value)


def test_an_oracle_without_rows_has_no_answer_and_one_refuses_strangers() -> None:
    ids, x, y = held()
    oracle = Oracle(ids, x, y)
    with pytest.raises(UnlearningError, match="row 3 "):
        oracle.forget([2, 3])
    assert len(oracle) == 60
    oracle.forget(ids)
    with pytest.raises(UnlearningError, match="no rows"):
        oracle.query(asked(0), 0.1)


@pytest.mark.parametrize("model", [Logistic(5, 3), Perceptron(5, 3, 4)], ids=["logistic", "network"])
def test_the_queries_ask_for_the_gradient(model: Asking) -> None:
    _, x, y = held(40)
    x = np.concatenate([0.3 * x, np.ones((40, 1))], axis=1)
    at = 0.3 * np.random.default_rng(1).standard_normal(len(model.initial(("test",))))

    def loss(parameters: np.ndarray) -> float:
        return float(-np.log(softmax(model.scores(parameters, x))[np.arange(40), y]).mean())

    step = 1e-5 * np.eye(len(at))
    numeric = np.array([(loss(at + e) - loss(at - e)) / 2e-5 for e in step])
    np.testing.assert_allclose(model.gradient(at)(x, y).mean(axis=0), numeric, atol=1e-8)


def test_support_vectors_are_those_inside_the_margin() -> None:
    model = Support(2, 2)
    x, y = np.array([[0.5, 1.0], [1.0, 1.0]]), np.array([0, 0])
    parameters = np.array([[2.0, -2.0], [0.5, -0.5]]).ravel()
    assert not model.gradient(parameters)(x, y)[1].any(), "a row beyond the margin pulls at nothing"
    assert model.gradient(0 * parameters)(x, y).tolist() == [[-0.5, 0.5, -1, 1], [-1, 1, -1, 1]]


def digits(flipped: int = 0) -> tuple[Rows, Rows, np.ndarray]:
    """Training rows, the first of them with wrong labels, test rows, and the wrong ones' ids."""
    source = load_digits()
    x, y = (source.data / 16).astype(np.float32), source.target.astype(np.int64)
    order = np.random.default_rng(0).permutation(len(y))
    train, test = np.sort(order[:500]), np.sort(order[500:])
    labels = y[train].copy()
    labels[:flipped] = (labels[:flipped] + 1) % 10
    return Rows(train, x[train], labels), Rows(test, x[test], y[test]), train[:flipped]


def fitted(spec: AdaptiveQueries, rows: Rows, seed: int = 0) -> Querying:
    model = Querying(spec, Problem((64,), 10), (seed, "main"))
    model.fit(rows)
    return model


@pytest.mark.parametrize(("kind", "lr"), [("logistic", 1.0), ("svm", 0.1), ("network", 1.0)])
def test_they_learn_and_a_deletion_brings_them_nearer_to_having_never_known(kind: Kind, lr: float) -> None:
    rows, test, wrong = digits(flipped=100)
    spec = AdaptiveQueries(model=kind, lr=lr, iterations=60, refine=30, hidden=12)
    for seed in range(3):
        model, retrained = fitted(spec, rows, seed), fitted(spec, rows.without(wrong), seed)
        before = model.predict_proba(test.x)
        outcome = model.forget(wrong)
        assert outcome.guarantee == "approximate"
        assert outcome.cost.gradient_steps == 30
        assert outcome.notes == (f"{30 * len(model.parameters)} statistical queries within 0.0001",)
        after, never = model.predict_proba(test.x), retrained.predict_proba(test.x)
        assert (never.argmax(axis=1) == test.y).mean() > 0.85
        near, far = np.abs(after - never).mean(), np.abs(before - never).mean()
        assert 0 < near < far, "measured: neither exact nor in vain"
