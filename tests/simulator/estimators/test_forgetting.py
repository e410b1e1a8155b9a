"""Fit and forget is, bit for bit, fit without those rows, given the same facts; and what is taken as given is said."""

from __future__ import annotations

from typing import Any

import numpy as np
import pandas as pd
import pytest
from sklearn.base import clone

from clients import wire
from clients.unlearning import UNLEARNERS
from clients.unlearning.contract import UnlearningError
from clients.unlearning.traces import Secret, traces
from simulator import UnlearningClassifier, UnlearningRegressor
from simulator.estimators import cells

COLUMNS = [
    {"name": "age", "low": 0, "high": 100},
    {"name": "hours", "kind": "numeric", "low": 0, "high": 80},
    {"name": "city", "categories": ["Athens", "Bern", "Cairo"]},
    {"name": "member", "kind": "categorical", "categories": [False, True]},
]
MLP = {"kind": "mlp", "hidden": [8]}
EXACT = {
    "convex": "convex",
    "dare": {"kind": "dare", "trees": 5, "depth": 5},
    "hedgecut": {"kind": "hedgecut", "trees": 5, "budget": 0.5},
    "naive_bayes": "naive_bayes",
    "retrain": {"kind": "retrain", "base": MLP},
    "ridge": "ridge",
    "sisa": {"kind": "sisa", "shards": 2, "slices": 2, "base": MLP},
}
"""Every main model of rows that claims to be exact."""


def table(n: int = 90) -> tuple[pd.DataFrame, pd.Series]:
    """Return rows of which the last alone has the highest age, the lowest hours and the city of Cairo."""
    rng = np.random.default_rng(1)
    frame = pd.DataFrame(
        {
            "age": rng.uniform(20, 60, n).round(1),
            "hours": rng.integers(10, 60, n),
            "city": pd.Categorical(rng.choice(["Athens", "Bern"], n), categories=["Athens", "Bern", "Cairo"]),
            "member": rng.random(n) < 0.5,
        }
    )
    y = pd.Series(np.where(frame["age"] + 20 * frame["member"] > 50, "much", "little"))
    frame.iloc[-1] = [99.5, 1, "Cairo", True]
    return frame, y


def state(model: Any) -> bytes:
    model.unlearner_.settle()
    return wire.to_bytes(model.unlearner_.state())


def classifier(method: Any, columns: Any = COLUMNS, labels: Any = ("little", "much")) -> UnlearningClassifier:
    return UnlearningClassifier(method, columns=columns, labels=labels, training={"epochs": 2}, random_state=3)


def test_every_exact_main_model_of_rows_is_tried() -> None:
    able = {kind for kind, spec in UNLEARNERS.working().items() if spec.unit == "rows" and spec.classifier and spec.guarantee == "exact"}
    assert able == set(EXACT)


@pytest.mark.parametrize("method", EXACT.values(), ids=EXACT)
def test_forgetting_is_never_having_had(method: Any) -> None:
    x, y = table()
    gone = [89, 3, 40]
    model = classifier(method).fit(x, y)
    before = state(model)
    assert model.forget(gone).guarantee == "exact"
    without = clone(model).fit(x.drop(gone), y.drop(gone), ids=x.index.drop(gone))
    assert model.guarantee_ == "exact"
    assert state(model) == state(without)
    assert model.predict_proba(x).tobytes() == without.predict_proba(x).tobytes()
    assert before != state(without), "who does not forget differs"


@pytest.mark.parametrize("method", ["dare", "hedgecut", "ridge", "sisa"])
def test_facts_read_off_the_rows_stay_and_the_guarantee_says_so(method: str) -> None:
    x, y = table()
    model = classifier(EXACT[method], columns=None, labels=None).fit(x, y)
    assert model.guarantee_ == (
        "exact, given what was read off the rows and stays when they go: the bounds of 2 columns, the categories of 2 columns, the classes"
    )
    model.forget([89])
    rest = (x.drop(89), y.drop(89), x.index.drop(89))
    assert state(model) != state(clone(model).fit(*rest)), "the forgotten row decided the bounds"
    declared = clone(model).set_params(columns=model.columns_, labels=model.classes_)
    assert state(model) == state(declared.fit(*rest))
    assert declared.guarantee_ == "exact"


def test_what_is_not_declared_is_read_off() -> None:
    x, y = table()
    model = classifier("ridge", columns=COLUMNS[1:]).fit(x, y)
    assert model.guarantee_.endswith("stays when they go: the bounds of 1 column")
    assert model.columns_[0] == {"name": "age", "kind": "numeric", "low": x["age"].min(), "high": 99.5}


def test_what_is_not_exact_says_so() -> None:
    x, y = table()
    model = classifier({"kind": "finetune", "base": MLP}).fit(x, y)
    assert model.guarantee_ == model.forget([5]).guarantee == "approximate"
    assert state(model) != state(clone(model).fit(x.drop(5), y.drop(5), ids=x.index.drop(5)))


def test_a_regression_forgets() -> None:
    x, _ = table()
    y = 3 * x.pop("age") + 100
    model = UnlearningRegressor(columns=COLUMNS[1:], target=(0, 500)).fit(x, y)
    before, kept = state(model), x.index.drop([89, 2])
    assert model.forget([89, 2]).guarantee == model.guarantee_ == "exact"
    without = clone(model).fit(x.loc[kept], y[kept], ids=kept)
    assert state(model) == state(without) != before
    assert model.predict(x).tobytes() == without.predict(x).tobytes()
    assert UnlearningRegressor(columns=COLUMNS[1:]).fit(x, y).guarantee_.endswith("when they go: the bounds of y")


@pytest.mark.parametrize("method", ["dare", "naive_bayes", "ridge"])
def test_what_is_added_is_as_if_it_had_always_been_there(method: str) -> None:
    x, y = table()
    model = classifier(EXACT[method]).fit(x[:60], y[:60])
    short = state(model)
    model.add(x[60:], y[60:], ids=x.index[60:])
    assert state(model) == state(clone(model).fit(x, y)) != short
    model.forget([89, 5])
    kept = x.index.drop([89, 5])
    assert state(model) == state(clone(model).fit(x.loc[kept], y[kept], ids=kept))
    with pytest.raises(UnlearningError, match="row 5 is or was held"):
        model.add(x[5:6], y[5:6], ids=[5])


def test_adding_is_there_only_where_sums_trees_or_slices_allow_it() -> None:
    able = {name for name, method in EXACT.items() if hasattr(classifier(method), "add")}
    assert able == {"dare", "naive_bayes", "ridge", "sisa"}
    assert hasattr(UnlearningRegressor(), "add")


def test_a_method_that_keeps_no_rows_is_asked_with_them() -> None:
    x, y = table()
    model = classifier("newton_statistics").fit(x, y)
    before = state(model)
    with pytest.raises(UnlearningError, match=r"forget: newton_statistics has kept none of the rows: give X and y beside their ids"):
        model.forget([3, 40])
    with pytest.raises(ValueError, match="inconsistent numbers of samples"):
        model.forget([3, 40], x.loc[[3]], y.loc[[3]])
    assert state(model) == before
    model.forget([40, 3], x.loc[[40, 3]], y.loc[[40, 3]])
    never = clone(model).set_params(method="convex").fit(x.drop([3, 40]), y.drop([3, 40]), ids=x.index.drop([3, 40]))
    whole = clone(never).fit(x, y)
    left, nothing = (np.abs(one.predict_proba(x) - never.predict_proba(x)).max() for one in (model, whole))
    assert 0 < left < nothing / 5


@pytest.mark.parametrize("ids", [[1.0], [True], ["3"], [1000], [4, 4], 4], ids=str)
def test_a_request_that_cannot_be_changes_nothing(ids: Any) -> None:
    x, y = table()
    model = classifier("ridge").fit(x, y)
    before = state(model)
    with pytest.raises(UnlearningError) as error:
        model.forget(ids)
    assert "\n" not in str(error.value)
    assert state(model) == before


@pytest.mark.parametrize("method", ["dare", "hedgecut", "ridge", "sisa"])
def test_no_forgotten_value_is_left_in_memory(method: str) -> None:
    x, y = table()
    model = classifier(EXACT[method]).fit(x, y)
    row = model.facts_.encoded(cells.read(model, x[89:], [one.kind for one in model.facts_.columns], reset=False))[0]
    innocent = clone(model).fit(x.drop(89), y.drop(89))
    assert traces(model, Secret.of(row), innocent), "it is there before"
    model.forget([89])
    model.unlearner_.settle()
    assert traces(model, Secret.of(row), innocent) == []
