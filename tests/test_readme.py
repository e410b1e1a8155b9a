"""What the README tells a reader to do works as it stands."""

from __future__ import annotations

import io
import re
from pathlib import Path

import pytest
from rich.console import Console
from typer.testing import CliRunner

from simulator import Scenario, resolve, run
from simulator.cli import app
from simulator.scenarios.tasks import CELLS
from simulator.terminal.results import show_results

ROOT = Path(__file__).resolve().parents[1]
README = (ROOT / "README.md").read_text(encoding="utf-8")


def anchors(page: Path) -> set[str]:
    """Return the anchors that headings of a page have."""
    headings = re.findall(r"^#+ (.+)$", page.read_text(encoding="utf-8"), flags=re.MULTILINE)
    return {re.sub(r"[^\w\- ]", "", heading.lower()).replace(" ", "-") for heading in headings}


def blocks(language: str) -> list[str]:
    return re.findall(rf"```{language}\n(.*?)```", README, re.DOTALL)


def test_the_commands_named_are_the_commands_there_are() -> None:
    named = set(re.findall(r"\blethe ([a-z]+)\b", README)) - {"is"}
    known = {command.name or command.callback.__name__ for command in app.registered_commands if command.callback}
    assert named == known
    assert CliRunner().invoke(app, ["--help"]).exit_code == 0


def test_every_page_is_reached() -> None:
    assert [page.name for page in (ROOT / "docs").glob("*.md") if f"docs/{page.name}" not in README] == []


def test_the_python_example_names_what_exists() -> None:
    for block in blocks("python"):
        compile(block, "README.md", "exec")
    scenario = Scenario.load(ROOT / "experiments" / "scenarios" / "departures.toml")
    assert resolve(scenario.replace(topology__on_leave="none")).timeline.rounds[-1].edges != resolve(scenario).timeline.rounds[-1].edges


@pytest.mark.slow
def test_the_demo_prints_the_figures_that_stand_beside_it(tmp_path: Path) -> None:
    done = run(Scenario.load(ROOT / "experiments" / "scenarios" / "departures.toml"), tmp_path)
    shown = io.StringIO()
    show_results(done, Console(file=shown, width=100))
    peers, rows = (done.erasures[done.erasures["kind"] == kind] for kind in ("peer", "rows"))
    least, most = (f"{int(steps):,}" for steps in (peers["retrain_gradient_steps"].min(), peers["retrain_gradient_steps"].max()))
    assert f"training again up to the request takes {least} to {most}" in README
    assert least in shown.getvalue()
    assert most in shown.getvalue()
    assert f"`make demo`: 0.0 and {rows['gradient_steps'].item()} steps for {rows['rows'].item()} rows" in README


def test_the_rollback_in_the_table_costs_what_it_says() -> None:
    plan = resolve(Scenario.load(ROOT / "experiments" / "scenarios" / "averaging.toml"))
    past = CELLS.load(plan.scenario.cell)().past(plan)
    first = past.rollback(10)
    steps = [plan.scenario.training.steps(len(one.rows)) for one in plan.configs]
    spent = sum(steps[peer] for number in range(first, 10) for peer in past.contributing(number, 10))
    assert f"{spent} gradient steps for a peer that was first drawn in round {first} of 9" in README


@pytest.mark.parametrize("page", [ROOT / "README.md", *sorted((ROOT / "docs").glob("*.md"))], ids=lambda page: page.name)
def test_links_into_the_tree_lead_somewhere(page: Path) -> None:
    text = page.read_text(encoding="utf-8")
    links = [(page.parent / path, anchor) for path, anchor in re.findall(r"\]\((?!http)([^)#]*)#?([^)]*)\)", text)]
    named = [ROOT / path for path in re.findall(r"`((?:clients|server|simulator|experiments|docs)/[\w./]+\.\w+)`", text)]
    assert [path for path in (*(path for path, _ in links), *named) if not path.exists()] == []
    for path, anchor in links:
        assert not anchor or anchor in anchors(path if path.is_file() else page), f"{path}#{anchor}"
