"""A run that a fresh process was to finish: how that process ended decides what is said."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from simulator.errors import LetheError, StoppedError
from simulator.fresh import resume_at
from simulator.runner import prepare, resume
from simulator.scenarios.scenario import Scenario

Stand = Callable[[str], None]


@pytest.mark.parametrize(
    ("script", "error", "said"),
    [
        ("echo 'round 1 of 2' >&2; kill -9 $$", StoppedError, "f: the process with compute.level = 'avx2' ended with -9"),
        ("echo 'lethe: disk full; nothing committed is lost: lethe resume f' >&2; exit 3", StoppedError, "disk full"),
        ("echo 'lethe: f: the data have changed' >&2; exit 2", LetheError, "f: the data have changed"),
    ],
)
def test_what_stops_the_process_is_told(stand_in: Stand, script: str, error: type[LetheError], said: str) -> None:
    stand_in(script)
    with pytest.raises(LetheError) as caught:
        resume_at("avx2", Path("f"))
    assert type(caught.value) is error
    assert str(caught.value) == said


def test_a_process_that_ends_before_the_run_does_not_finish_it(
    stand_in: Stand, scenario: Callable[..., Scenario], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder = prepare(scenario(compute={"level": "avx2"}), tmp_path / "runs")
    monkeypatch.setattr("simulator.runner.in_force", lambda level: False)
    monkeypatch.setattr("simulator.runner.unsupported", lambda level: None)
    stand_in("echo Traceback >&2; exit 1")
    with pytest.raises(StoppedError, match=r"ended before the run did; nothing committed is lost: lethe resume"):
        resume(folder)
