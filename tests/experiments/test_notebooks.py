"""Every notebook runs from a fresh kernel, from top to bottom; each takes a quarter of a minute or more."""

from __future__ import annotations

from pathlib import Path

import nbformat
import pytest
from nbclient import NotebookClient

FOLDER = Path(__file__).resolve().parents[2] / "experiments" / "notebooks"
QUICK = {"roots_beneath_the_cut": ("full = True\n", "full = False\n")}
"""What a notebook's first cell says by default, and what it says for those in a hurry."""


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
