"""Shares of samples with intervals over samples, means with intervals over training seeds, and differences paired by cut."""

from __future__ import annotations

from collections.abc import Callable, Collection, Sequence
from statistics import mean

from experiments.intervals import written
from experiments.reproductions.lines import Line
from server.audit.intervals import wilson
from simulator.sweeps.estimates import Estimate, estimate

Value = Callable[[Line], float]


def pooled(lines: Sequence[Line], row: str, part: str) -> tuple[float, int]:
    """Return the share of samples judged right in a row of several lines, and their number."""
    n = sum(line["n"][part] for line in lines)
    return sum(line["rows"][row][part] * line["n"][part] for line in lines) / n, n


def text(share: float, n: int) -> str:
    """Format a share with its 95 % interval."""
    low, high = wilson(share, n)
    return f"{share:.2f} ({low:.2f}-{high:.2f})"


def farthest(part: str, shares: Collection[float], n: int) -> str:
    """Return over how many samples shares are, and how far the farthest end of their 95 % intervals lies from its share."""
    most = max(abs(end - share) for share in shares for end in wilson(share, n))
    return f"{part}: n = {n}, 95 % intervals over samples at most \u00b1{most:.3f}"


def cell(lines: Sequence[Line], row: str, part: str, whole: Collection[str] = ()) -> str:
    """Format the share of a row of several cuts with its interval.

    Rows in ``whole`` are of models without a cut. Their samples of other concepts are drawn again for every cut of a training seed, so that
    these are not as many as are counted, and have no interval.
    """
    share, n = pooled(lines, row, part)
    again = part == "others" and row in whole and len(lines) > len({line["seed"] for line in lines})
    return f"{share:.2f}" if again else text(share, n)


def over_seeds(lines: Sequence[Line], value: Value) -> Estimate:
    """Return the mean over training seeds of the means over concepts, with its 95 % interval."""
    seeds = dict.fromkeys(line["seed"] for line in lines)
    return estimate([mean(value(line) for line in lines if line["seed"] == seed) for seed in seeds])


def shift(lines: Sequence[Line], before: Value, after: Value) -> str:
    """Return how much more one version of the weights shows than another of the same cut, with the p value of a paired test.

    The two are drawn from the same start noise, so that the difference of a cut, one seed and concept, is free of it. The interval is over
    training seeds, the two-sided test of Wilcoxon's signed ranks over cuts that differ, which takes cuts of one denoiser as independent; of
    up to 13 it is exact.

    Source: Wilcoxon, "Individual comparisons by ranking methods", Biometrics Bulletin 1, 1945.
    """
    from scipy.stats import wilcoxon

    found = over_seeds(lines, lambda line: after(line) - before(line))
    differences = [round(after(line) - before(line), 9) for line in lines]  # equal shares, summed in another order, are no difference
    changed = [difference for difference in differences if difference]  # zeros would keep scipy from the exact test
    p = float(wilcoxon(changed).pvalue) if changed else 1.0
    return f"{written(found)}, p {p:.2g}"
