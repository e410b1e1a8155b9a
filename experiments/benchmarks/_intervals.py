"""How benchmarks write a mean over seeds with its interval."""

from __future__ import annotations

from collections.abc import Sequence

from simulator.sweeps.estimates import estimate


def interval(values: Sequence[float], digits: int = 3) -> str:
    """Return mean and half width of the 95 % interval over seeds; the mean alone of a single seed."""
    found = estimate(values)
    return f"{found.mean:,.{digits}f}" + ("" if found.high is None else f" ± {found.high - found.mean:,.{digits}f}")
