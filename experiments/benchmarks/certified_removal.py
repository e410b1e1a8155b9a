"""Time of a certified removal beside a retraining: ``python -m experiments.benchmarks.certified_removal [--quick]``.

Generated rows in [0, 1] of two kinds: columns that are independent, and columns that move together as pixels do. The baseline is the
retraining that costs least, L-BFGS of SciPy from the present parameters until the gradient's norm is 1e-6; a removal includes dropping the
row, its certificate and the hash over all rows. Processor time of one thread.
"""

from __future__ import annotations

import argparse
import os

os.environ["OMP_NUM_THREADS"] = os.environ["OPENBLAS_NUM_THREADS"] = "1"  # read when NumPy is imported

from collections.abc import Sequence
from contextlib import suppress
from statistics import mean
from time import thread_time
from typing import Any, Literal

import numpy as np
import torch
from rich.console import Console
from rich.table import Table
from scipy.optimize import minimize
from scipy.special import expit

from clients.data.rows import Rows
from clients.streams import bottom, generator
from clients.unlearning.approximate.certified.removal import Removing
from clients.unlearning.approximate.certified.spec import CertifiedRemoval
from clients.unlearning.contract import Problem
from clients.unlearning.convex.objective import Objective
from clients.unlearning.convex.spec import Convex

ENOUGH = 1e-6
"""Norm of the gradient at which a retraining has ended."""


class _EndedError(Exception):
    """Ends L-BFGS, whose own tolerances are of another norm."""


def generated(n: int, d: int, together: bool, seed: int) -> Rows:
    """Return rows with two classes; a column moves with its neighbours if they move together."""
    draw = generator("certified removal benchmark", seed)
    x = draw.random((n, d))
    if together:
        reach = np.abs(np.subtract.outer(np.arange(d), np.arange(d)))
        x = draw.standard_normal((n, d)) @ np.exp(-reach / 10)
        x = (x - x.min(axis=0)) / (x.max(axis=0) - x.min(axis=0))
    score = (x - x.mean(axis=0)) @ draw.standard_normal(d)
    y = 4 * score / score.std() + draw.logistic(size=n) > 0
    return Rows(np.arange(n), x.astype(np.float32), y.astype(np.int64))


def retrained(objective: Objective, start: torch.Tensor) -> float:
    """Return the seconds that L-BFGS takes from these parameters."""
    x, t, linear = objective.x.numpy(), objective.targets.numpy()[:, 0], objective.linear.numpy()[:, 0]

    def value(w: np.ndarray) -> tuple[float, np.ndarray]:
        margins = t * (x @ w)
        gradient = x.T @ (-t * expit(-margins)) + objective.ridge * w + linear
        if np.linalg.norm(gradient) <= ENOUGH:
            raise _EndedError
        return float(np.logaddexp(0, -margins).sum() + objective.ridge / 2 * w @ w + linear @ w), gradient

    begin = thread_time()
    with suppress(_EndedError):
        minimize(value, start.numpy()[:, 0], jac=True, method="L-BFGS-B", options={"ftol": 0, "gtol": 0, "maxfun": 10**5, "maxiter": 10**5})
    return thread_time() - begin


def measure(rows: Rows, hessian: Literal["fresh", "kept"], removals: int) -> tuple[float, float, float, float]:
    """Return mean seconds of a removal and of a retraining, the largest bound, and the budget."""
    spec = CertifiedRemoval(base=Convex(penalty=1e-3), sigma=1.0, hessian=hessian)
    model = Removing(spec, Problem((rows.x.shape[1],), 2), ("certified removal benchmark",))
    model.fit(rows)
    removal, retraining, bounds = [], [], []
    for row in bottom(removals, rows.ids.tolist(), "certified removal benchmark"):
        start = model.weights
        begin = thread_time()
        outcome: Any = model.forget(np.array([row]))
        removal.append(thread_time() - begin)
        bounds.append(float(outcome.certificate["bound"]))
        retraining.append(retrained(model.objective(), start))
    return mean(removal), mean(retraining), max(bounds), spec.law.budget


def main(arguments: Sequence[str] | None = None) -> None:
    """Print one line per kind of rows and of Hessian."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else None)
    parser.add_argument("--quick", action="store_true", help="few rows and columns")
    n, d, removals = (300, 20, 2) if parser.parse_args(arguments).quick else (12_000, 784, 10)
    torch.set_num_threads(1)
    drawn = Table(title=f"certified removal of one row, n = {n:,}, d = {d}, {removals} removals, one thread")
    for heading in ("columns", "Hessian", "removal, ms", "retraining, ms", "retraining / removal", "largest bound", "budget"):
        drawn.add_column(heading, justify="left" if heading in ("columns", "Hessian") else "right")
    for columns in ("independent", "together"):
        rows = generated(n, d, columns == "together", 0)
        for hessian in ("fresh", "kept"):
            removal, retraining, bound, budget = measure(rows, hessian, removals)  # type: ignore[arg-type]
            times = f"{removal * 1e3:.1f}", f"{retraining * 1e3:.1f}", f"{retraining / removal:.1f}"
            drawn.add_row(columns, hessian, *times, f"{bound:.1e}", f"{budget:.2g}")
    Console(width=120).print(drawn)


if __name__ == "__main__":
    main()
