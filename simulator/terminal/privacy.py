"""What private training has spent, for the terminal."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from rich.table import Table

MOST = 40
"""Peers that are shown; results.json has all."""


def table(told: Mapping[str, Any]) -> Table:
    """Return the table of epsilons by peer, of the results' table ``privacy``."""
    most = max(one["epsilon"] for one in told["peers"])
    title = f"privacy of a row: epsilon {most:.3g} at most, delta {told['delta']:g}, noise {told['noise']:g}, clip {told['clip']:g}"
    found = Table(title=title, title_justify="left", box=None, pad_edge=False)
    limited = told["budget"] is not None
    for column in ("peer", "epsilon", "rounds trained", *((f"rounds over the budget of {told['budget']:g}",) if limited else ())):
        found.add_column(column, overflow="fold")
    for one in told["peers"][:MOST]:
        over = (str(one["over_budget"]),) if limited else ()
        found.add_row(str(one["peer"]), f"{one['epsilon']:.3g}", str(one["rounds"]), *over)
    if len(told["peers"]) > MOST:
        found.add_row("...", f"{len(told['peers']) - MOST} more in results.json")
    return found
