"""Writing the page of a run."""


from __future__ import annotations

from pathlib import Path

from simulator.report.collect import collect
from simulator.report.render import render


def write_report(run_dir: Path | str) -> Path:
    """Write ``report.html`` into the directory of a finished run, whole or not at all, and return its path.

    ``LetheError`` if it is not a run directory or not finished.
    """
    path = Path(run_dir) / "report.html"
    unfinished = path.with_suffix(".unfinished")
    unfinished.write_text(render(collect(run_dir)), encoding="utf-8")
    unfinished.rename(path)
    return path
