"""Cost of a deletion in ridge regression from sums and of scikit-learn's refit: ``python -m experiments.benchmarks.ridge [--quick]``.

n = 100,000 rows, d = 50, 1,000 single deletions, each followed by the new coefficients, on one thread. Times are processor time, which
other work on the machine affects little.
"""

from __future__ import annotations

import argparse
import os
import sys

os.environ["OMP_NUM_THREADS"] = os.environ["OPENBLAS_NUM_THREADS"] = "1"  # read when NumPy is imported

from collections.abc import Sequence
from dataclasses import dataclass
from time import thread_time

import numpy as np
from sklearn.linear_model import Ridge as Refit

from clients import streams, wire
from clients.data.rows import Ids, Rows
from clients.unlearning.contract import Problem
from clients.unlearning.exact.statistical.ridge import Linear
from clients.unlearning.exact.statistical.specs import Ridge
from experiments.bars import status

ALPHA = 1.0
TARGET = (-32.0, 32.0)
LEAST_SPEED_UP, LARGEST_ERROR = 1000, 1e-12


@dataclass(frozen=True)
class Result:
    """Seconds of processor time, and the largest difference of a coefficient from scikit-learn's, relative to the largest coefficient."""

    fit: float
    refits: list[float]
    deletions: list[float]
    error: float
    bytes_equal: bool

    @property
    def speed_up(self) -> float:
        """Median seconds of a refit over mean seconds of a deletion."""
        return float(np.median(self.refits) / np.mean(self.deletions))


def rows_of(n: int, d: int) -> Rows:
    """Return n rows of d uniform inputs whose target is linear with noise."""
    draw = streams.generator("ridge benchmark", n, d)
    x = draw.random((n, d), dtype=np.float32)
    return Rows(np.arange(n), x, x.astype(np.float64) @ draw.standard_normal(d) + 0.1 * draw.standard_normal(n))


def fitted(rows: Rows) -> Linear:
    """Return the regression fitted to the rows."""
    model = Ridge(alpha=ALPHA, target=TARGET).build(Problem(rows.x.shape[1:], 1), ())
    assert isinstance(model, Linear)
    model.fit(rows)
    return model


def delete(model: Linear, gone: Ids) -> list[float]:
    """Forget the rows one by one, compute the coefficients each time, and return the seconds that each took."""
    spent = []
    for row in gone:
        request = np.array([row])
        begin = thread_time()
        model.forget(request)
        model.coef_  # noqa: B018  computes the new model, which is timed
        spent.append(thread_time() - begin)
    return spent


def benchmark(n: int, d: int, deletions: int, refits: int) -> Result:
    """Return the measurements."""
    rows = rows_of(n, d)
    delete(fitted(rows_of(200, d)), np.arange(3))  # compile first, so that no deletion includes it
    begin = thread_time()
    model = fitted(rows)
    model.coef_  # noqa: B018
    fit = thread_time() - begin
    gone = rows.ids[streams.order(rows.ids, "ridge benchmark", "requests")[:deletions]]
    spent = delete(model, gone)
    kept = rows.without(gone)
    x, y = kept.x.astype(np.float64), kept.y
    seconds = []
    for _ in range(refits):
        begin = thread_time()
        refit = Refit(alpha=ALPHA).fit(x, y)
        seconds.append(thread_time() - begin)
    error = float(np.abs(model.coef_ - refit.coef_).max() / np.abs(refit.coef_).max())
    return Result(fit, seconds, spent, error, wire.to_bytes(model.state()) == wire.to_bytes(fitted(kept).state()))


def main(arguments: Sequence[str] | None = None) -> int:
    """Print the measurements and whether the bars are met; return 1 if one is not, or if the state differs from the refit's."""
    parser = argparse.ArgumentParser(description="A deletion from ridge regression beside scikit-learn's refit.")
    parser.add_argument("--quick", action="store_true", help="10,000 rows, 100 deletions")
    options = parser.parse_args(arguments)
    n, deletions = (10_000, 100) if options.quick else (100_000, 1000)
    found = benchmark(n, 50, deletions, refits=9)
    spent = np.array(found.deletions) * 1e6
    print(f"ridge, n = {n:,}, d = 50, {deletions:,} single deletions, new coefficients after each, one thread, processor time")
    print(f"own fit {found.fit:.3f} s; scikit-learn's refit, median of {len(found.refits)}: {np.median(found.refits) * 1e3:.2f} ms")
    print(f"deletion: mean {spent.mean():.1f} us, median {np.median(spent):.1f} us, worst {spent.max():.1f} us")
    faster, near = found.speed_up >= LEAST_SPEED_UP, found.error < LARGEST_ERROR
    print(f"speed-up (median refit over mean deletion): {found.speed_up:,.0f}    bar: {LEAST_SPEED_UP:,}, {_met(faster)}")
    print(f"relative error of the coefficients: {found.error:.1e}    bar: {LARGEST_ERROR:.0e}, {_met(near)}")
    print(f"state equals the refit's byte for byte: {found.bytes_equal}")
    return status([faster, near, found.bytes_equal])


def _met(reached: bool) -> str:
    return "reached" if reached else "NOT reached"


if __name__ == "__main__":
    sys.exit(main())
