"""The figures of the scenarios on certificates: ``python -m experiments.benchmarks.certificates [--quick] [--data ADULT.csv]``.

`certified.toml` and `correct.toml` are played on UCI Adult: how much of each budget residuals take, by certifier, how far corrections are
from retraining, and groups from each other.
"""

from __future__ import annotations

import argparse
import json
import os

os.environ["OMP_NUM_THREADS"] = os.environ["OPENBLAS_NUM_THREADS"] = "1"  # read when NumPy is imported

import tempfile
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any

from rich.console import Console
from rich.table import Table

from simulator import Scenario, run
from simulator.errors import ScenarioError

SCENARIOS = Path(__file__).resolve().parents[1] / "scenarios"
PART = ("data.rows=3161", "data.reference=161", "data.test=600", "distillation.epochs=1")


def erasures(name: str, adult: Path, overrides: Iterable[str]) -> list[dict[str, Any]]:
    """Return what the results of a scenario say of its requests."""
    scenario = Scenario.load(SCENARIOS / f"{name}.toml", [f"data.path={json.dumps(str(adult))}", *overrides])
    with tempfile.TemporaryDirectory() as folder:
        return list(run(scenario, Path(folder)).results["erasures"])


def certified(rows: Sequence[dict[str, Any]]) -> Table:
    """Return the largest bound of each certifier, and how often its peers trained again."""
    table = Table(title="certified.toml: residuals and budgets")
    for heading in ("certifier", "requests", "largest bound before training again", "budget", "trained again"):
        table.add_column(heading, justify="left" if heading == "certifier" else "right")
    for certifier in dict.fromkeys(row["certificate"]["certifier"] for row in rows):
        mine = [row for row in rows if row["certificate"]["certifier"] == certifier]
        largest = max(_told(row) for row in mine)
        again = sum("trained again" in " ".join(row["notes"]) for row in mine)
        table.add_row(certifier, str(len(mine)), f"{largest:.2g}", f"{mine[0]['certificate']['budget']:.2g}", f"{again} times")
    return table


def _told(row: dict[str, Any]) -> float:
    """Return the bound that a request's first note tells, which decided whether to train again."""
    words = row["notes"][0].split()
    return float(words[words.index("most") + 1])


def corrected(rows: Sequence[dict[str, Any]]) -> Table:
    """Return, of each correction, distances to retraining and gaps between groups."""
    table = Table(title="correct.toml: distances to retraining, and the share predicted to earn more, women and men apart")
    headings = "round", "peer", "method", "claim", "distance", "did nothing", "gap before", "gap after", "gap where always right"
    for heading in headings:
        table.add_column(heading, justify="left" if heading in ("method", "claim") else "right")
    for row in rows:
        keys = "max_abs_difference", "max_abs_difference_nothing", "gap_positive_original", "gap_positive", "gap_positive_counterfactual"
        cells = ("" if row[key] is None else f"{row[key]:.4f}" for key in keys)
        table.add_row(str(row["round"]), str(row["peer"]), row["method"], row["guarantee"], *cells)
    return table


def main(arguments: Sequence[str] | None = None) -> None:
    """Print both tables."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else None)
    parser.add_argument("--quick", action="store_true", help="a tenth of the rows")
    parser.add_argument("--data", type=Path, default=Path(__file__).resolve().parents[3] / "shared" / "data" / "adult.csv")
    asked = parser.parse_args(arguments)
    if not asked.data.is_file():
        parser.error(f"{asked.data}: there is no such file: give UCI Adult as published with --data")
    part, console = PART if asked.quick else (), Console(width=160)
    try:
        console.print(certified(erasures("certified", asked.data, ["audit.counterfactual=false", *part])))
        console.print(corrected(erasures("correct", asked.data, part)))
    except ScenarioError as error:
        parser.error(error.lines[0])


if __name__ == "__main__":
    main()
