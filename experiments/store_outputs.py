"""Run notebooks from top to bottom and keep what they show: ``python -m experiments.store_outputs [NAME ...]``, all unless named."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import nbformat
from nbclient import NotebookClient

from experiments.reproductions.command import Parser

FOLDER = Path(__file__).parent / "notebooks"


def executed(path: Path, seconds: int = 7200) -> Any:
    """Return a notebook after a run in a fresh kernel, without what differs from run to run beside its outputs."""
    notebook = nbformat.read(path, as_version=4)
    resources = {"metadata": {"path": str(path.parent)}}
    NotebookClient(notebook, timeout=seconds, kernel_name="python3", resources=resources).execute()
    for cell in notebook.cells:
        cell.metadata.pop("execution", None)
        if cell.cell_type == "code":
            cell.execution_count = None
        for output in cell.get("outputs", []):
            if "execution_count" in output:
                output["execution_count"] = None
    notebook.metadata.pop("widgets", None)
    notebook.metadata["language_info"] = {"name": "python"}
    return notebook


def main(arguments: Sequence[str] | None = None) -> None:
    """Store the outputs of the notebooks named on the command line."""
    found = {path.stem: path for path in sorted(FOLDER.glob("*.ipynb"))}
    parser = Parser("store_outputs", __doc__ or "")
    parser.add_argument("names", nargs="*", metavar="NAME", help=f"some of {', '.join(found)}")
    names = parser.parse_args(arguments).names
    if wrong := [name for name in names if name not in found]:
        parser.error(f"NAME {wrong[0]}: no such notebook; name some of {', '.join(found)}")
    for path in [found[name] for name in names or found]:
        nbformat.write(executed(path), path)
        print(path)


if __name__ == "__main__":
    main()
