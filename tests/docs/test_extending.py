"""Every example of ``docs/extending.md`` works as it stands, and every component has one."""

from __future__ import annotations

import re
import sys
from collections.abc import Iterator
from pathlib import Path
from types import ModuleType

import pytest

from simulator.plugins import HOMES, registries

ROOT = Path(__file__).resolve().parents[2]
PAGE = (ROOT / "docs" / "extending.md").read_text(encoding="utf-8")
INTRODUCTION, *SECTIONS = re.split(r"^## ", PAGE, flags=re.MULTILINE)


def code(text: str) -> str:
    return "\n".join(re.findall(r"```python\n(.*?)```", text, re.DOTALL))


@pytest.fixture
def notebook(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[ModuleType]:
    """Return a module in which code is run as in a notebook: in a folder of its own, under a name by which it is found."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("LETHE_CACHE", str(tmp_path / "cache"))
    module = ModuleType("a_notebook")
    monkeypatch.setitem(sys.modules, module.__name__, module)
    yield module
    for registry in registries():
        for name in registry.registered:
            registry.loaded.pop(name, None)
        registry.registered.clear()


@pytest.mark.parametrize("section", SECTIONS, ids=lambda section: section.partition("\n")[0])
def test_the_example_works(section: str, notebook: ModuleType) -> None:
    exec(compile(code(INTRODUCTION), "docs/extending.md", "exec"), vars(notebook))
    exec(compile(code(section), "docs/extending.md", "exec"), vars(notebook))
    (group,) = re.findall(r"Group `(lethe\.\w+)`", section)
    assert [registry.group for registry in registries() if registry.registered and registry.group == group] == [group]


def test_every_group_has_a_section_and_a_line_with_its_contract() -> None:
    assert sorted(re.findall(r"^Group `(lethe\.\w+)`", PAGE, re.MULTILINE)) == sorted(HOMES)
    told = {group: contract for contract, group in re.findall(r"^\| \[.*?\| `([\w.]+)` \| `(lethe\.\w+)` \|$", PAGE, re.MULTILINE)}
    assert told == {one.group: f"{one.contract.__module__}.{one.contract.__qualname__}" for one in registries()}


def test_links_lead_somewhere() -> None:
    names = {section.partition("\n")[0].lower().replace(" ", "-") for section in SECTIONS}
    assert set(re.findall(r"\]\(#([\w-]+)\)", PAGE)) == names
    elsewhere = re.findall(r"\]\((\.\./[^)]+)\)", PAGE)
    assert elsewhere
    assert all((ROOT / "docs" / path).exists() for path in elsewhere)
