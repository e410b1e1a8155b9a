"""How a mean over seeds is written with its interval, and whether a finding was seen."""

from __future__ import annotations

from collections.abc import Sequence

from simulator.sweeps.estimates import Estimate, estimate


def interval(values: Sequence[float], digits: int = 3) -> str:
    """Return mean and half width of the 95 % interval over seeds; the mean alone of a single seed."""
    return written(estimate(values), digits)


def written(found: Estimate, digits: int = 3) -> str:
    """Return a mean with half its interval; the mean alone of a single seed."""
    return f"{found.mean:,.{digits}f}" + ("" if found.high is None else f" ± {found.high - found.mean:,.{digits}f}")


def said(what: str, values: Sequence[float]) -> str:
    """Return the line of a finding: seen if the whole 95 % interval of its values, one a seed, at least two, lies above 0."""
    found = estimate(values)
    assert found.low is not None
    assert found.high is not None
    verdict = "seen" if found.low > 0 else "the opposite" if found.high < 0 else "not seen"
    return f"{what}: {interval(values)}, {verdict}"
