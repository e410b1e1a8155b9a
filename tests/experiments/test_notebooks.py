"""Every notebook runs from a fresh kernel, from top to bottom; each takes a quarter of a minute or more."""

from __future__ import annotations

import ast
from pathlib import Path

import nbformat
import pytest
from nbclient import NotebookClient

from experiments import store_outputs
from simulator import Scenario, resolve

FOLDER = Path(__file__).resolve().parents[2] / "experiments" / "notebooks"
QUICK = {"roots_beneath_the_cut": ("full = True\n", "full = False\n")}
"""What a notebook's first cell says by default, and what it says for those in a hurry."""

STORED = ("approximate_family", "departures", "exact_family", "pretending_to_forget", "roots_beneath_the_cut", "what_makes_unlearning_hard")
"""Notebooks whose outputs are kept, made by `python -m experiments.store_outputs NAME`."""


def shown(path: Path) -> list[dict[str, object]]:
    return [output for cell in nbformat.read(path, as_version=4).cells for output in cell.get("outputs", [])]


@pytest.mark.parametrize("name", STORED)
def test_outputs_are_stored_and_small(name: str) -> None:
    path = FOLDER / f"{name}.ipynb"
    outputs = shown(path)
    assert any("image/png" in output.get("data", {}) for output in outputs), "no picture"
    assert any("text/html" in output.get("data", {}) for output in outputs), "no table"
    assert [output for output in outputs if output["output_type"] == "error"] == []
    assert path.stat().st_size < 400_000


@pytest.mark.parametrize(("asked", "status"), [("--help", 0), ("exact", 2)])
def test_help_and_unknown_names_run_no_notebook(
    asked: str, status: int, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(store_outputs, "executed", lambda path: pytest.fail(f"{path} ran"))
    with pytest.raises(SystemExit) as left:
        store_outputs.main([asked])
    assert left.value.code == status
    said = capsys.readouterr()
    assert all(name in said.out + said.err for name in STORED), "the names that there are"
    assert said.err == "" or said.err.startswith("store_outputs: NAME exact: no such notebook; ")


def test_the_policies_of_the_departures_differ() -> None:
    """On a ring two of the three came to the same edges."""
    scenario = Scenario.parse(_scenario("departures"))
    edges = [resolve(scenario.replace(topology__on_leave=policy)).timeline.rounds[-1].edges for policy in ("none", "bridge", "rewire")]
    assert len(set(edges)) == 3
    ring = scenario.replace(topology={"kind": "ring", "on_leave": "bridge"})
    assert resolve(ring).timeline.rounds[-1].edges == resolve(ring.replace(topology__on_leave="rewire")).timeline.rounds[-1].edges


def _scenario(name: str) -> dict[str, object]:
    """Return the mapping that a notebook makes its scenario of."""
    cells = nbformat.read(FOLDER / f"{name}.ipynb", as_version=4).cells
    source = next(cell.source for cell in cells if "Scenario.parse(" in cell.source)
    call = next(node for node in ast.walk(ast.parse(source)) if isinstance(node, ast.Call) and ast.unparse(node.func) == "Scenario.parse")
    return dict(eval(compile(ast.Expression(call.args[0]), name, "eval")))


@pytest.mark.slow
@pytest.mark.parametrize("path", sorted(FOLDER.glob("*.ipynb")), ids=lambda path: path.stem)
def test_notebook(path: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("LETHE_CACHE", str(tmp_path))
    notebook = nbformat.read(path, as_version=4)
    if path.stem in QUICK:
        first = next(cell for cell in notebook.cells if cell.cell_type == "code")
        assert QUICK[path.stem][0] in first.source
        first.source = first.source.replace(*QUICK[path.stem])
    NotebookClient(notebook, timeout=300, kernel_name="python3", resources={"metadata": {"path": str(path.parent)}}).execute()
    assert any(output.get("output_type") == "display_data" for cell in notebook.cells for output in cell.get("outputs", []))
