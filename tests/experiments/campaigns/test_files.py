"""The campaign of damaged files: it runs, and it would find what it looks for."""

from __future__ import annotations

import signal
import time
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from experiments.campaigns import files
from experiments.campaigns.samples import SAMPLES


@pytest.mark.parametrize("kind", list(SAMPLES))
def test_the_good_files_are_read_whole(tmp_path: Path, kind: str) -> None:
    sample = SAMPLES[kind]
    sample.write(tmp_path, np.random.default_rng(0))
    (tmp_path / "s.toml").write_text(sample.scenario())
    outcome = files.look(tmp_path)
    assert outcome.what == "read", outcome.detail
    assert outcome.rows == (sample.rows(tmp_path) or outcome.rows) > 20


def test_a_few_damaged_files_come_to_no_bad_end(capsys: pytest.CaptureFixture[str]) -> None:
    assert files.run(28, 5, 20.0, list(SAMPLES), None) == 0
    assert "28 files in" in capsys.readouterr().out


def test_signals_and_hangs_are_told_and_survived() -> None:
    worker = files.Worker(30.0, signal.raise_signal)
    assert worker.look(signal.SIGSEGV).what == "signal"  # type: ignore[arg-type]
    assert worker.look(signal.SIGKILL).what == "signal"  # type: ignore[arg-type]
    worker.close()
    worker = files.Worker(0.5, time.sleep)
    assert worker.look(3600).what == "hang"  # type: ignore[arg-type]
    worker.close()


def test_tracebacks_and_lost_rows_are_told(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    monkeypatch.setattr("simulator.scenarios.resolution.resolve", lambda scenario: 1 / 0)
    SAMPLES["npz"].write(tmp_path, np.random.default_rng(0))
    (tmp_path / "s.toml").write_text(SAMPLES["npz"].scenario())
    assert files.look(tmp_path).what == "traceback"
    monkeypatch.undo()
    monkeypatch.setitem(SAMPLES, "edge list", replace(SAMPLES["edge list"], rows=lambda folder: 61))
    assert files.run(8, 1, 20.0, ["edge list"], tmp_path / "kept") > 0
    assert "silent change: read 60 rows where 61 are" in capsys.readouterr().out
    assert list((tmp_path / "kept").iterdir())
