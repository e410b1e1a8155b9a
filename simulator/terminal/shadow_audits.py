"""The table of audits by shadow models in a terminal."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from rich.table import Table

from simulator.audits.verdicts import Ends, all_judged, told
from simulator.runs.shown import number, round_and_subject


def table(found: dict[str, Any]) -> Table | None:
    """Return one row for each audit by shadow models of each erasure, from the results; None if there is none."""
    rows = list(all_judged(list(found.get("audits", {})), found["erasures"]))
    if not rows:
        return None
    title = "audits by shadow models, with 95 % intervals"
    drawn = Table(title=title, title_justify="left", box=None, pad_edge=False)
    for head in ("audit", "round", "what", "as run", "retrained\nagain", "did\nnothing", "threshold", ""):
        drawn.add_column(head, overflow="fold")
    for place, one in rows:
        values = (_interval(ends) for ends in (one.method, one.again, one.nothing))
        drawn.add_row(_said(one.name), *round_and_subject(found["erasures"][place]), *values, number(one.threshold), one.verdict)
    return drawn


def spreads(found: dict[str, Any]) -> Iterator[str]:
    """Yield a line for each audit by shadow models of several erasures: how far they differ beyond chance."""
    for name in found.get("audits", {}):
        rows = list(all_judged([name], found["erasures"]))
        subjects = [f"{what}, round {when}" for when, what in (round_and_subject(found["erasures"][place]) for place, _ in rows)]
        yield from told(_said(name), [one for _, one in rows], subjects)


def _said(name: str) -> str:
    return name.replace("_", " ")


def _interval(ends: Ends) -> str:
    return f"{number(ends[0])}\n[{number(ends[1])}, {number(ends[2])}]"
