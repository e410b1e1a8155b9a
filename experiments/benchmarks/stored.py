"""Bytes that every classifier of rows stores: ``python -m experiments.benchmarks.stored``.

Each is fitted on the same rows of digits with the settings printed, and the arrays of its state are counted, from which it predicts and
forgets. The rows themselves, and 8 bytes a row for their ids, come on top with every method. The figures have no noise.
"""

from __future__ import annotations

import argparse
from collections.abc import Sequence

import numpy as np
from rich.console import Console
from rich.table import Table

from clients import streams
from clients.config import in_short
from clients.data.bundled import Digits
from clients.data.rows import Rows
from clients.models.mlp import Mlp
from clients.training import Training
from clients.unlearning.approximate.certified.spec import CertifiedRemoval
from clients.unlearning.approximate.finetune import Finetune
from clients.unlearning.approximate.queries import AdaptiveQueries
from clients.unlearning.approximate.recollection import Recollection
from clients.unlearning.approximate.statistics.spec import InfinitesimalJackknife, NewtonStatistics
from clients.unlearning.contract import Problem, UnlearnerSpec
from clients.unlearning.convex.spec import Convex
from clients.unlearning.exact.dare.spec import Dare
from clients.unlearning.exact.hedgecut.spec import HedgeCut
from clients.unlearning.exact.retrain import Retrain
from clients.unlearning.exact.sisa import Sisa
from clients.unlearning.exact.statistical.specs import NaiveBayes, QuantisedKMeans, Ridge

ROWS = 1000
BASE = Mlp(hidden=(32,))
SPECS: tuple[UnlearnerSpec, ...] = (
    Retrain(base=BASE),
    Finetune(base=BASE),
    Recollection(base=BASE),
    Sisa(shards=5, slices=1, base=BASE),
    Sisa(shards=5, slices=4, base=BASE),
    Sisa(shards=5, slices=1, base=Ridge()),
    NaiveBayes(),
    Ridge(),
    QuantisedKMeans(clusters=10),
    Convex(),
    CertifiedRemoval(),
    CertifiedRemoval(hessian="kept"),
    NewtonStatistics(),
    InfinitesimalJackknife(),
    AdaptiveQueries(),
    Dare(),
    HedgeCut(),
)


def rows(count: int) -> tuple[Rows, Problem]:
    """Return rows of digits drawn by key, and their problem."""
    data = Digits().load()
    chosen = np.sort(streams.order(np.arange(len(data.y)), "stored benchmark")[:count])
    return Rows(chosen, data.x[chosen], data.y[chosen]), Problem(data.shape, 10, training=Training(epochs=4))


def measure(spec: UnlearnerSpec, data: Rows, problem: Problem) -> int:
    """Fit, and return the bytes of the state's arrays."""
    model = spec.build(problem, ("stored benchmark",))
    model.fit(data)
    return sum(array.nbytes for array in model.state().values())


def main(arguments: Sequence[str] | None = None) -> None:
    """Print one line per method."""
    argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else None).parse_args(arguments)
    data, problem = rows(ROWS)
    drawn = Table(title=f"bytes stored for {ROWS:,} rows of digits (64 columns, 10 classes), and per row")
    for heading in ("method", "bytes", "bytes a row"):
        drawn.add_column(heading, justify="left" if heading == "method" else "right")
    for spec in SPECS:
        size = measure(spec, data, problem)
        drawn.add_row(in_short(spec), f"{size:,}", f"{size / ROWS:,.1f}")
    Console(width=160).print(drawn)


if __name__ == "__main__":
    main()
