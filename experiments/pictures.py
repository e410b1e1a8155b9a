"""Draw the README's pictures from a run: ``python experiments/pictures.py RUN_DIR docs``."""

from __future__ import annotations

import sys
from pathlib import Path

from simulator.report import graphs, svg
from simulator.report.classification import curves
from simulator.report.collect import collect
from simulator.report.diffusion.curves import variants
from simulator.report.diffusion.model import Roots
from simulator.report.model import ReportData


def pictures(data: ReportData) -> dict[str, str]:
    """Return a run's pictures by name: what the first attack found, or accuracy over the rounds and the graph at the last departure."""
    if isinstance(data.own, Roots):
        return {data.name: variants(data.own.rows(data.own.settings[0]), svg.WIDE, "variants")}
    return {data.name: curves.accuracy(data, svg.WIDE), "graph": graphs.change(data.graphs[-1], svg.WIDE, "graph")}


def main(run_dir: Path, out: Path) -> None:
    """Write a run's pictures into ``out``, as SVG files."""
    out.mkdir(parents=True, exist_ok=True)
    for name, picture in pictures(collect(run_dir)).items():
        (out / f"{name}.svg").write_text(svg.standalone(picture), encoding="utf-8")


if __name__ == "__main__":
    if len(sys.argv) != 3:
        sys.exit("usage: python experiments/pictures.py RUN_DIR FOLDER")
    main(Path(sys.argv[1]), Path(sys.argv[2]))
