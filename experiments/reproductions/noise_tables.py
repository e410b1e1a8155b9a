"""The table of ``noise``, and its two edges: from which level the cut is not seen, and up to which the other concepts do not suffer."""

from __future__ import annotations

from collections.abc import Sequence
from statistics import mean

from rich.table import Table

from experiments.intervals import written
from experiments.reproductions.intervals import Value, over_seeds, text
from experiments.reproductions.lines import Line
from server.defences.detection import expected_auc, expected_hit_rate
from server.defences.recommend import ENTRY


def table(lines: Sequence[Line]) -> Table:
    """Return a row a noise level: shares of samples with intervals over samples, areas and hits with those over training seeds."""
    target, others = (sum(line["n"][part] for line in lines) for part in ("target", "others"))
    drawn = Table(title="a Gaussian fill by its level: share of samples judged right, and how well the cut is told", title_justify="left")
    drawn_heads = (f"erased, n = {target}", f"others, n = {others}", "others less the plain cut's", "erased, attacked")
    for head in ("level", *drawn_heads, "entries", "theory", "columns", "hit rate", "theory"):
        drawn.add_column(head)
    for i, one in enumerate(lines[0]["levels"]):
        erased, rest, attacked = (_pooled(lines, i, *part) for part in (("filled", "target"), ("filled", "others"), ("attacked", "target")))
        kinds = ("entries", "columns", "hits")
        entries, columns, hits = (written(over_seeds(lines, lambda line, i=i, k=kind: line["levels"][i][k])) for kind in kinds)  # type: ignore[misc]
        area, rate = expected_auc(one["level"]), expected_hit_rate(mean(line["share"] for line in lines), one["level"])
        lost = written(over_seeds(lines, _lost(i)))
        drawn.add_row(f"{one['level']:g}", erased, rest, lost, attacked, entries, f"{area:.2f}", columns, hits, f"{rate:.2f}")
    return drawn


def edges(lines: Sequence[Line]) -> list[str]:
    """Return one line on each edge, by means over training seeds."""
    levels = [one["level"] for one in lines[0]["levels"]]
    seen = [over_seeds(lines, lambda line, i=i: line["levels"][i]["entries"]).mean for i in range(len(levels))]  # type: ignore[misc]
    hidden = [level for level, area in zip(levels, seen, strict=True) if max(area, 1 - area) <= ENTRY]
    harmed = list[float]()
    for i in reversed(range(len(levels))):
        if (high := over_seeds(lines, _lost(i)).high) is None or high >= 0:
            break
        harmed.append(levels[i])
    told = f"at levels {', '.join(f'{level:g}' for level in hidden)}" if hidden else "at no level"
    ruined = f"from level {min(harmed):g} on" if harmed else "at no level, as far as these seeds tell"
    return [
        f"not seen by the size of entries (area at most {ENTRY}, at least {1 - ENTRY:.2f}): {told}",
        f"others drawn worse than after the plain cut (interval over training seeds below 0): {ruined}",
    ]


def _lost(i: int) -> Value:
    return lambda line: line["levels"][i]["filled"]["others"] - line["levels"][0]["filled"]["others"]


def _pooled(lines: Sequence[Line], i: int, what: str, part: str) -> str:
    n = sum(line["n"][part] for line in lines)
    return text(sum(line["levels"][i][what][part] * line["n"][part] for line in lines) / n, n)
