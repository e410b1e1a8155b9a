"""What it brings to refine a forget set before it is forgotten (RUM): ``python -m experiments.benchmarks.refined [--quick]``.

The private half of digits, a fifth of the rows to forget, five seeds. *Vanilla* is a method once on the whole set, *shuffled* the same on
three random groups one after the other, *refined* on groups by memorisation, least first; *RUM* takes a method for each group. Differences
of ToW are paired by seed; where an interval holds 0, nothing was seen.
"""

from __future__ import annotations

import argparse
import os

os.environ["OMP_NUM_THREADS"] = "1"  # read when torch is imported

from collections.abc import Mapping, Sequence

from rich.console import Console
from rich.table import Table

from clients.unlearning.refine.rum import Rum
from experiments.benchmarks._forget_sets import Case, case
from experiments.benchmarks._intervals import interval

METHODS = ("finetune", "neggrad_plus", "random_labels", "salun")
RUM = "nothing, finetune, salun"


def ways(methods: Sequence[str]) -> dict[str, dict[str, Rum]]:
    """Return, by method, the settings of each way to forget."""
    found = {
        kind: {
            "vanilla": Rum(methods=(kind,), groups=1),
            "shuffled": Rum(methods=(kind,), grouping="shuffled"),
            "refined": Rum(methods=(kind,)),
        }
        for kind in methods
    }
    return found | {RUM: {"RUM": Rum()}}


def scores(cases: Sequence[Case], methods: Sequence[str]) -> dict[tuple[str, str], list[float]]:
    """Return ToW of each case, by method and way."""
    told: dict[tuple[str, str], list[float]] = {}
    for kind, settings in ways(methods).items():
        for way, method in settings.items():
            told[kind, way] = [one.measured(one.unlearned(method)).tow for one in cases]
    told["nothing", "vanilla"] = [one.measured(one.original).tow for one in cases]
    told["retrained again", "vanilla"] = [one.measured(one.again).tow for one in cases]
    return told


def table(title: str, found: Mapping[tuple[str, str], Sequence[float]]) -> Table:
    """Return the table of scores, with differences paired by seed."""
    drawn = Table(title=title)
    for heading in ("method", "way", "ToW", "more than vanilla", "more than shuffled"):
        drawn.add_column(heading, justify="left" if heading in ("method", "way") else "right")
    for (kind, way), values in found.items():
        differences = [_difference(values, found.get((kind, other))) if other != way else "" for other in ("vanilla", "shuffled")]
        drawn.add_row(kind, way, interval(values), *differences)
    return drawn


def main(arguments: Sequence[str] | None = None) -> None:
    """Print a line per method and way."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else None)
    parser.add_argument("--quick", action="store_true", help="two seeds, one method")
    quick = parser.parse_args(arguments).quick
    cases = [case("private", "20 % of the rows", seed) for seed in range(2 if quick else 5)]
    found = scores(cases, METHODS[:1] if quick else METHODS)
    title = f"ToW on digits, a fifth of the rows to forget, {len(cases)} seeds, 95 % intervals"
    Console(width=120).print(table(title, found))


def _difference(values: Sequence[float], others: Sequence[float] | None) -> str:
    """Return the mean paired difference with its interval; empty if there is nothing to compare with."""
    return "" if others is None else interval([one - other for one, other in zip(values, others, strict=True)])


if __name__ == "__main__":
    main()
