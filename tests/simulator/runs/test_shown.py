"""How scenarios, runs, peers and progress look in a notebook: short, and with nothing unescaped."""

from __future__ import annotations

import sys
from collections.abc import Callable
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from simulator.progress import Watch
from simulator.runner import prepare
from simulator.runs.run import Run
from simulator.runs.shown import counted, number
from simulator.scenarios.scenario import Scenario


def test_figures_of_audits_stand_with_their_number_of_cases_and_interval() -> None:
    again = {"rate_again": 0.5, "rate_low_again": 0.1, "rate_high_again": 0.9, "rate_rows_again": 2.0}
    found = {**again, "p": 0.25, "rate": None, "rate_rows": 2.0}
    assert counted("rate", "rate_rows", found, number, of=True, suffix="_again") == "0.5 of 2 (0.1 to 0.9)"
    assert counted("rate", "rate_rows", found, number, of=False, suffix="_again") == "0.5 (0.1 to 0.9), n = 2"
    assert counted("p", "rate_rows", found, number, of=False) == "0.25, n = 2", "a figure without an interval"
    assert counted("p", None, found, number, of=True) == "0.25"
    assert counted("rate", "rate_rows", found, number, of=True) == "not measured"


def test_peers_show_one_line(finished: Run) -> None:
    peers = finished.peers()
    assert repr(peers[0]).startswith("<peer 0: mlp (hidden 16), ")
    assert "seeds of" in repr(peers[0])
    assert max(len(repr(peer)) for peer in peers.values()) < 200
    assert len(repr(peers[0].update)) < 200
    assert "<" not in peers[0]._repr_html_().removeprefix("<code>").removesuffix("</code>")  # type: ignore[attr-defined]


def test_runs_show_what_was_measured_and_forgotten(finished: Run) -> None:
    shown = finished._repr_html_()
    assert shown.count("<tr>") == 1 + 2 + 1 + len(finished.results["erasures"])
    assert "drop_seed" in shown
    assert finished.digest[:16] in shown


def test_a_run_that_is_not_finished_says_how_it_goes_on(scenario: Callable[..., Scenario], tmp_path: Path) -> None:
    shown = Run(prepare(scenario(), tmp_path))._repr_html_()
    assert "the run is not finished" in shown
    assert "lethe resume" in shown


def test_scenarios_show_their_file(finished: Run) -> None:
    assert "name = &quot;small&quot;" in finished.plan.scenario._repr_html_()
    assert Scenario.parse(finished.plan.scenario.to_toml()) == finished.plan.scenario


@pytest.fixture
def lines(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """Stand in for IPython in a notebook; return what its one line has said."""
    said: list[str] = []
    handle = SimpleNamespace(update=lambda data, raw: said.append(data["text/plain"]))
    display: Any = SimpleNamespace(display=lambda data, raw, display_id: handle)
    shell: Any = SimpleNamespace(get_ipython=lambda: SimpleNamespace(kernel=object()), display=display)
    monkeypatch.setitem(sys.modules, "IPython", shell)
    monkeypatch.setitem(sys.modules, "IPython.display", display)
    return said


def test_progress_in_a_notebook_is_one_line_that_changes(lines: list[str], capsys: pytest.CaptureFixture[str]) -> None:
    with Watch() as watch:
        watch.stage("small", 1, 0)(None)
    assert lines == ["small: final evaluation"]
    assert capsys.readouterr().err == ""


def test_progress_outside_of_notebooks_goes_to_standard_error(capsys: pytest.CaptureFixture[str]) -> None:
    with Watch() as watch:
        watch.stage("small", 1, 0)(None)
    assert capsys.readouterr().err == "small: final evaluation\n"
