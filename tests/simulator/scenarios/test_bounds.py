"""Scenarios that would hang, fill the memory or end in a traceback are one line with the cure."""

from __future__ import annotations

import json
import os
import shutil
import sqlite3
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from server.topology import TOPOLOGIES, TopologyError, draw
from simulator.errors import LetheError, StoppedError, one_line
from simulator.runs.directory import read_plan
from simulator.runs.run import Run
from simulator.scenarios import bounds
from simulator.scenarios.resolution import resolve
from simulator.scenarios.scenario import Scenario
from simulator.tasks.schema import schema

DEPARTURES = Path(__file__).parents[3] / "experiments" / "scenarios" / "departures.toml"
PLAIN = ("peers.main=[{kind = 'mlp'}]", "event=[]", "expect=[]")
CHURN = "churn = {kind = 'trace', path = '/dev/zero'}"


def refused(*settings: str) -> str:
    """Return the one line with which the scenario with these changes is answered."""
    with pytest.raises(LetheError) as error:
        resolve(Scenario.load(DEPARTURES, settings))
    assert "\n" not in str(error.value)
    return str(error.value)


@pytest.mark.parametrize(
    ("settings", "words"),
    [
        (("rounds=100000",), "rounds: is 100000: write a number of at most 10000"),
        (("peers.count=2000000",), "peers.count: is 2000000: write a number of at most 100000"),
        (("peers.count=100000", "rounds=1000", "peers.groups={}"), "100000 peers x 1000 rounds are more than 2000000"),
        (("training.epochs=1000000000",), "training.epochs: is 1000000000: write a number of at most 1000000"),
        (("training.epochs=1000000", "rounds=1000", *PLAIN), "training of peer 5 takes 6,000,000,000 steps for 174 rows, more than 1,"),
        (("seed=" + "9" * 30,), "seed: is a whole number of 100 bits"),
        (("seed=" + "9" * 5000,), "too many digits or brackets"),
        (("seed=0x" + "f" * 5000,), "seed: is a whole number of 20000 bits"),
        (("x=" + "[" * 5000 + "]" * 5000,), "too many digits or brackets"),
        ((f"{'a.' * 5000}b=1",), "more than 32 tables deep"),
        (("task=[]",), "task = [] is unknown"),
        (("task={}",), "task = {} is unknown"),
        (("federation.kind=[]",), "federation.kind = [] is unknown"),
        (("data.partition={kind='dirichlet', alpha=1e308}",), "data.partition.alpha: is 1e+308: write a number of at most 1000000"),
        (("topology={kind='file', path='/dev/zero'}",), "topology.path: /dev/zero is no regular file"),
        ((CHURN,), "churn.path: /dev/zero is no regular file"),
        (("topology={kind='file', path=\"a\\u0000b\"}",), "cannot be a path"),
        (("topology={kind='file', path='" + "a" * 5000 + "'}",), "cannot be a path"),
        (("topology={kind='file', path='~nobody-is-called-so/x'}",), "starts with the home of a user who is not here"),
        (("topology={kind='file', path='/etc/passwd'}",), "line 1 is no pair of peers"),
        (("peers.main.²=1",), "'²' is none of them"),
        (("peers.main." + "9" * 5000 + "=1",), "is none of them"),
    ],
)
def test_what_would_hang_or_break_is_one_line(settings: tuple[str, ...], words: str) -> None:
    line = refused(*settings)
    assert words in line
    assert len(line) < 600


DEEP = {"in brackets": f"x = {'[' * 5000}{']' * 5000}", "in tables": f"[{'.'.join('a' * 5000)}]", "a little": f"x = {'[' * 40}{']' * 40}"}


@pytest.mark.parametrize("text", DEEP.values(), ids=list(DEEP))
def test_deep_nesting_is_one_line(text: str, tmp_path: Path) -> None:
    (tmp_path / "deep.toml").write_text(f"{DEPARTURES.read_text()}\n[extra]\n{text}\n")
    with pytest.raises(LetheError, match="more than 32 deep in one another: shorten them") as error:
        Scenario.load(tmp_path / "deep.toml")
    assert len(str(error.value)) < 400
    with pytest.raises(LetheError, match="more than 32 deep"):
        Scenario.parse({"rounds": _nested(5000)})


def _nested(depth: int) -> Any:
    nested: Any = 0
    for _ in range(depth):
        nested = [nested]
    return nested


def test_a_circle_is_one_line() -> None:
    circle: dict[str, Any] = {}
    circle["peers"] = circle
    with pytest.raises(LetheError, match="more than 32 deep"):
        Scenario.parse(circle)


def test_long_numbers_in_a_file_are_one_line(tmp_path: Path) -> None:
    (tmp_path / "long.toml").write_text(f"seed = {'9' * 5000}\n")
    with pytest.raises(LetheError, match="is not TOML"):
        Scenario.load(tmp_path / "long.toml")
    with pytest.raises(LetheError, match="is a whole number of 16610 bits"):
        Scenario.parse({"seed": 10**5000})


def test_a_setting_is_one_value() -> None:
    assert refused("rounds=3\nseed = 5").endswith(r"rounds: is '3\nseed = 5': write a whole number")


def test_control_characters_do_not_reach_the_terminal() -> None:
    line = refused('"a\nb\x1b[2J"=1')
    assert line.isprintable()
    assert one_line("a\nb\x1b") == "a\\nb\\x1b"
    assert one_line("東京 ä") == "東京 ä"


@pytest.mark.parametrize("file", ["/dev/zero", "/dev/null", "."])
def test_a_scenario_is_a_regular_file(file: str) -> None:
    with pytest.raises(LetheError, match="is no regular file: give the path of a scenario file"):
        Scenario.load(file)


def test_a_pipe_that_nobody_fills_is_no_scenario(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "pipe")
    with pytest.raises(LetheError, match="is no regular file"):
        Scenario.load(tmp_path / "pipe")
    line = refused(f"topology={{kind='file', path='{tmp_path / 'pipe'}'}}")
    assert "is no regular file" in line


def test_a_scenario_has_a_size(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(bounds, "BYTES", 100)
    (tmp_path / "large.toml").write_text("#" * 101)
    with pytest.raises(LetheError, match="has 101 bytes, a scenario at most 100"):
        Scenario.load(tmp_path / "large.toml")


@pytest.mark.parametrize("what", ["scenario", "graph", "graph.graphml"])
def test_no_line_of_an_unrelated_file_is_quoted(what: str, tmp_path: Path) -> None:
    secret = tmp_path / what
    secret.write_text('<graphml><graph><node id="hunter2"/></graph></graphml>' if "." in what else "password hunter2\nuser hunter2 7\n")
    with pytest.raises(LetheError) as error:
        resolve(Scenario.load(secret if what == "scenario" else DEPARTURES, () if what == "scenario" else [_graph(secret)]))
    assert "hunter2" not in str(error.value)
    assert str(secret) in str(error.value)


def _graph(path: Path) -> str:
    return f"topology={{kind='file', path='{path}'}}"


@pytest.mark.parametrize("content", ["null", "[]", "{}", '{"scenario": null}', '{"scenario": {"task": []}}', "[" * 100_000, "9" * 5000])
def test_a_plan_that_is_none_is_one_line(content: str, finished: Run, tmp_path: Path) -> None:
    folder = shutil.copytree(finished.folder, tmp_path / "run")
    (folder / "plan.json").write_text(content)
    with pytest.raises(LetheError) as error:
        read_plan(folder)
    assert "\n" not in str(error.value)


@pytest.mark.parametrize("name", ["what?", "a#b", "100%25", "a b?mode=rwc#c%20d"])
def test_paths_with_marks_of_addresses_work_and_make_no_other_file(name: str, finished: Run, tmp_path: Path) -> None:
    folder = shutil.copytree(finished.folder, tmp_path / name / "run")
    before = sorted(tmp_path.rglob("*"))
    run = Run(folder)
    assert len(run.metrics) == len(finished.metrics)
    assert run.digest == finished.digest
    assert sorted(tmp_path.rglob("*")) == before


def test_a_run_that_cannot_be_opened_is_not_made(tmp_path: Path, finished: Run) -> None:
    run = Run(shutil.copytree(finished.folder, tmp_path / "run"))
    (run.folder / "run.sqlite").unlink()
    with pytest.raises(sqlite3.OperationalError):
        _ = run.metrics
    assert not (run.folder / "run.sqlite").exists()


@pytest.mark.parametrize("kind", ["complete", "erdos_renyi"])
def test_a_graph_of_too_many_pairs_is_refused_before_it_is_drawn(kind: str) -> None:
    spec = TOPOLOGIES.load(kind)(kind=kind)  # type: ignore[call-arg]
    with pytest.raises(TopologyError, match="take fewer peers or another kind"):
        draw(spec, 100_000, 0)


def test_bounds_stand_in_the_schema() -> None:
    text = json.dumps(schema())
    for words in ("A number of rounds, 1 to 10000.", "A number of peers, 1 to 100000.", '"maximum": 10000'):
        assert words in text


def endless(made: dict[str, Any]) -> set[str]:
    keys = ((name, key, place) for name, table in made["$defs"].items() for key, place in table.get("properties", {}).items())
    loops = ((name, key, place) for name, key, place in keys if key.endswith(("epochs", "steps", "iterations", "batches", "repeats")))
    return {f"{name}.{key}" for name, key, place in loops if place.get("type") == "integer" and "maximum" not in place}


def test_every_number_of_iterations_is_bounded() -> None:
    made = schema()
    assert endless(made) == set()
    del made["$defs"]["Training"]["properties"]["epochs"]["maximum"]
    assert endless(made) == {"Training.epochs"}, "the control"


def test_a_cluster_out_of_reach_can_be_taken_up_again(
    scenario: Callable[..., Scenario], tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    from simulator import cli
    from simulator.engines.inline import Inline
    from simulator.runner import prepare

    def play(*_: object) -> None:
        raise StoppedError("engine inline: out of reach")

    folder = prepare(scenario(rounds=1), tmp_path)
    monkeypatch.setattr("sys.argv", ["lethe", "resume", str(folder)])
    with monkeypatch.context() as patched:
        patched.setattr(Inline, "play", play)
        with pytest.raises(SystemExit) as stopped:
            cli.main()
    assert stopped.value.code == 3
    said = capsys.readouterr().err
    assert said == f"lethe: engine inline: out of reach; nothing committed is lost: lethe resume {folder}\n"
