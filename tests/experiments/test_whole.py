"""The whole story, shortened: exact departures and deletions over the release too, one digest on every engine, killed at any instant."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from simulator.runner import run
from simulator.runs.verify import verify
from simulator.scenarios.scenario import Scenario

FILE = Path(__file__).resolve().parents[2] / "experiments" / "scenarios" / "whole.toml"
FEW = [
    "federation.steps=4",
    "federation.distillation.steps=3",
    "denoising.backbone_steps=12",
    "revival.target=4",
    "revival.others=1",
]
KILLS, A_TRY = 30, 6
"""Kills in all, and of one run, which then goes on to its end: an audit that takes longer than it is let live is begun again each time."""


@pytest.fixture(autouse=True)
def own_cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("LETHE_CACHE", str(tmp_path / "cache"))


@pytest.mark.slow
@pytest.mark.timeout(3600)
def test_it_is_the_same_on_every_engine_and_proven(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    inline = run(Scenario.load(FILE, [*FEW, "engine.kind='inline'"]), tmp_path / "inline")
    rows = inline.results["erasures"]
    assert [(row["kind"], row["guarantee"], row["max_abs_difference"]) for row in rows] == [("peer", "exact", 0.0), ("rows", "exact", 0.0)]
    assert all(row["max_abs_difference_nothing"] > 0 for row in rows), "the control: doing nothing is noticed"
    assert {one["adversary"] for one in inline.results["revivals"]} == {"zero_scan", "adaptive", "mask_oracle"}
    assert inline.results["not_played"] == []
    assert verify(inline.folder) == []
    for engine in ("kind='ray', workers=1", "kind='ray', workers=2", "kind='grpc'", "kind='flower'"):
        monkeypatch.setenv("LETHE_CACHE", str(tmp_path / engine))  # or the engine would only copy what inline computed
        assert run(Scenario.load(FILE, [*FEW, f"engine={{{engine}}}"]), tmp_path / "other").digest == inline.digest, engine


@pytest.mark.slow
@pytest.mark.timeout(3600)
def test_killed_at_thirty_instants_it_ends_alike(tmp_path: Path) -> None:
    undisturbed = run(Scenario.load(FILE, FEW), tmp_path / "undisturbed").digest
    rng, killed, tried = np.random.default_rng(0), 0, 0
    while killed < KILLS:
        out, left = tmp_path / f"try-{tried}", A_TRY
        tried += 1
        while not (finished := list(out.glob("*/results.json"))):
            stopped = _stopped(_command(out), float(rng.uniform(4, 25)) if left else None)
            killed, left = killed + stopped, left - stopped
        assert json.loads(finished[0].read_text())["digest"] == undisturbed


def _command(out: Path) -> list[str]:
    """Return what starts the run, or takes it up where a killed one left it."""
    begun = [path.parent for path in out.glob("*/run.sqlite")]
    first = ["run", str(FILE), "--out", str(out), *(part for one in FEW for part in ("--set", one))]
    return [sys.executable, "-m", "simulator.cli", *(["resume", str(begun[0])] if begun else first)]


def _stopped(command: list[str], after: float | None) -> int:
    """Kill a command and all its children after some seconds, if any are given; return whether it was still at work."""
    with subprocess.Popen(command, start_new_session=True, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True) as process:
        try:
            _, said = process.communicate(timeout=after)
        except subprocess.TimeoutExpired:
            os.killpg(process.pid, signal.SIGKILL)
            process.communicate()
            return 1
    assert process.returncode in (0, 1), said  # 1: so short a training misses what the scenario expects
    return 0
