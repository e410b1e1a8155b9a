"""scikit-learn's own suite holds for the estimators; no check is expected to fail."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
from sklearn.utils.estimator_checks import parametrize_with_checks

from simulator import UnlearningClassifier, UnlearningRegressor

QUICK = [
    UnlearningClassifier({"kind": "dare", "trees": 3, "depth": 6}),
    UnlearningClassifier({"kind": "hedgecut", "trees": 10}),
    UnlearningClassifier("naive_bayes"),
    UnlearningClassifier("ridge"),
    UnlearningRegressor(),
]
TRAINED = {"epochs": 60, "optimizer": {"kind": "adam", "lr": 0.05}}
NETWORKS = [
    UnlearningClassifier({"kind": "linear"}, training=TRAINED),
    UnlearningClassifier({"kind": "sisa", "shards": 2, "base": {"kind": "linear"}}, training=TRAINED),
]


@pytest.fixture(autouse=True)
def array_api(monkeypatch: pytest.MonkeyPatch) -> None:
    """Without the variable, scikit-learn skips its check of inputs through the array API."""
    monkeypatch.setenv("SCIPY_ARRAY_API", "1")


@parametrize_with_checks(QUICK)
def test_scikit_learns_suite(estimator: Any, check: Callable[[Any], None]) -> None:
    check(estimator)


@pytest.mark.slow
@parametrize_with_checks(NETWORKS)
def test_scikit_learns_suite_for_networks(estimator: Any, check: Callable[[Any], None]) -> None:
    check(estimator)


class Forgetful(UnlearningClassifier):
    """Loses a parameter, and predicts without having been fitted."""

    def __init__(self, method: Any = "naive_bayes") -> None:
        super().__init__(method)
        self.method = "ridge"

    def predict(self, X: Any) -> Any:
        return [0] * len(X)


def test_the_suite_finds_what_is_broken() -> None:
    failed = set()
    for estimator, check in parametrize_with_checks([Forgetful()]).args[1]:
        try:
            check(estimator)
        except Exception:
            failed.add(check.func.__name__)
    assert {"check_parameters_default_constructible", "check_estimators_unfitted"} <= failed
