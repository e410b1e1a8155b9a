"""Strengths of methods, chosen on rows that nobody deletes: ``python -m experiments.benchmarks.tune [--quick] [METHOD ...]``.

Of each method ten learning rates on a logarithmic scale from 1e-5 to 1e-1 are tried, its other settings as they are; of those that train
nothing, ten values of what stands in `STRENGTHS`. That is on the public half of digits, over a class and 5 % of the rows and three seeds.
The best is the one with the largest mean ToW less the mean distance to the retrained network on the rows to forget. Defaults
are set from it, but for those of methods made for language models (`grad_diff`, `npo`, `simnpo`, `undial`).
"""

from __future__ import annotations

import argparse
import os

os.environ["OMP_NUM_THREADS"] = "1"  # read when torch is imported

from collections.abc import Sequence
from statistics import mean

import numpy as np
from rich.console import Console
from rich.progress import track
from rich.table import Table

from clients.training import Adam
from clients.unlearning.general import METHODS
from clients.unlearning.general.contract import MethodSpec
from experiments.benchmarks._forget_sets import GONE, Measured, case

STRENGTHS = {"ssd": ("alpha", np.logspace(0, 2, 10)), "fisher": ("alpha", np.logspace(-8, -3.5, 10))}
"""Key and values, strongest and weakest at the ends, of methods without a learning rate."""

RATES = np.logspace(-5, -1, 10)


def tunable() -> list[str]:
    """Return the methods for any network that have a learning rate or stand in `STRENGTHS`."""
    usual = {kind: spec.model_fields.get("optimizer") for kind, spec in METHODS.working().items() if spec.applies()}
    return [kind for kind, field in usual.items() if kind in STRENGTHS or (field and isinstance(field.default, Adam))]


def strengths(kind: str) -> list[float]:
    """Return the values to try."""
    return [float(value) for value in (STRENGTHS[kind][1] if kind in STRENGTHS else RATES)]


def with_strength(kind: str, value: float) -> MethodSpec:
    """Return a method with its usual settings, and a learning rate or what stands for it."""
    setting = {STRENGTHS[kind][0]: value} if kind in STRENGTHS else {"optimizer": Adam(lr=value)}
    return METHODS.load(kind).model_validate({"kind": kind, **setting})


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
    parser.add_argument("methods", nargs="*", default=tunable(), metavar="METHOD", help="methods; all that have a strength, if none")
    parser.add_argument("--quick", action="store_true", help="one seed, three values")
    asked = parser.parse_args(arguments)
    if wrong := [kind for kind in asked.methods if kind not in tunable()]:
        parser.error(f"METHOD {wrong[0]}: has no strength to tune; name some of {', '.join(tunable())}")
    seeds, some = ((0,), slice(3, 9, 2)) if asked.quick else ((0, 1, 2), slice(None))
    drawn = Table(title=f"learning rates (Adam), or alpha of {' and '.join(STRENGTHS)}, on the public half of digits, {len(seeds)} seeds")
    for heading in ("method", "value", "merit", "ToW", "distance", "forget", "retain", "test", ""):
        drawn.add_column(heading, justify="left" if heading == "method" else "right")
    for kind in track(asked.methods, "methods", console=Console(stderr=True)):
        found = {value: tried(with_strength(kind, value), seeds) for value in strengths(kind)[some]}
        best = max(found, key=lambda value: merit(found[value]))
        for value, measured in found.items():
            means = [mean(getattr(one, name) for one in measured) for name in ("tow", "distance", "forget", "retain", "test")]
            figures = [f"{figure:.3f}" for figure in (merit(measured), *means)]
            drawn.add_row(kind, f"{value:.1e}", *figures, "best" if value == best else "")
    Console(width=120).print(drawn)


if __name__ == "__main__":
    main()
