"""Progress where there is no terminal: a line now and then, and none for what is soon done."""

from __future__ import annotations

import pytest

from simulator.checkpoints import progress


def said(capsys: pytest.CaptureFixture[str]) -> str:
    with progress.Bars() as bars:
        step = bars.stage("looking for zeros", 16)
        step(1)
        step(2)
    return capsys.readouterr().err


def test_a_log_is_told_how_far_long_work_is(capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(progress, "EVERY", float("inf"))
    assert said(capsys) == ""
    monkeypatch.setattr(progress, "EVERY", 0.0)
    assert said(capsys) == "looking for zeros: 1 of 16\nlooking for zeros: 3 of 16\n"
