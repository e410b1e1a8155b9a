"""Accuracy and deletion time by granularity of statistical queries: ``python -m experiments.benchmarks.queries [--quick]``.

The data are digits, 1,000 training rows and 797 test rows, with one split per seed; times are processor time. Adaptive learners query again
after a deletion, so their cost falls with fewer iterations; the tolerance of the answers affects accuracy only. The summation learner in
comparison, naive Bayes over binned pixels, queries once for one sum per pixel, bin and class, and forgets by subtraction.
"""

from __future__ import annotations

import argparse
import os

os.environ["OMP_NUM_THREADS"] = os.environ["OPENBLAS_NUM_THREADS"] = "1"  # read when NumPy is imported

from collections.abc import Sequence
from dataclasses import dataclass
from statistics import mean
from time import thread_time
from typing import Any, Literal

import numpy as np
from rich.console import Console
from rich.progress import track
from rich.table import Table
from sklearn.datasets import load_digits

from clients import streams
from clients.data.rows import Column, Rows
from clients.unlearning.approximate.queries import AdaptiveQueries
from clients.unlearning.contract import Problem, UnlearnerSpec
from clients.unlearning.exact.statistical.specs import NaiveBayes
from experiments.intervals import interval

STEPS: dict[Literal["logistic", "svm", "network"], float] = {"logistic": 1.0, "svm": 0.1, "network": 1.0}
"""Step size of each adaptive learner; hinge losses have larger gradients."""

TOLERANCES = (0.1, 0.03, 0.01, 1e-3, 1e-5)
ITERATIONS = (5, 20, 100)
BINS = (2, 3, 5, 9, 17)


@dataclass(frozen=True)
class Measured:
    """Measurements of one seed: queried numbers in a fit, test accuracy, and seconds of a fit and of the deletion of one row.

    Both times include the prediction of one test row, which may be what makes a model ready.
    """

    queries: int
    accuracy: float
    fit: float
    deletion: float


def split(seed: int, bins: int | None = None) -> tuple[Rows, Rows, Problem]:
    """Return training rows, test rows and the problem; pixels are in [0, 1], or categories if bins are given."""
    source = load_digits()
    x, y = source.data / 16, source.target.astype(np.int64)
    columns: tuple[Column, ...] = ()
    if bins:
        x = np.minimum(np.floor(x * bins), bins - 1)
        columns = tuple(Column(f"x{j}", 0, bins - 1, bins) for j in range(64))
    order = streams.order(np.arange(len(y)), "queries benchmark", seed)
    train, test = np.sort(order[:1000]), np.sort(order[1000:])
    return (*(Rows(part, x[part].astype(np.float32), y[part]) for part in (train, test)), Problem((64,), 10, columns=columns))


def measure(spec: UnlearnerSpec, seed: int, bins: int | None, deletions: int) -> Measured:
    """Fit, test, and delete rows one by one."""
    train, test, problem = split(seed, bins)
    model: Any = spec.build(problem, (seed, "queries benchmark"))
    begin = thread_time()
    model.fit(train)
    model.predict_proba(test.x[:1])
    fit = thread_time() - begin
    answers = model.predict_proba(test.x)
    queries = model.oracle.asked if isinstance(spec, AdaptiveQueries) else sum(array.size for array in model.sums.values())
    begin = thread_time()
    for row in train.ids[:deletions]:
        model.forget(np.array([row]))
        model.predict_proba(test.x[:1])
    return Measured(queries, float((answers.argmax(axis=1) == test.y).mean()), fit, (thread_time() - begin) / deletions)


def main(arguments: Sequence[str] | None = None) -> None:
    """Print one line per granularity."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else None)
    parser.add_argument("--quick", action="store_true", help="two seeds, few settings")
    quick = parser.parse_args(arguments).quick
    seeds, deletions = (2, 2) if quick else (5, 5)
    tolerances, iterations, bins = (TOLERANCES[::2], ITERATIONS[:1], BINS[:2]) if quick else (TOLERANCES, ITERATIONS, BINS)
    entries: list[tuple[str, str, UnlearnerSpec, int | None]] = [
        (f"adaptive {model}", f"tolerance {tolerance:g}, {steps} iterations", spec, None)
        for model, lr in STEPS.items()
        for steps in iterations
        for tolerance in tolerances
        for spec in [AdaptiveQueries(model=model, lr=lr, tolerance=tolerance, iterations=steps, refine=max(1, steps // 5))]
    ]
    entries += [("naive Bayes from sums", f"{k} bins", NaiveBayes(distribution="multinomial"), k) for k in bins]
    drawn = Table(title=f"granularity of statistical queries on digits, 1,000 rows, n = 797 test rows, {seeds} seeds, 95 % intervals")
    for heading in ("learner", "granularity", "numbers asked", "accuracy", "fit, ms", "deletion, ms", "fit / deletion"):
        drawn.add_column(heading, justify="left" if heading in ("learner", "granularity") else "right")
    for learner, grain, spec, k in track(entries, "settings", console=Console(stderr=True)):
        found = [measure(spec, seed, k, deletions) for seed in range(seeds)]
        fit, deletion = (mean(getattr(one, name) for one in found) * 1e3 for name in ("fit", "deletion"))
        accuracy = interval([one.accuracy for one in found])
        drawn.add_row(learner, grain, f"{found[0].queries:,}", accuracy, f"{fit:.1f}", f"{deletion:.2f}", f"{fit / deletion:.1f}")
    Console(width=140).print(drawn)
    print("baseline of each line: its own fit, which is what retraining would cost after each deletion")


if __name__ == "__main__":
    main()
