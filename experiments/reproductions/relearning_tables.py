"""Lines of ``relearning``: every measurement, means over concepts, and whether an eraser holds five times the steps of another."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from statistics import mean

from experiments.intervals import interval, said
from experiments.reproductions.intervals import Value, shift, text
from experiments.reproductions.lines import Line

LONGER = 5
"""How many times the steps an adversary should need after a defence."""
Row = tuple[str, str, int]
"""Eraser, what the adversary trains (empty as released), and steps."""


def each(lines: Sequence[Line]) -> Iterator[str]:
    """Yield what each eraser left of each concept, and what each adversary made of it, with 95 % intervals over samples."""
    for line in lines:
        n = line["n"]
        for row in line["rows"]:
            what = f"seed {line['seed']}, {line['concept']} {_named((line['eraser'], row['scope'], row['steps']))}"
            yield f"{what}: erased {text(row['target'], n['target'])}, others {text(row['others'], n['others'])}"


def means(lines: Sequence[Line], erasers: Sequence[str]) -> Iterator[str]:
    """Yield means over concepts with intervals over seeds, and whether an eraser holds five times the first one's steps.

    Below that stand the differences of the same cuts, one a seed and concept, of the erased concept and of the others.
    """
    cuts = _cuts(lines)
    rows = list(cuts[0]["rows"])
    for row in rows:
        yield f"{_named(row)}: erased {interval(_by_seed(cuts, row, 'target'), 2)}, others {interval(_by_seed(cuts, row, 'others'), 2)}"
    if len({cut["seed"] for cut in cuts}) > 1:
        for (kind, scope, steps), other in ((row, other) for row in rows for other in erasers[1:]):
            if kind == erasers[0] and steps and (other, scope, LONGER * steps) in rows:
                yield from _longer(cuts, (kind, scope, steps), other)


def _longer(cuts: Sequence[Line], row: Row, other: str) -> Iterator[str]:
    """Yield how much less another eraser shows after five times the steps, and the differences paired by cut."""
    kind, scope, steps = row
    later = (other, scope, LONGER * steps)
    less = [a - b for a, b in zip(_by_seed(cuts, row, "target"), _by_seed(cuts, later, "target"), strict=True)]
    yield said(f"{other} after {LONGER * steps} steps on {scope} shows less than {kind} after {steps}", less)
    erased, others = (shift(cuts, _value(row, part), _value(later, part)) for part in ("target", "others"))
    yield f"  {other} less {kind}, paired, {len(cuts)} cuts: erased {erased}; others {others}"


def _cuts(lines: Sequence[Line]) -> list[Line]:
    """Return one line a seed and concept, with the rows of all erasers."""
    found: dict[tuple[int, int], Line] = {}
    for line in lines:
        cut = found.setdefault((line["seed"], line["concept"]), {"seed": line["seed"], "rows": {}})
        cut["rows"] |= {(line["eraser"], row["scope"], row["steps"]): row for row in line["rows"]}
    return list(found.values())


def _value(row: Row, part: str) -> Value:
    return lambda cut: float(cut["rows"][row][part])


def _by_seed(cuts: Sequence[Line], row: Row, part: str) -> list[float]:
    """Return the means over concepts, one a seed."""
    seeds = dict.fromkeys(cut["seed"] for cut in cuts)
    return [mean(cut["rows"][row][part] for cut in cuts if cut["seed"] == seed) for seed in seeds]


def _named(row: Row) -> str:
    kind, scope, steps = row
    return f"{kind}, {steps} steps on {scope}" if steps else f"{kind}, released"
