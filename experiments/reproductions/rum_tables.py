"""Tables and findings of the reproduction of RUM."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from math import exp
from statistics import mean

from rich.table import Table
from scipy.stats import spearmanr

from experiments.benchmarks.refined import METHODS, RUM
from experiments.intervals import interval, said
from experiments.reproductions.rum_sets import METHODS_ASKED, Judged

Sets = Mapping[str, Judged]
"""The forget sets of a seed by name."""
Measure = Callable[[Judged], Mapping[str, float]]
"""From a forget set to ToW, or to ToW-MIA, by method."""
Ways = Mapping[tuple[str, str], Sequence[float]]
"""ToW, or ToW-MIA, in each seed, by method and way."""


def of_sets(title: str, found: Sequence[Sets], measure: Measure) -> Table:
    """Return the table of forget sets: their factors, and a measure by method."""
    drawn = Table(title=f"{title} by forget set, a tenth of the rows each, {len(found)} seeds, 95 % intervals")
    for heading in ("forget set", "entanglement, random = 1", "memorisation", *METHODS_ASKED):
        drawn.add_column(heading, justify="left" if heading == "forget set" else "right")
    for name in found[0]:
        sets = [one[name] for one in found]
        factors = interval([exp(one.entanglement) for one in sets], 2), interval([one.memorisation for one in sets], 2)
        drawn.add_row(name, *factors, *(interval([measure(one)[kind] for one in sets]) for kind in METHODS_ASKED))
    return drawn


def of_advice(title: str, found: Mapping[str, Sequence[float]]) -> Table:
    """Return the table of ways to choose a method."""
    seeds = len(next(iter(found.values())))
    drawn = Table(title=f"{title}: ToW of the method chosen, held-out forget sets of {seeds} other seeds, 95 % intervals")
    for heading in ("way to choose", "ToW"):
        drawn.add_column(heading, justify="left" if heading == "way to choose" else "right")
    for name, values in found.items():
        drawn.add_row(name, interval(values))
    return drawn


def of_refining(name: str, ways: Ways) -> Iterator[str]:
    """Yield a line for each finding told of splitting a forget set, by one measure."""
    for kind in METHODS:
        yield said(f"1. {name}: {kind}: refined above vanilla", _minus(ways[kind, "refined"], ways[kind, "vanilla"]))
        yield said(f"2. {name}: {kind}: refined above shuffled", _minus(ways[kind, "refined"], ways[kind, "shuffled"]))
        yield said(f"3. {name}: {kind}: vanilla above shuffled", _minus(ways[kind, "vanilla"], ways[kind, "shuffled"]))
        yield said(f"10. {name}: {kind}: refined above reversed", _minus(ways[kind, "refined"], ways[kind, "reversed"]))
    for kind in RUM.split(", "):
        yield said(f"4. {name}: RUM ({RUM}) above {kind} alone", _minus(ways[RUM, "RUM"], ways[kind, "vanilla"]))


def of_factors(name: str, sets: Sequence[Sets], advised: Mapping[str, Sequence[float]]) -> Iterator[str]:
    """Yield a line for each finding told of entanglement and memorisation, and for the advisor, by ToW."""
    kept = [one["least memorised"].tow["nothing"] - one["most memorised"].tow["nothing"] for one in sets]
    yield said(f"5. {name}: nothing: ToW of the least memorised rows above that of the most", kept)
    for kind in METHODS_ASKED[1:]:
        least, most = ([one[which].tow[kind] for one in sets] for which in ("least memorised", "most memorised"))
        yield said(f"11. {name}: {kind}: ToW of the least memorised rows above that of the most", _minus(least, most))
    for which, sign, how in (("least", -1, "below"), ("most", 1, "above")):
        apart = [sign * _relabelled(one[f"{which} memorised"]) for one in sets]
        yield said(f"12. {name}: random_labels {how} the mean of other methods that train, {which} memorised rows", apart)
    yield said(f"6. {name}: ToW falls as entanglement rises, rank correlation over sets", [-_rank(one) for one in sets])
    advisor, single, mistaken, _ = advised.values()
    yield said(f"7. {name}: advisor above the best single method", _minus(advisor, single))
    yield said(f"8. {name}: advisor above one of mistaken factors", _minus(advisor, mistaken))


def _relabelled(one: Judged) -> float:
    """Return the ToW of relabelling less the mean of that of the other methods that do something."""
    return one.tow["random_labels"] - mean(tow for kind, tow in one.tow.items() if kind not in ("nothing", "random_labels"))


def _rank(sets: Sets) -> float:
    """Return the rank correlation over sets of their entanglement with their mean ToW over methods that do something."""
    tows = [mean(tow for kind, tow in one.tow.items() if kind != "nothing") for one in sets.values()]
    return float(spearmanr([one.entanglement for one in sets.values()], tows).statistic)


def _minus(ours: Sequence[float], theirs: Sequence[float]) -> list[float]:
    return [one - other for one, other in zip(ours, theirs, strict=True)]
