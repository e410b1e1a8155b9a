"""What it brings to refine a forget set before it is forgotten (RUM): ``python -m experiments.benchmarks.refined [--quick]``.

The private half of digits, a fifth of the rows to forget, five seeds. *Vanilla* is a method once on the whole set, *shuffled* the same on
three random groups one after the other, *refined* on groups by memorisation, least first, *reversed* most first; *RUM* takes a method for
each group. Differences of ToW are paired by seed; where an interval holds 0, nothing was seen.
"""

from __future__ import annotations

import argparse
import os

os.environ["OMP_NUM_THREADS"] = "1"  # read when torch is imported

from collections.abc import Callable, Mapping, Sequence

from rich.console import Console
from rich.table import Table

from clients.training import Arrays
from clients.unlearning.refine.rum import Rum
from experiments.benchmarks._forget_sets import Case, case
from experiments.intervals import interval

METHODS = ("finetune", "neggrad_plus", "random_labels", "salun")
RUM = "nothing, finetune, salun"
Ended = Mapping[tuple[str, str], Sequence[Arrays]]
"""The weights with which each case ends, by method and way."""


def ways(methods: Sequence[str]) -> dict[str, dict[str, Rum]]:
    """Return, by method, the settings of each way to forget."""
    found = {
        kind: {
            "vanilla": Rum(methods=(kind,), groups=1),
            "shuffled": Rum(methods=(kind,), grouping="shuffled"),
            "refined": Rum(methods=(kind,)),
            "reversed": Rum(methods=(kind,), order="descending"),
        }
        for kind in methods
    }
    return found | {RUM: {"RUM": Rum()}}


def ended(cases: Sequence[Case], methods: Sequence[str]) -> Ended:
    """Return the weights of each case after each way to forget."""
    found = {}
    for kind, settings in ways(methods).items():
        for way, method in settings.items():
            found[kind, way] = [one.unlearned(method) for one in cases]
    found["nothing", "vanilla"] = [one.original for one in cases]
    found["retrained again", "vanilla"] = [one.again for one in cases]
    return found


def scores(cases: Sequence[Case], found: Ended, measure: Callable[[Case, Arrays], float]) -> dict[tuple[str, str], list[float]]:
    """Return a measure of each case's weights, by method and way."""
    return {way: [measure(one, weights) for one, weights in zip(cases, every, strict=True)] for way, every in found.items()}


def tow(one: Case, weights: Arrays) -> float:
    """Return ToW."""
    return one.measured(weights).tow


def table(title: str, found: Mapping[tuple[str, str], Sequence[float]], measure: str = "ToW") -> Table:
    """Return the table of scores, with differences paired by seed."""
    drawn = Table(title=title)
    for heading in ("method", "way", measure, "more than vanilla", "more than shuffled"):
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
    found = scores(cases, ended(cases, METHODS[:1] if quick else METHODS), tow)
    title = f"ToW on digits, a fifth of the rows to forget, {len(cases)} seeds, 95 % intervals"
    Console(width=120).print(table(title, found))


def _difference(values: Sequence[float], others: Sequence[float] | None) -> str:
    """Return the mean paired difference with its interval; empty if there is nothing to compare with."""
    return "" if others is None else interval([one - other for one, other in zip(values, others, strict=True)])


if __name__ == "__main__":
    main()
