"""What two views of a federation give away of forgotten rows: ``python -m experiments.benchmarks.inversion [--quick]``.

Digits, two peers of 160 rows, one of whom deletes 1 to 16 at once in the last round; the server compares what it had before with what it
has then: sums of ridge, which forget exactly; an averaged network after one step of gradient ascent, whose updates of that round come too
late; the same once they are in; and the network rolled back, which is exact. A row counts as *found* if what was recovered is nearer to it
than to 99 test rows (chance is about .01); *alone* is the share of the deleted rows that are the only ones of their class. The controls
are the same attack between two retrainings, and on a run without the request; a dash is where both views are equal.
"""

from __future__ import annotations

import argparse
import os

os.environ["OMP_NUM_THREADS"] = os.environ["OPENBLAS_NUM_THREADS"] = "1"  # read when NumPy is imported

import tempfile
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from rich.console import Console
from rich.progress import track
from rich.table import Table

from clients.data import load
from experiments.intervals import interval
from simulator.progress import Watch
from simulator.runner import run
from simulator.scenarios.scenario import Scenario

ROWS, PEERS, TEST = 160, 2, 100
DELETED = (1, 2, 4, 8, 16)
STEP = {"kind": "gradient_ascent", "until": 50, "epochs": 1, "batch_size": max(DELETED), "optimizer": {"kind": "sgd", "lr": 0.1}}
LATE = {"round": 3, "do": "straggle", "peers": list(range(PEERS)), "delay": 1}
SUMS: dict[str, Any] = {"federation": {"kind": "sums", "model": {"kind": "ridge"}}, "peers": {"count": PEERS}}
NETWORK: dict[str, Any] = {
    "federation": {"kind": "fedavg"},
    "peers": {"count": PEERS, "main": [{"kind": "mlp", "hidden": [16]}]},
    "training": {"epochs": 2, "optimizer": {"kind": "adam", "lr": 0.01}},
}
FEDERATIONS: dict[str, tuple[dict[str, Any], Any, bool]] = {
    "sums, ridge": (SUMS, None, False),
    "averaged, one step of ascent": (NETWORK, STEP, True),
    "averaged, one step of ascent and a round of training": (NETWORK, STEP, False),
    "averaged, rolled back": (NETWORK, "rollback", True),
}
"""Tables of each federation, the method of its request, and whether the updates of that round come too late."""
CONTROLS = {"": "found", "_again": "two retrainings", "_nothing": "no request"}
Found = Mapping[str, float | None]


def scenario(federation: str, deleted: int, seed: int) -> Scenario:
    """Return a run of three rounds, in the last of which one peer deletes so many rows."""
    content, method, late = FEDERATIONS[federation]
    event: dict[str, Any] = {"round": 3, "do": "delete", "peer": 0, "rows": {"fraction": deleted / ROWS}}
    events = [event | ({"method": method} if method else {}), *([LATE] if late else [])]
    data = {"dataset": "digits", "rows": PEERS * ROWS + TEST + 1, "reference": 1, "test": TEST, "partition": {"kind": "iid"}}
    audit = {"counterfactual": False, "inversion": {"adversary": "server"}}
    return Scenario.parse({"name": "inversion", "seed": seed, "rounds": 3, "data": data, "event": events, "audit": audit, **content})


def measured(federation: str, deleted: int, seed: int) -> Found:
    """Return the audit's figures, and the share of the rows that are alone in their class; nothing given away is nothing found."""
    with tempfile.TemporaryDirectory() as folder:
        done = run(scenario(federation, deleted, seed), Path(folder), Watch(Console(quiet=True)))
        found: dict[str, Any] = dict(done.results["erasures"][0])
        classes = load(done.plan.configs[0].data).y[list(done.plan.timeline.erasures[0].rows)]
    assert len(classes) == deleted
    counts = np.bincount(classes)
    if found.get("inversion") is None and "give no single row away" in found["not_judged"]["inversion"]:
        found |= {"inversion": 0.0, "inversion_labels": 0.0}
    return found | {"alone": float((counts == 1).sum() / deleted)}


def mean(found: Sequence[Found], key: str) -> str:
    """Return the mean of a figure over seeds with its interval, and of how many seeds where some have none; a dash where none has."""
    values = [value for one in found if (value := one.get(key)) is not None]
    count = f", n = {len(values)}" if len(values) < len(found) else ""
    return f"{interval(values)}{count}" if values else "-"


def lines(federation: str, deleted: Sequence[int], seeds: int) -> Iterator[list[str]]:
    """Yield the cells of each number of deleted rows."""
    for number in deleted:
        found = [measured(federation, number, seed) for seed in range(seeds)]
        shares = [mean(found, f"inversion{suffix}") for suffix in CONTROLS]
        cosines = [mean(found, f"inversion_cosine{suffix}") for suffix in CONTROLS]
        yield [str(number), mean(found, "alone"), *shares, *cosines, mean(found, "inversion_other"), mean(found, "inversion_labels")]


def main(arguments: Sequence[str] | None = None) -> None:
    """Print a table for each federation."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else None)
    parser.add_argument("--quick", action="store_true", help="two seeds, one and four rows")
    quick = parser.parse_args(arguments).quick
    seeds, deleted = (2, (1, 4)) if quick else (5, DELETED)
    for federation in track(list(FEDERATIONS), "federations", console=Console(stderr=True)):
        drawn = Table(title=f"{federation}: rows of {ROWS} deleted at once, {seeds} seeds, 95 % intervals")
        cosines = (f"cosine{'' if not suffix else f': {name}'}" for suffix, name in CONTROLS.items())
        for heading in ("rows", "alone", *CONTROLS.values(), *cosines, "cosine: a row that stayed", "classes"):
            drawn.add_column(heading, justify="right")
        for cells in lines(federation, deleted, seeds):
            drawn.add_row(*cells)
        Console(width=190).print(drawn)


if __name__ == "__main__":
    main()
