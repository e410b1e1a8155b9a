"""Settings that cannot fit memory or time are refused before anything is trained, in one line with the number."""

from __future__ import annotations

import re
from typing import Any

import numpy as np
import pytest

from clients.data.rows import Rows
from clients.iterations import MOST
from clients.models.mlp import Mlp
from clients.training import Training
from clients.unlearning import UNLEARNERS
from clients.unlearning.contract import Problem
from tests.clients.unlearning.test_contract import KINDS, case_of

BASE = Mlp(hidden=(8,)).model_dump()
HUGE = Mlp(hidden=(100_000, 100_000)).model_dump()

TOO_MUCH: list[tuple[str, dict[str, Any], dict[str, Any]]] = [
    ("convex", {}, {"shape": (3, 224, 224)}),
    ("convex", {"multiclass": "softmax"}, {"shape": (3, 32, 32), "classes": 100}),
    ("dare", {"cuts": 100_000}, {}),
    ("dare", {"trees": 10**9}, {}),
    ("dare", {"cuts": 10**30}, {}),
    ("hedgecut", {"nested": 3, "candidates": 30}, {}),
    ("hedgecut", {"trees": 10**8}, {}),
    ("sisa", {"base": HUGE}, {}),
    ("retrain", {"base": HUGE}, {}),
    ("finetune", {"base": HUGE}, {}),
    ("ridge", {}, {"shape": (3, 224, 224)}),
    ("pca", {}, {"shape": (3, 224, 224)}),
    ("naive_bayes", {}, {"shape": (3, 224, 224), "classes": 10_000}),
    ("item_item", {}, {"shape": (100_000,), "classes": 100_000}),
    ("quantised_kmeans", {"clusters": 10**10}, {}),
    ("grapheraser", {"shards": 10**12}, {}),
    ("receraser", {"dim": 10**7}, {}),
]


def rows(width: int) -> Rows:
    chance = np.random.default_rng(2)
    return Rows(np.arange(200), chance.random((200, width)).astype(np.float32), chance.integers(2, size=200))


@pytest.mark.parametrize(("kind", "settings", "problem"), TOO_MUCH)
def test_settings_that_cannot_fit_are_refused_with_the_number(kind: str, settings: dict[str, Any], problem: dict[str, Any]) -> None:
    spec = UNLEARNERS.load(kind).model_validate(settings)
    said = spec.check(Problem(**({"shape": (20,), "classes": 2} | problem)), rows(20))
    assert said
    assert re.search(r"takes [\d,.^]+ (GiB|steps) for 200 rows, more than", said), said
    assert "\n" not in said


def test_training_that_takes_days_is_refused_with_the_number_of_steps() -> None:
    many = Rows(np.arange(2_000), np.zeros((2_000, 20), np.float32), np.zeros(2_000, np.int64))
    longest = Training(epochs=MOST, batch_size=1)
    said = UNLEARNERS.load("retrain").model_validate({"base": BASE}).check(Problem((20,), 2, training=longest), many)
    assert re.search(r"takes [\d,.^]+ steps for 2000 rows, more than", str(said)), said


def test_the_case_of_many_cuts_names_what_it_asks_for() -> None:
    said = UNLEARNERS.load("dare").model_validate({"cuts": 100_000}).check(Problem((4,), 2), rows(4))
    assert said
    assert "cuts = 100000" in said
    assert "takes 38.1 GiB for 200 rows" in said


@pytest.mark.parametrize("kind", [kind for kind in KINDS if UNLEARNERS.load(kind).unit == "rows"])
def test_settings_that_fit_are_taken(kind: str) -> None:
    case = case_of(kind)
    assert case.spec.check(case.of.problem, case.of.data) is None


@pytest.mark.parametrize("kind", ["dare", "hedgecut", "naive_bayes"])
def test_large_tables_that_fit_are_taken(kind: str) -> None:
    spec = UNLEARNERS.load(kind).model_validate({})
    many = Rows(np.arange(50_000), np.zeros((50_000, 100), np.float32), np.zeros(50_000, np.int64))
    assert spec.check(Problem((100,), 2), many) is None


def test_a_bound_that_rows_break_is_said_before_training() -> None:
    data = rows(20)
    spec = UNLEARNERS.load("hedgecut").model_validate({})
    assert "lies outside the public range [0, 1]" in str(spec.check(Problem((20,), 2), Rows(data.ids, data.x + 10, data.y)))
