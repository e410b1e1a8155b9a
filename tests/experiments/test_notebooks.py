"""Every notebook runs from a fresh kernel, from top to bottom."""

from __future__ import annotations

from pathlib import Path

import nbformat
import pytest
from nbclient import NotebookClient

FOLDER = Path(__file__).resolve().parents[2] / "experiments" / "notebooks"
LONG = ("departures",)
NOTEBOOKS = [pytest.param(path, marks=[pytest.mark.slow] * (path.stem in LONG)) for path in sorted(FOLDER.glob("*.ipynb"))]


@pytest.mark.parametrize("path", NOTEBOOKS, ids=lambda path: path.stem)
def test_notebook(path: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("LETHE_CACHE", str(tmp_path))
    notebook = nbformat.read(path, as_version=4)
    NotebookClient(notebook, timeout=300, kernel_name="python3", resources={"metadata": {"path": str(path.parent)}}).execute()
    assert any(output.get("output_type") == "display_data" for cell in notebook.cells for output in cell.get("outputs", []))
