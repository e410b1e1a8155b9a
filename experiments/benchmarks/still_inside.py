"""What is still inside after forgetting, by audits that only object: ``python -m experiments.benchmarks.still_inside [--quick]``.

Digits, a network of one hidden layer, a fifth of a peer's rows to forget; 16 shadow models of each kind live as the peer's model did. Each
figure is the mean over seeds, beside that of models that never had the rows (*retrained again*); *objects* counts the seeds whose interval
lies apart from theirs. Doing nothing and retraining are the controls: the first should be objected to, the second not.

Defaults of `neggrad_plus`, `scrub` and `salun` were tuned on the public half of digits; rows and test rows here are drawn from all of them.
"""

from __future__ import annotations

import argparse
import os

os.environ["OMP_NUM_THREADS"] = os.environ["OPENBLAS_NUM_THREADS"] = "1"  # read when NumPy is imported

from collections.abc import Mapping, Sequence

import numpy as np
from rich.console import Console
from rich.progress import track
from rich.table import Table

from clients import streams
from clients.data.bundled import Digits
from clients.models.mlp import Mlp
from clients.training import Adam, Training
from clients.unlearning.approximate.approximate import Approximate
from clients.unlearning.contract import Problem, UnlearnerSpec
from clients.unlearning.exact.retrain import Retrain
from clients.unlearning.general import METHODS
from experiments.intervals import interval
from simulator.audits import AUDITS
from simulator.audits.contract import NotJudgedError
from simulator.audits.lives import Life
from simulator.audits.tier_two import TierTwo
from simulator.audits.verdicts import FAILS, NO_POWER, by_shadows, judged

BASE = Mlp(hidden=(32,))
ASKED = ("nothing", "finetune", "neggrad_plus", "scrub", "salun")
ROWS, SHARE, TEST = 200, 5, 300
"""Rows of the peer, one of so many of which is to be forgotten, and test rows."""


def ways() -> dict[str, UnlearnerSpec]:
    """Return main models that forget, by method."""
    methods = {kind: METHODS.load(kind).model_validate({"kind": kind}) for kind in ASKED}
    return {kind: Approximate(base=BASE, method=method) for kind, method in methods.items()} | {"retrain": Retrain(base=BASE)}


def life(spec: UnlearnerSpec, seed: int) -> Life:
    """Return the life of a model that trains for two rounds, forgets, and trains on for one."""
    data, key = Digits().load(), ("still inside", seed)
    drawn = streams.order(np.arange(len(data)), *key)
    problem = Problem(data.shape, data.classes, training=Training(epochs=10, batch_size=16, optimizer=Adam(lr=0.01)), rounds=3)
    rows, test = (data.rows(np.sort(part)) for part in (drawn[:ROWS], drawn[ROWS : ROWS + TEST]))
    return Life(spec, problem, rows, test, rows.ids[streams.order(rows.ids, *key, "gone")[: ROWS // SHARE]], 2, 1, key)


def measured(name: str, spec: UnlearnerSpec, seed: int, models: int) -> Mapping[str, float | None] | None:
    """Return an audit's figures; None where it does not judge."""
    audit = AUDITS.load(name)(models=models)  # type: ignore[call-arg]
    assert isinstance(audit, TierTwo)
    try:
        return audit.of_life(life(spec, seed))
    except NotJudgedError:
        return None


def mean(values: Sequence[float | None]) -> str:
    """Return the mean of figures with its interval, and of how many seeds where some have none."""
    told = [value for value in values if value is not None]
    count = f", n = {len(told)}" if len(told) < len(values) else ""
    return f"{interval(told) if told else 'not resolvable'}{count}"


def main(arguments: Sequence[str] | None = None) -> None:
    """Print a table with a line for each audit and method."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else None)
    parser.add_argument("--quick", action="store_true", help="two seeds, 8 models of each kind, one method beside the controls")
    quick = parser.parse_args(arguments).quick
    seeds, models = (2, 8) if quick else (5, 16)
    asked = {name: spec for name, spec in ways().items() if not quick or name in ("nothing", "finetune", "retrain")}
    drawn = Table(title=f"{models} models of each kind, {ROWS // SHARE} of {ROWS} rows forgotten, {seeds} seeds, 95 % intervals")
    for heading in ("audit", "method", "figure", "retrained again", "objects", "no power", "n"):
        drawn.add_column(heading, justify="left" if heading in ("audit", "method") else "right")
    names = sorted(name for name, spec in by_shadows().items() if not spec.passes)
    for name in track(names, "audits", console=Console(stderr=True)):
        for method, spec in asked.items():
            found = [one for seed in range(seeds) if (one := measured(name, spec, seed, models)) is not None]
            if not found:
                drawn.add_row(name, method, "not judged", "", "", "", "0")
                continue
            values = [mean([one[key] for one in found]) for key in (name, f"{name}_again")]
            verdicts = [one.verdict for figures in found if (one := judged(name, figures)) is not None]
            drawn.add_row(name, method, *values, str(verdicts.count(FAILS)), str(verdicts.count(NO_POWER)), str(len(found)))
        drawn.add_section()
    Console(width=140).print(drawn)


if __name__ == "__main__":
    main()
