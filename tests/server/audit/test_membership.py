from __future__ import annotations

from itertools import product

import numpy as np
import pytest
from sklearn.datasets import make_classification
from sklearn.neural_network import MLPClassifier

from server.audit.membership import Predictions, membership_auc


def random_predictions(rng: np.random.Generator, n: int, classes: int = 3) -> Predictions:
    return Predictions(rng.dirichlet(np.ones(classes), n).round(1), rng.integers(0, classes, n))


@pytest.mark.parametrize("seed", range(5))
def test_equals_counting_pairs_of_the_same_class(seed: int) -> None:
    rng = np.random.default_rng(seed)
    a, b = random_predictions(rng, 17), random_predictions(rng, 23)
    pairs = [
        (x > y) + (x == y) / 2
        for (x, p), (y, q) in product(zip(a.confidence(), a.labels, strict=True), zip(b.confidence(), b.labels, strict=True))
        if p == q
    ]
    assert membership_auc(a, b) == pytest.approx(np.mean(pairs))


def test_a_class_mix_alone_gives_nothing_away() -> None:
    easy, hard = [0.9, 0.1], [0.6, 0.4]
    mostly_easy = Predictions(np.array([easy] * 9 + [hard]), np.array([0] * 9 + [1]))
    mostly_hard = Predictions(np.array([easy] + [hard] * 9), np.array([0] + [1] * 9))
    assert membership_auc(mostly_easy, mostly_hard) == 0.5


def test_no_comparable_pair_means_not_measured() -> None:
    zeros = Predictions(np.array([[1.0, 0.0]]), np.array([0]))
    ones = Predictions(np.array([[1.0, 0.0]]), np.array([1]))
    nobody = Predictions(np.zeros((0, 2)), np.zeros(0, dtype=np.int64))
    assert membership_auc(zeros, ones) is None
    assert membership_auc(zeros, nobody) is None


def test_certain_and_impossible_labels_stay_finite() -> None:
    sure, wrong = Predictions(np.array([[1.0, 0.0]]), np.array([0])), Predictions(np.array([[0.0, 1.0]]), np.array([0]))
    assert membership_auc(sure, wrong) == 1.0
    assert membership_auc(wrong, sure) == 0.0
    assert membership_auc(wrong, wrong) == 0.5


def test_a_diverged_model_is_named() -> None:
    broken = Predictions(np.array([[0.5, 0.5], [np.nan, np.nan]]), np.array([0, 0]))
    with pytest.raises(ValueError, match="row 1 is not a number"):
        membership_auc(broken, broken)


def test_tells_training_rows_from_fresh_ones_only_where_the_model_saw_them() -> None:
    x, y = make_classification(480, 30, n_informative=6, flip_y=0.25, random_state=3)
    members, never, others = slice(0, 120), slice(120, 240), slice(240, 480)
    model = MLPClassifier((64,), learning_rate_init=0.01, max_iter=300, random_state=0).fit(x[members], y[members])

    def auc(rows: slice) -> float:
        value = membership_auc(Predictions(model.predict_proba(x[rows]), y[rows]), Predictions(model.predict_proba(x[others]), y[others]))
        assert value is not None
        return value

    assert auc(members) > 0.6
    assert abs(auc(never) - 0.5) < 0.08
