"""``docs/scenarios.md`` names every word that a scenario can take, and its example resolves; ``docs/unlearners.md`` names every method."""

from __future__ import annotations

import re
from pathlib import Path

from clients.unlearning.general import METHODS
from simulator import Scenario, resolve
from simulator.plugins import HOMES, registries

ROOT = Path(__file__).resolve().parents[2]
PAGE = (ROOT / "docs" / "scenarios.md").read_text(encoding="utf-8")
UNWRITTEN = {"lethe.cells", "lethe.certificates", "lethe.configs", "lethe.methods", "lethe.requests"}
"""Groups whose names no scenario writes, and methods, which have a page of their own."""


def named(text: str) -> set[str]:
    return set(re.findall(r"`(\w+)`", text))


def test_every_word_of_a_scenario_is_listed() -> None:
    assert set(HOMES) > UNWRITTEN
    words = {(one.group, name) for one in registries() if one.group not in UNWRITTEN for name in one.targets()}
    assert {(group, name) for group, name in words if name not in named(PAGE)} == set()


def test_every_method_that_changes_weights_is_listed() -> None:
    table = named((ROOT / "docs" / "unlearners.md").read_text(encoding="utf-8"))
    assert {kind for kind, spec in METHODS.working().items() if spec.guarantee == "approximate"} - table == set()


def test_the_example_resolves() -> None:
    (text,) = re.findall(r"```toml\n(.*?)```", PAGE, re.DOTALL)
    plan = resolve(Scenario.parse(text))
    assert [one.kind for one in plan.timeline.erasures] == ["peer"]
