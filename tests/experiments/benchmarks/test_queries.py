from __future__ import annotations

from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest

from clients.unlearning.approximate.queries import AdaptiveQueries
from experiments.benchmarks import queries


def test_each_granularity_gets_a_line(capsys: pytest.CaptureFixture[str]) -> None:
    queries.main(["--quick"])
    said = capsys.readouterr().out
    assert said.count("adaptive logistic") == said.count("adaptive svm") == said.count("adaptive network") == 3
    assert said.count("naive Bayes from sums") == 2
    assert "3,250" in said, "five gradients of 65 x 10 numbers"


def test_coarse_answers_cost_accuracy() -> None:
    coarse, fine = (
        queries.measure(AdaptiveQueries(tolerance=tolerance, iterations=20, refine=4), 0, None, 1).accuracy for tolerance in (0.1, 0.001)
    )
    assert coarse < fine - 0.03


def test_a_fit_and_a_deletion_are_charged_with_the_prediction_of_one_row_each(monkeypatch: pytest.MonkeyPatch) -> None:
    predicted = 0

    def predict(x: Any) -> Any:
        nonlocal predicted
        predicted += len(x)
        return np.ones((len(x), 10))

    model = SimpleNamespace(fit=lambda rows: None, forget=lambda rows: None, predict_proba=predict, sums={})
    monkeypatch.setattr(queries, "thread_time", lambda: predicted)
    spec: Any = SimpleNamespace(build=lambda *_: model)
    found = queries.measure(spec, 0, None, 2)
    assert (found.fit, found.deletion) == (1, 1)
