"""The ready scenarios of language models hold what they expect, and one of them has one digest on every engine; slowly."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from simulator import Scenario, run

pytestmark = [pytest.mark.slow, pytest.mark.usefixtures("own_cache")]

FOLDER = Path(__file__).resolve().parents[2] / "experiments" / "scenarios"
SHORT = ("language.pretraining.steps=20", "training.epochs=2", "rounds=4")


@pytest.mark.parametrize("name", ["guardrails", "in_context", "familiarity", "hdus_language"])
def test_what_they_expect_is_met(name: str, tmp_path: Path) -> None:
    found = run(Scenario.load(FOLDER / f"{name}.toml"), tmp_path).results
    assert found["expectations"], "the control: something is expected"
    assert [one for one in found["expectations"] if not one["met"]] == []
    if name == "hdus_language":
        assert found["verdict"]["name"] == "proven"
        near = found["language"]["guards"][0]["neighbours"]
        assert near["on"]["share"] == 0 < near["off"]["share"]


def test_unlearning_in_context_has_one_digest_on_every_engine(tmp_path: Path) -> None:
    engines: list[dict[str, Any]] = [{"kind": "inline"}, {"kind": "ray", "workers": 2}, {"kind": "grpc"}, {"kind": "flower", "workers": 2}]
    scenario = Scenario.load(FOLDER / "in_context.toml", SHORT)
    digests = [run(scenario.replace(engine=engine), tmp_path / engine["kind"]).digest for engine in engines]
    assert len(set(digests)) == 1
