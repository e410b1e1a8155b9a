"""Draw the README's pictures from a run: ``python experiments/pictures.py RUN_DIR docs``."""

from __future__ import annotations

import sys
from pathlib import Path

from simulator.report import graphs, svg
from simulator.report.classification import curves
from simulator.report.collect import collect


def main(run_dir: Path, out: Path) -> None:
    """Write ``departures.svg`` (accuracy over the rounds) and ``graph.svg`` (before and after the last departure) into ``out``."""
    data = collect(run_dir)
    out.mkdir(parents=True, exist_ok=True)
    (out / "departures.svg").write_text(svg.standalone(curves.accuracy(data, svg.WIDE)), encoding="utf-8")
    (out / "graph.svg").write_text(svg.standalone(graphs.change(data.graphs[-1], svg.WIDE, "graph")), encoding="utf-8")


if __name__ == "__main__":
    if len(sys.argv) != 3:
        sys.exit("usage: python experiments/pictures.py RUN_DIR FOLDER")
    main(Path(sys.argv[1]), Path(sys.argv[2]))
