"""The machine is part of the claim: what it computes with is written down, a resume elsewhere is refused, and a level can be pinned."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from clients import machine
from simulator import LetheError, Scenario, levels, resume, run
from simulator.engines.alike import refuse_unlike
from simulator.errors import ScenarioError, StoppedError
from simulator.progress import Watch
from simulator.runner import prepare
from simulator.runs.run import Run
from simulator.storage.machines import KEY, read
from simulator.storage.store import RunStore

TINY: dict[str, Any] = {
    "name": "tiny",
    "rounds": 2,
    "data": {"dataset": "digits", "rows": 120, "reference": 20, "test": 20, "partition": {"kind": "iid"}},
    "peers": {"count": 2, "main": [{"kind": "mlp", "hidden": [32]}], "seed": {"kind": "linear"}},
    "training": {"epochs": 3},
    "distillation": {"epochs": 1},
    "topology": {"kind": "complete"},
    "audit": {"counterfactual": False, "membership_inference": False, "relearn": False},
}
HERE = sorted(name for name in ("default", "avx2", "avx512") if levels.unsupported(name) is None)
two_levels = pytest.mark.skipif("avx2" not in HERE, reason="needs a processor with AVX2")


@pytest.fixture
def small(scenario: Callable[..., Scenario]) -> Callable[..., Scenario]:
    return lambda **changes: scenario(**TINY | changes)


def lethe(*arguments: object, **environment: str) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-m", "simulator.cli", *map(str, arguments)]
    return subprocess.run(command, capture_output=True, text=True, check=False, env={**os.environ, **environment})


def facts_at(level: Any) -> dict[str, Any]:
    code = "from clients import machine; print(machine.told())"
    environment = {**os.environ, **levels.environment(level)}
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True, env=environment)
    return dict(json.loads(done.stdout))


@pytest.mark.slow
@two_levels
def test_a_pinned_level_gives_one_digest_whatever_the_environment_says(
    small: Callable[..., Scenario], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    pinned = small(compute={"level": "avx2"})
    path = tmp_path / "tiny.toml"
    path.write_text(pinned.to_toml())
    done = lethe("run", path, "--out", tmp_path / "runs", ATEN_CPU_CAPABILITY="default")
    assert done.returncode == 0, done.stderr
    monkeypatch.setenv("ATEN_CPU_CAPABILITY", "avx2")
    played = [Run(done.stdout.splitlines()[-1]), run(pinned, tmp_path / "runs")]  # from Python, a process of its own plays it
    for one in played:
        told = one.results["machine"]
        assert (told["level"], told["driver"]["torch"], told["driver"]["blas"]) == ("avx2", "AVX2", "openblas Haswell")
    assert played[0].digest == played[1].digest


@pytest.mark.slow
@two_levels
def test_bits_depend_on_the_level(small: Callable[..., Scenario], tmp_path: Path) -> None:
    digests = {run(small(compute={"level": level}), tmp_path).digest for level in ("default", "avx2")}
    assert len(digests) == 2, "the control: else nothing would have to be pinned"


@two_levels
def test_a_run_is_not_resumed_at_another_level_and_nothing_is_played(small: Callable[..., Scenario], tmp_path: Path) -> None:
    class Stop(Watch):
        def stage(self, what: str, rounds: int, done: int) -> Any:
            def advance(now: Any) -> None:
                raise KeyboardInterrupt

            return advance

    folder = prepare(small(), tmp_path)
    with pytest.raises(KeyboardInterrupt):
        resume(folder, Stop())
    before = (folder / "run.sqlite").read_bytes()
    other = "default" if machine.facts()["torch"] == "AVX2" else "avx2"
    done = lethe("resume", folder, ATEN_CPU_CAPABILITY=other)
    assert done.returncode == 2
    (line,) = done.stderr.splitlines()
    assert f"{folder}: was begun where bits come out otherwise (instructions of torch: {other.upper()}, not " in line
    assert 'compute.level = "avx2" or "default"' in line
    assert (folder / "run.sqlite").read_bytes() == before
    assert resume(folder, Watch()).results["timeline"][1]["round"] == 2, "where it was begun it goes on"


def test_other_versions_are_refused_and_threads_are_not(small: Callable[..., Scenario], tmp_path: Path, monkeypatch: Any) -> None:
    folder = prepare(small(), tmp_path)
    mine = json.loads(machine.told())
    older = mine | {"versions": mine["versions"] | {"torch": "2.6.0"}, "threads": {"torch": 64}}
    monkeypatch.setattr(machine, "told", lambda: json.dumps(older))
    assert resume(folder, Watch()).results["machine"]["driver"]["versions"]["torch"] == "2.6.0"
    store = RunStore(folder)
    kept = read(store)
    assert kept is not None
    assert (kept["driver"]["threads"], kept["workers"]) == ({"torch": 64}, [older])
    store.close()
    assert machine.differences(older, mine) == [f"torch {mine['versions']['torch']}, not 2.6.0"]
    assert machine.differences(mine | {"threads": {}}, mine) == []


def test_workers_that_compute_otherwise_are_refused() -> None:
    mine = json.loads(machine.told())
    refuse_unlike(json.dumps(mine | {"threads": {}}), "peer 3")
    with pytest.raises(StoppedError, match=r"peer 3 computes otherwise than the driver.*kernels of BLAS: openblas Nehalem.*compute.level"):
        refuse_unlike(json.dumps(mine | {"blas": "openblas Nehalem"}), "peer 3")


@pytest.mark.slow
@two_levels
def test_a_run_whose_workers_were_started_at_another_level_stops_before_its_first_round(
    small: Callable[..., Scenario], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder = prepare(small(engine={"kind": "grpc", "workers": 2}), tmp_path)
    machine.told()  # here torch has chosen its level already
    monkeypatch.setenv("ATEN_CPU_CAPABILITY", "default")
    with pytest.raises(StoppedError, match=r"peer 0 computes otherwise than the driver.*instructions of torch: DEFAULT.*lethe resume"):
        resume(folder, Watch())
    store = RunStore(folder)
    assert store.last_round() == 0
    store.close()
    monkeypatch.delenv("ATEN_CPU_CAPABILITY")
    assert resume(folder, Watch()).results["machine"]["workers"] != []


@pytest.mark.parametrize("engine", [pytest.param(kind, marks=pytest.mark.slow) for kind in ("ray", "grpc", "flower")])
@two_levels
def test_workers_of_every_engine_work_at_the_pinned_level(small: Callable[..., Scenario], tmp_path: Path, engine: str) -> None:
    pinned = {"level": "default"}
    done = run(small(compute=pinned, engine={"kind": engine, "workers": 2}), tmp_path)
    (worker,) = done.results["machine"]["workers"]
    assert (worker["torch"], worker["blas"]) == ("DEFAULT", "openblas Nehalem")
    assert done.digest == run(small(compute=pinned), tmp_path).digest


@pytest.mark.parametrize("level", HERE)
def test_a_level_reaches_every_library(level: Any) -> None:
    told = facts_at(level)
    torch, blas, onednn, compiled = {
        "default": ("DEFAULT", "Nehalem", "SSE41", "nehalem"),
        "avx2": ("AVX2", "Haswell", "AVX2", "haswell"),
        "avx512": ("AVX512", "SkylakeX", "AVX512_CORE", "skylake-avx512"),
    }[level]
    assert (told["torch"], told["blas"], told["onednn"], told["compiled"]) == (torch, f"openblas {blas}", onednn, compiled)
    assert ("V3" in told["numpy"], "AVX512_" in told["numpy"]) == (level != "default", False)


def test_a_level_that_the_processor_has_not_is_one_line(small: Callable[..., Scenario], monkeypatch: pytest.MonkeyPatch) -> None:
    from simulator.scenarios.resolution import resolve

    monkeypatch.setattr(machine, "flags", lambda: frozenset({"avx2", "fma"}))
    with pytest.raises(ScenarioError) as refused:
        resolve(small(compute={"level": "avx512"}))
    assert str(refused.value) == "scenario: compute: level = 'avx512': this processor cannot do that: take one of default, avx2"
    resolve(small(compute={"level": "avx2"}))


def test_plans_without_a_level_keep_their_hash(small: Callable[..., Scenario]) -> None:
    from simulator.scenarios.resolution import resolve

    plain = resolve(small())
    assert "compute" not in plain.model_dump_json()
    assert resolve(small(compute={})).digest == plain.digest
    assert resolve(small(compute={"level": HERE[0]})).digest != plain.digest


def test_what_a_process_of_its_own_cannot_import_is_told_up_front(
    small: Callable[..., Scenario], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder = prepare(small(compute={"level": "default"}), tmp_path)
    monkeypatch.setattr("simulator.runner.by_hand", lambda plan: {"lethe.models": ["own"]})
    with pytest.raises(LetheError, match=r"needs a process of its own, and another one cannot import .* ATEN_CPU_CAPABILITY='default'"):
        resume(folder, Watch())
    store = RunStore(folder)
    assert store.meta(KEY) is None
    store.close()
