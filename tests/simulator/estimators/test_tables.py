"""What estimators take and refuse: data frames with categories, facts, labels, settings."""

from __future__ import annotations

import re
import subprocess
import sys
from typing import Any

import numpy as np
import pandas as pd
import pytest
from sklearn.exceptions import NotFittedError
from sklearn.model_selection import cross_val_score

from simulator import UnlearningClassifier, UnlearningRegressor

X = pd.DataFrame({"size": [1.0, 2, 3, 4, 5, 6, 7, 8], "colour": list("rgrgrgrb"), "round": [True, False] * 4})
Y = np.array(["no", "yes"] * 4)


def test_categories_names_and_classes_are_kept() -> None:
    model = UnlearningClassifier("ridge").fit(X, Y)
    assert model.feature_names_in_.tolist() == ["size", "colour", "round"]
    assert model.classes_.tolist() == ["no", "yes"]
    assert model.columns_[1] == {"name": "colour", "kind": "categorical", "categories": ("b", "g", "r", "other")}
    assert model.columns_[2]["categories"] == ("False", "True", "other")
    assert model.predict(X).tolist() == Y.tolist()
    assert model.predict_proba(X).sum(axis=1) == pytest.approx(1)
    assert cross_val_score(UnlearningClassifier("naive_bayes", columns=model.columns_), X, Y, cv=2).mean() > 0.5


def test_a_category_is_no_number() -> None:
    renamed = X.assign(colour=X["colour"].map({"r": "b", "g": "r", "b": "g"}))  # other codes, the same table
    first, second = (UnlearningClassifier("ridge").fit(table, Y).predict_proba(table) for table in (X, renamed))
    assert first == pytest.approx(second)


def test_values_beyond_the_facts_count_as_the_bound_or_as_other() -> None:
    model = UnlearningClassifier("ridge").fit(X, Y)
    asked = X[:2].assign(size=[1e9, -5.0], colour=["violet", "other"])
    meant = X[:2].assign(size=[8.0, 1.0], colour=["other", "other"])
    assert model.predict_proba(asked).tobytes() == model.predict_proba(meant).tobytes()
    narrow = UnlearningClassifier("ridge", columns=[{"name": "size", "low": 0, "high": 5}, {"name": "colour", "categories": ["r", "g"]}])
    with pytest.warns(UserWarning, match=r"size \(3\), colour \(1\)"):
        narrow.fit(X, Y)


def test_arrays_take_facts_by_position() -> None:
    numbers = np.array([[3.0, 1], [5, 2], [4, 1], [9, 2]])
    columns = [{"name": "a", "low": 0, "high": 10}, {"name": "b", "categories": [1, 2]}]
    model = UnlearningClassifier("ridge", columns=columns, labels=[0, 1, 2]).fit(numbers, [0, 1, 0, 1])
    assert model.guarantee_ == "exact"
    assert model.predict(numbers).tolist() == [0, 1, 0, 1]
    assert model.predict_proba(numbers).shape == (4, 3)


def test_ids_may_come_in_any_order() -> None:
    order = [3, 1, 0, 2, 7, 5, 4, 6]
    first = UnlearningClassifier("dare").fit(X, Y)
    second = UnlearningClassifier("dare").fit(X.iloc[order], Y[order], ids=order)
    assert first.predict_proba(X).tobytes() == second.predict_proba(X).tobytes()


REFUSED: dict[str, tuple[Any, Any, str]] = {
    "an unknown method": (UnlearningClassifier("dair"), X, "did you mean dare"),
    "a method without its base": (UnlearningClassifier("sisa"), X, "method.base: is missing"),
    "a method of graphs": (UnlearningClassifier("grapheraser"), X, "grapheraser does not classify rows: take a model or one of"),
    "a method that classifies nothing": (UnlearningClassifier("pca"), X, "pca does not classify rows"),
    "a setting of the wrong kind": (UnlearningClassifier({"kind": "dare", "trees": "many"}), X, "method.trees: is 'many'"),
    "no key": (UnlearningClassifier(random_state=None), X, "random_state: is None"),
    "a column that is not there": (UnlearningClassifier(columns=[{"name": "sise", "low": 0, "high": 1}]), X, "'sise' is no column of X"),
    "a column twice": (UnlearningClassifier(columns=[{"name": "size", "low": 0}] * 2), X, "names a column twice"),
    "bounds the wrong way round": (UnlearningClassifier(columns=[{"name": "size", "low": 9, "high": 1}]), X, "low = 9 lies above high = 1"),
    "too few columns of an array": (UnlearningClassifier(columns=[{"name": "a"}]), np.zeros((8, 2)), "1 are described, X has 2"),
    "text among numbers": (UnlearningClassifier(), X.assign(size=[1, "x", *range(6)]), "column size holds text and, in row 0, 1"),
    "a missing category": (UnlearningClassifier(), X.assign(colour=[None, *"grgrgrb"]), "row 0, column colour holds no value"),
    "a missing number": (UnlearningClassifier(), X.assign(size=[np.nan, *range(7)]), "column size"),
    "two columns of one name": (UnlearningClassifier(), X.set_axis(["a", "a", "b"], axis=1), "2 columns are called 'a'"),
    "a class that is not declared": (UnlearningClassifier(labels=["no", "maybe"]), X, "row 1: 'yes' is none of the classes"),
    "more than fits": (UnlearningClassifier({"kind": "dare", "cuts": 10**9}), X, "more than the 8 GiB"),
    "a classifier as a regression": (UnlearningRegressor("dare"), X, "dare predicts no numbers: take one of ridge"),
    "targets beyond their bounds": (UnlearningRegressor(target=(0, 1)), X, "row 2: 2.0 lies outside the bounds"),
    "bounds that are none": (UnlearningRegressor(target=(1, 1)), X, "is no range"),
}


@pytest.mark.parametrize(("model", "table", "words"), REFUSED.values(), ids=REFUSED)
def test_what_cannot_be_is_refused_in_one_line(model: Any, table: Any, words: str) -> None:
    y = np.arange(8) if isinstance(model, UnlearningRegressor) else Y
    with pytest.raises(ValueError, match=re.escape(words)) as error:
        model.fit(table, y)
    assert "\n" not in str(error.value)
    with pytest.raises(NotFittedError):
        model.predict(table)


@pytest.mark.parametrize("y", [["no", None] * 4, ["no", np.nan] * 4, pd.Series([pd.NA, "no"] * 4, dtype="string")], ids=str)
def test_a_missing_label_is_no_class(y: Any) -> None:
    with pytest.raises(ValueError, match=r"y: row [01] has no label"):
        UnlearningClassifier("ridge").fit(X, y)


def test_a_fit_that_fails_leaves_no_model_of_other_rows() -> None:
    model = UnlearningClassifier("ridge").fit(X, Y)
    with pytest.raises(ValueError, match="one class"):
        model.fit(X, ["no"] * 8)
    with pytest.raises(NotFittedError):
        model.forget([0])


def test_the_package_stays_light() -> None:
    code = (
        "import sys, simulator\n"
        "heavy = {'torch', 'sklearn', 'numba', 'pandas'}\n"
        "assert not heavy & set(sys.modules)\n"
        "from simulator import UnlearningClassifier\n"
        "assert not {'torch', 'numba'} & set(sys.modules)\n"
    )
    subprocess.run([sys.executable, "-c", code], check=True)
