"""How benchmarks write a mean over seeds with its interval, and whether a finding was seen."""

from __future__ import annotations

from collections.abc import Sequence

from simulator.sweeps.estimates import estimate


def interval(values: Sequence[float], digits: int = 3) -> str:
    """Return mean and half width of the 95 % interval over seeds; the mean alone of a single seed."""
    found = estimate(values)
    return f"{found.mean:,.{digits}f}" + ("" if found.high is None else f" ± {found.high - found.mean:,.{digits}f}")


def said(what: str, values: Sequence[float]) -> str:
    """Return the line of a finding: seen if the whole 95 % interval of its values, one a seed, at least two, lies above 0."""
    found = estimate(values)
    assert found.low is not None
    assert found.high is not None
    verdict = "seen" if found.low > 0 else "the opposite" if found.high < 0 else "not seen"
    return f"{what}: {interval(values)}, {verdict}"
