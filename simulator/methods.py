"""The table of unlearners for ``lethe methods``."""

from __future__ import annotations

from clients.unlearning import UNLEARNERS

PEERS = ("drop_seed", "exact", "peers", "neighbours drop a leaver's seed; nobody retrains", "HDUS, Ye et al. 2023")
"""The one method that is no unlearner of its own: it is what a departure does to the ensembles."""


def rows() -> list[tuple[str, str, str, str, str]]:
    """Return kind, guarantee, what a request names, summary and source of every method."""
    specs = [(kind, UNLEARNERS.load(kind)) for kind in UNLEARNERS.targets()]
    return [PEERS, *((kind, spec.guarantee, spec.unit, spec.summary, spec.source) for kind, spec in specs)]


def table() -> str:
    """Return the methods as aligned text."""
    lines = [("method", "guarantee", "forgets", "how", "source"), *rows()]
    widths = [max(len(line[column]) for line in lines) for column in range(4)]
    return "\n".join("  ".join([*(cell.ljust(width) for cell, width in zip(line, widths, strict=False)), line[4]]) for line in lines)
