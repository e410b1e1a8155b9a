"""The scenario that compares unlearners in an averaged federation: one table, from every method, on every engine."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from simulator import Run, Scenario, run
from simulator.scenarios.tasks import CELLS

FILE = Path(__file__).resolve().parents[2] / "experiments" / "scenarios" / "unlearners.toml"
REFERENCES = ["original", "did nothing", "retrained", "retrained again"]
SMALL = {"rounds": 2, "data__rows": 300, "data__test": 40, "data__validation": 40, "peers__count": 3, "training__epochs": 2, "expect": []}
FEW = {"iterations": 3, "damping": 10.0}
SETTINGS: dict[str, dict[str, Any]] = {"repair": {"fisher": "diagonal"}, "l_codec": {"gap": 1.0}, "puma": FEW}
EVENT = {"round": 2, "do": "delete", "peers": [0, 1, 2], "rows": {"label": 6}, "method": "rollback"}


def rows(done: Run) -> dict[str, dict[str, Any]]:
    """Return the table, without seconds."""
    (one,) = done.results["compare"]
    return {row["row"]: {key: value for key, value in row.items() if key != "seconds"} for row in one["compared"]}


def everywhere() -> list[str]:
    """Return the methods by which averaging federations delete rows, but for the one of spiking networks."""
    return [kind for kind in CELLS.load("classification/fedavg")().methods("rows") if kind not in ("finetune", "spiking")]


def test_every_method_for_averaging_federations_carries_the_deletion_out(tmp_path: Path) -> None:
    names = everywhere()
    assert {"scrub", "salun", "ssd", "unsir", "fisher", "certified_deep"} <= set(names)
    methods = [{"kind": name, **SETTINGS[name]} if name in SETTINGS else name for name in names]
    done = run(Scenario.load(FILE).replace(**SMALL, event=[EVENT], compare=[{"event": 0, "methods": methods}]), tmp_path)
    found = {name.partition(" (")[0]: row for name, row in rows(done).items()}
    assert list(found) == [*REFERENCES, *names]
    exact = {name for name in names if found[name]["verdict"] == "proven"}
    assert exact == {"retrain", "rollback"}
    nothing = found["did nothing"]
    for name in set(names) - exact:
        assert found[name]["verdict"] == "measured", found[name].get("failed")
        assert found[name]["equal"] is False
        assert found[name]["predictions"] != nothing["predictions"], f"{name} leaves the model as it was"


@pytest.fixture(scope="module")
def inline(tmp_path_factory: pytest.TempPathFactory) -> Run:
    return run(Scenario.load(FILE), tmp_path_factory.mktemp("inline"))


@pytest.mark.slow
def test_classes_are_forgotten_as_promised(inline: Run) -> None:
    found = rows(inline)
    assert found["rollback"]["verdict"] == "proven"
    assert found["did nothing"]["forget"]["low"] > 0.9
    assert found["finetune"]["forget"]["low"] > 0.5, "it forgets least"
    for name in found.keys() - {"original", "did nothing", "finetune"}:
        assert found[name]["forget"]["high"] < found["finetune"]["forget"]["low"]
        assert found[name]["retain"]["low"] > 0.9


@pytest.mark.slow
@pytest.mark.timeout(900)
@pytest.mark.parametrize("kind", ["ray", "grpc", "flower"])
def test_every_engine_gives_one_digest_and_one_table(kind: str, inline: Run, tmp_path: Path) -> None:
    done = run(Scenario.load(FILE, [f"engine.kind={kind}", "engine.workers=2"]), tmp_path)
    assert done.digest == inline.digest
    assert rows(done) == rows(inline)
