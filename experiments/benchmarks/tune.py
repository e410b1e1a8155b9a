"""Learning rates of methods, chosen on rows that nobody deletes: ``python -m experiments.benchmarks.tune [--quick] [METHOD ...]``.

Of each method ten learning rates on a logarithmic scale from 1e-5 to 1e-1 are tried, its other settings as they are, on the public half of
digits, over a class and 5 % of the rows and three seeds. The best is the one with the largest mean ToW less the mean distance to the
retrained network on the rows to forget. Defaults are set from it.
"""

from __future__ import annotations

import argparse
import os

os.environ["OMP_NUM_THREADS"] = "1"  # read when torch is imported

from collections.abc import Sequence
from statistics import mean

import numpy as np
from rich.console import Console
from rich.table import Table

from clients.training import Adam
from clients.unlearning.general import METHODS
from clients.unlearning.general.contract import MethodSpec
from experiments.benchmarks._forget_sets import GONE, Measured, case

RATES = tuple(float(rate) for rate in np.logspace(-5, -1, 10))


def tunable() -> list[str]:
    """Return the methods that have a learning rate."""
    return [kind for kind, spec in METHODS.working().items() if "optimizer" in spec.model_fields]


def with_rate(kind: str, rate: float) -> MethodSpec:
    """Return a method with its usual settings and a learning rate."""
    return METHODS.load(kind).model_validate({"kind": kind, "optimizer": Adam(lr=rate)})


def tried(method: MethodSpec, seeds: Sequence[int]) -> list[Measured]:
    """Return what a method leads to on the public half."""
    cases = [case("public", gone, seed) for gone in GONE for seed in seeds]
    return [one.measured(one.unlearned(method)) for one in cases]


def merit(found: Sequence[Measured]) -> float:
    """Return what is maximised, at most 1."""
    return mean(one.tow - one.distance for one in found)


def main(arguments: Sequence[str] | None = None) -> None:
    """Print a line per method and learning rate, the best one marked."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else None)
    parser.add_argument("methods", nargs="*", default=tunable(), metavar="METHOD", help="methods; all that have a learning rate, if none")
    parser.add_argument("--quick", action="store_true", help="one seed, three rates")
    asked = parser.parse_args(arguments)
    seeds, rates = ((0,), RATES[3:9:2]) if asked.quick else ((0, 1, 2), RATES)
    drawn = Table(title=f"learning rates (Adam) on the public half of digits, {len(seeds)} seeds, a class and 5 % of the rows")
    for heading in ("method", "rate", "merit", "ToW", "distance", "forget", "retain", "test", ""):
        drawn.add_column(heading, justify="left" if heading == "method" else "right")
    for kind in asked.methods:
        found = {rate: tried(with_rate(kind, rate), seeds) for rate in rates}
        best = max(rates, key=lambda rate: merit(found[rate]))
        for rate, measured in found.items():
            means = [mean(getattr(one, name) for one in measured) for name in ("tow", "distance", "forget", "retain", "test")]
            figures = [f"{value:.3f}" for value in (merit(measured), *means)]
            drawn.add_row(kind, f"{rate:.1e}", *figures, "best" if rate == best else "")
    Console(width=120).print(drawn)


if __name__ == "__main__":
    main()
