"""A benchmark whose bar is not met ends with status 1, after all that it has to say."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from clients.data.rows import Rows
from clients.unlearning.contract import Problem
from experiments.bars import status
from experiments.benchmarks import engines, forests, ridge


@pytest.mark.parametrize(("met", "said", "wanted"), [([True, True], "bars met: 2 of 2\n", 0), ([True, False], "bars met: 1 of 2\n", 1)])
def test_one_bar_that_is_not_met_is_the_status(met: list[bool], said: str, wanted: int, capsys: pytest.CaptureFixture[str]) -> None:
    assert status(met) == wanted
    assert capsys.readouterr().out == said


@pytest.mark.parametrize(
    ("slower", "error", "same", "met"), [(1.0, 0.0, True, 3), (9.0, 0.0, True, 2), (1.0, 1e-9, True, 2), (1.0, 0.0, False, 2)]
)
def test_ridge_is_fast_near_and_equal(
    slower: float, error: float, same: bool, met: int, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(ridge, "benchmark", lambda *_, **__: ridge.Result(1.0, [2.0], [1e-3 * slower], error, same))
    assert ridge.main([]) == (met < 3)
    assert f"bars met: {met} of 3\n" in capsys.readouterr().out


@pytest.mark.parametrize("same", [True, False])
def test_weights_of_engines_are_equal(same: bool, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    monkeypatch.setattr(engines, "measured_apart", lambda name, *_: engines.Measured([1.0], 1.0, 1.0, "one" if same else name))
    monkeypatch.setattr(engines, "calibrate", lambda work: 1)
    assert engines.main(["--quick"]) == (not same)
    assert ("NOT EQUAL" in capsys.readouterr().out) == (not same)


@pytest.mark.parametrize("same", [True, False])
def test_forests_equal_their_refits(
    same: bool, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    rows = Rows(np.arange(8), np.arange(8, dtype=np.float32)[:, None], np.arange(8) % 2)
    monkeypatch.setattr(forests, "shoppers", lambda path: (rows, rows, Problem((1,), 2)))
    monkeypatch.setattr(forests, "measure", lambda *_: [same, True])
    (tmp_path / "table.csv").touch()
    assert forests.main(["--data", str(tmp_path / "table.csv")]) == (not same)
    assert capsys.readouterr().out.endswith(f"bars met: {len(forests.ENTRIES) * (1 + same)} of {2 * len(forests.ENTRIES)}\n")
    entry = forests.Entry("", forests.HEDGECUT, 1, 0.3, 300, 0.9)
    assert [met for _, met in forests.verdict(entry, 2e-4, 299, 0.95, 0.0)] == [True, False, True]
