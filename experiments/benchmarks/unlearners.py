"""How near unlearning methods bring a network to the retrained one: ``python -m experiments.benchmarks.unlearners [--quick]``.

The private half of digits, a class and 5 % of the rows to forget, five seeds; settings are the usual ones, chosen on the other half
(`experiments.benchmarks.tune`) but for those of methods made for language models. Distances are on the rows to forget. Beside the methods
stand the network that nothing was done to and a second one that was retrained, with another key: no method can be told from retraining
below that floor.
"""

from __future__ import annotations

import argparse
import os

os.environ["OMP_NUM_THREADS"] = "1"  # read when torch is imported

from collections.abc import Sequence

from rich.console import Console
from rich.progress import track
from rich.table import Table

from clients.training import Arrays
from clients.unlearning.contract import UnlearningError
from clients.unlearning.general import METHODS
from clients.unlearning.general.contract import MethodSpec
from experiments.benchmarks._forget_sets import GONE, NETWORK, Case, Gone, Measured, case
from experiments.intervals import interval
from simulator.sweeps.estimates import estimate

NOTHING, FLOOR = "nothing was done", "retrained again"


def methods() -> list[str]:
    """Return the methods that work on this network and are not exact."""
    local = [kind for kind, spec in METHODS.working().items() if spec.applies() and spec.guarantee == "approximate" and kind != "nothing"]
    return [kind for kind in local if usual(kind).misfit(NETWORK.spec) is None]


def usual(kind: str) -> MethodSpec:
    """Return a method with its usual settings."""
    return METHODS.load(kind).model_validate({"kind": kind})


def weights(name: str, one: Case) -> Arrays:
    """Return the weights that a line of the table is about."""
    references = {NOTHING: one.original, FLOOR: one.again}
    return references[name] if name in references else one.unlearned(usual(name))


def measured(gone: Gone, seeds: Sequence[int], names: Sequence[str]) -> tuple[dict[str, list[Measured]], dict[str, str]]:
    """Return, for each line of the table, what was measured in each seed, and why other methods have none."""
    cases = [case("private", gone, seed) for seed in seeds]
    found: dict[str, list[Measured]] = {}
    refused: dict[str, str] = {}
    for name in track((NOTHING, *names, FLOOR), gone, console=Console(stderr=True)):
        try:
            found[name] = [one.measured(weights(name, one)) for one in cases]
        except UnlearningError as reason:
            refused[name] = str(reason)
    return found, refused


def place(found: dict[str, list[Measured]], name: str) -> str:
    """Return where a method's distance lies between that of doing nothing and the floor, by intervals of differences paired by seed."""
    nothing, own, floor = ([one.distance for one in found[each]] for each in (NOTHING, name, FLOOR))
    nearer = estimate([a - b for a, b in zip(nothing, own, strict=True)])
    further = estimate([a - b for a, b in zip(own, floor, strict=True)])
    if nearer.low is None or nearer.low <= 0:
        return "further off" if nearer.high is not None and nearer.high < 0 else "not told from doing nothing"
    return "nearer" if further.low is None or further.low > 0 else "not told from retraining again"


def main(arguments: Sequence[str] | None = None) -> None:
    """Print a table per kind of forget set."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else None)
    parser.add_argument("--quick", action="store_true", help="two seeds, three methods")
    quick = parser.parse_args(arguments).quick
    seeds, names = ((0, 1), ["finetune", "scrub", "ssd"]) if quick else (range(5), methods())
    for gone in GONE:
        found, refused = measured(gone, seeds, names)
        drawn = Table(title=f"digits, {gone} to forget, {len(seeds)} seeds, 95 % intervals")
        for heading in ("method", "distance", "loss", "ToW", "forget", "retain", "test", "to the retrained network"):
            drawn.add_column(heading, justify="left" if heading in ("method", "to the retrained network") else "right")
        for name, values in found.items():
            columns = [interval([getattr(one, field) for one in values]) for field in Measured._fields]
            drawn.add_row(name, *columns, "" if name in (NOTHING, FLOOR) else place(found, name))
        Console(width=160).print(drawn, *(f"{name} is left out: {reason}" for name, reason in refused.items()), sep="\n")


if __name__ == "__main__":
    main()
