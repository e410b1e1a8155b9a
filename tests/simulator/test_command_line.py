"""What the command line says of itself: help, suggestions, version, completion of shells."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from collections.abc import Callable
from importlib.metadata import version
from pathlib import Path
from typing import Any

import pytest
from typer.testing import CliRunner

from simulator.cli import app
from simulator.scenarios.scenario import Scenario

ROOT = Path(__file__).resolve().parents[2]
DEPARTURES = ROOT / "experiments" / "scenarios" / "departures.toml"


def said(*arguments: str) -> str:
    done = CliRunner().invoke(app, arguments, env={"COLUMNS": "120", "TERM": "dumb"})
    return " ".join(done.output.split())


@pytest.mark.parametrize(
    ("command", "words"),
    [("run", "Scenario file (TOML)."), ("verify", "Run directory, as `lethe run` prints it last."), ("prune", "Local folder in diffusers")],
)
def test_arguments_are_explained(command: str, words: str) -> None:
    assert words in said(command, "--help")


def test_help_says_every_word_of_what_a_command_does() -> None:
    for command in app.registered_commands:
        assert command.callback
        told = " ".join((command.callback.__doc__ or "").split())
        assert told in said(command.name or command.callback.__name__, "--help")


def test_a_mistyped_command_is_answered_once() -> None:
    assert said("chekc").count("Did you mean 'check'?") == 1


def test_a_mistyped_option_is_answered_once() -> None:
    assert said("run", "x.toml", "--enigne", "ray").count("Did you mean '--engine'?") == 1


@pytest.mark.parametrize(("sent", "word"), [(signal.SIGINT, "interrupted"), (signal.SIGTERM, "terminated")])
def test_a_command_that_plays_nothing_says_by_what_it_was_ended(
    lethe: Callable[..., Any], sent: signal.Signals, word: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    before = signal.signal(signal.SIGINT, signal.default_int_handler)  # a job in the background ignores it
    monkeypatch.setattr("simulator.terminal.methods.table", lambda: signal.raise_signal(sent))
    try:
        assert lethe("methods") == (128 + sent, "", f"lethe: {word}: give the command again\n")
    finally:
        signal.signal(signal.SIGINT, before)


def test_the_version_is_that_of_the_distribution() -> None:
    assert said("--version") == f"lethe {version('lethe-federated')}"


def test_shells_complete_commands() -> None:
    told = {"_LETHE_COMPLETE": "complete_bash", "COMP_WORDS": "lethe sch", "COMP_CWORD": "1", "PYTHONPATH": str(ROOT)}
    code = "import sys, simulator.cli as c; sys.argv = ['lethe']; c.main()"
    done = subprocess.run([sys.executable, "-c", code], env=os.environ | told, capture_output=True, text=True, check=False)
    assert done.stdout.split() == ["schema"], done.stderr


@pytest.mark.parametrize("key", ["engine.workers=2", "engine.gpus_per_worker=0.0"])
def test_a_setting_of_a_table_that_is_not_there_means_its_usual_kind(key: str) -> None:
    raw = Scenario.load(DEPARTURES).model_dump(mode="json")
    del raw["engine"]
    assert Scenario.parse(raw, [key]).engine.tag == "inline"


@pytest.mark.parametrize(
    ("key", "table", "kind"),
    [
        ("judge.C=3.0", "judge", "svm"),
        ("federation.policy.budget=0.5", "federation", "mean"),
        ("event.0.method.share=0.2", "event", "concept_prune"),
    ],
)
def test_settings_of_denoisers_mean_the_usual_kind_too(key: str, table: str, kind: str) -> None:
    raw = Scenario.load(DEPARTURES.with_name("revival.toml")).model_dump(mode="json")
    del raw["judge"], raw["federation"]["policy"], raw["event"][0]["method"]
    scenario = Scenario.parse(raw, [key]).model_dump()
    found = {"judge": scenario["judge"], "federation": scenario["federation"]["policy"], "event": scenario["event"][0]["method"]}
    assert found[table]["kind"] == kind
