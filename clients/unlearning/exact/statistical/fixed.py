"""Reversible sums: integers in a public fixed-point format.

Float subtraction does not reverse float addition; integer subtraction does. A value is shifted by a public centre and rounded once to a
multiple of 2**-40 of its public half range (rounded up to a power of two). Products of two such integers have 80 bits, so a product is
stored as three sums over 20-bit limbs, each an exact 64-bit integer for up to 2**21 rows.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache
from typing import Any

import numpy as np
import numpy.typing as npt

from clients.data.columns import expand
from clients.unlearning.contract import UnlearningError
from clients.unlearning.tabular import Floats, Table

Ints = npt.NDArray[np.int64]
Sums = dict[str, Ints]

BITS = 40
LIMB = 20
MOST_ROWS = 1 << 21
CHUNK = 4096  # 2**12 products below 2**41 are summed without rounding in float64 (2**53), whatever order a BLAS uses


@cache
def kernels() -> Any:
    """Return the compiled loops; imported lazily and cached, because even a repeated import statement takes a microsecond."""
    from clients.unlearning.exact.statistical import moment_kernels

    return moment_kernels


class Design:
    """The columns that a learner sums: numeric features unchanged, categorical ones as one 0/1 column per category.

    Attributes
    ----------
    width : int
        Number of columns of the design, D.
    low, high : float64 array, shape (D,)
    centre : float64 array, shape (D,)
        Public; zeros unless ``centred``.
    scale : float64 array, shape (D,)
        Powers of two: a value ``x`` is the integer ``round((x - centre) * scale)``.
    """

    def __init__(self, table: Table, centred: bool = True) -> None:
        self.table = table
        numeric = table.categories == 0
        self.low = np.concatenate([table.low[j : j + 1] if numeric[j] else np.zeros(k) for j, k in enumerate(table.categories)])
        self.high = np.concatenate([table.high[j : j + 1] if numeric[j] else np.ones(k) for j, k in enumerate(table.categories)])
        self.source = np.concatenate([[j] * max(int(k), 1) for j, k in enumerate(table.categories)]).astype(np.int64)
        self.width = len(self.low)
        self.centre = (self.low + self.high) / 2 if centred else np.zeros(self.width)
        reach = np.maximum(np.abs(self.low - self.centre), np.abs(self.high - self.centre))
        self.scale = np.ldexp(1.0, BITS - np.ceil(np.log2(np.where(reach > 0, reach, 1.0))).astype(np.intc))

    def expand(self, x: npt.NDArray[np.float32]) -> Floats:
        """Return the design, float64 (n, D), of checked features (n, width of the table)."""
        return expand(x, self.table.columns).astype(np.float64)

    def check(self, rows: int) -> None:
        """Raise ``UnlearningError`` if there are more rows than can be summed exactly."""
        if rows > MOST_ROWS:
            raise UnlearningError(f"rows: {rows} are more than the {MOST_ROWS} whose sums are exact: split them over peers")

    def integers(self, x: npt.NDArray[np.float32]) -> Ints:
        """Return checked features as integers, int64 (n, D), with absolute values of at most 2**40 (plus the rounding of a bound)."""
        return np.asarray(np.rint((self.expand(x) - self.centre) * self.scale).astype(np.int64))

    def values(self, quanta: npt.NDArray[Any]) -> Floats:
        """Return integers, or float averages of them, as numbers of the design (…, D)."""
        return np.asarray(np.asarray(quanta, dtype=np.float64) / self.scale + self.centre)


def limbs(z: Ints) -> tuple[Ints, Ints]:
    """Return high and low limb: ``z = high * 2**20 + low``, ``0 <= low < 2**20``."""
    high = z >> LIMB
    return high, z - (high << LIMB)


def moments(z: Ints) -> Sums:
    """Return n (1,), first (2, m) and second moments (3, m, m) of integer rows (n, m), by limbs."""
    m = z.shape[1]
    second = np.zeros((3, m, m), np.int64)
    high, low = limbs(z)
    for start in range(0, len(z), CHUNK):
        h, w = high[start : start + CHUNK].astype(np.float64), low[start : start + CHUNK].astype(np.float64)
        cross = h.T @ w
        second += np.stack([h.T @ h, cross + cross.T, w.T @ w]).astype(np.int64)
    return {"n": np.array([len(z)]), "first": np.stack([high.sum(axis=0), low.sum(axis=0)]), "second": second}


def whole(high: Ints, low: Ints) -> npt.NDArray[np.object_]:
    """Return Python integers from sums of limbs."""
    return np.asarray((high.astype(object) << LIMB) + low.astype(object))


def squares(z: Ints) -> Ints:
    """Return the sums of squares of integer rows (n, m) by limbs, int64 (3, m)."""
    high, low = limbs(z)
    return np.stack([(high * high).sum(axis=0), (2 * high * low).sum(axis=0), (low * low).sum(axis=0)])


def subtract(sums: Mapping[str, Ints], part: Mapping[str, Ints]) -> None:
    """Subtract ``part`` from ``sums``, in place."""
    for name, array in part.items():
        sums[name] -= array


@dataclass(frozen=True)
class Gram:
    """Moments as numbers: n, means (m,) and centred second moments (m, m) of the design."""

    n: int
    mean: Floats
    scatter: Floats


def gram(sums: Mapping[str, Ints], unit: Floats, centre: Floats) -> Gram:
    """Return means and scatter of integer moments in units ``1 / scale``; zeros if there are no rows."""
    n = int(sums["n"][0])
    m = len(unit)
    if not n:
        return Gram(0, np.zeros(m), np.zeros((m, m)))
    first = sums["first"]
    mean = (first[0] * 2.0**LIMB + first[1]) / n * unit + centre
    return Gram(n, mean, kernels().centred(n, first, sums["second"], unit))
