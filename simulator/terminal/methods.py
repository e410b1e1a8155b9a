"""What ``lethe methods`` lists: unlearners with their guarantees, erasers, adversaries with what they know, fills, and judges.

What other distributions bring stands among them; what is broken of it, whatever it is, comes last.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from inspect import getdoc

from clients.diffusion.judges.spec import JUDGES
from clients.unlearning import UNLEARNERS
from clients.unlearning.pruning import ERASERS
from server.defences.fills import FILLS
from server.revival.adversaries import ADVERSARIES
from simulator.plugins import registries

FEDERATED = (
    ("drop_seed", "exact", "peers", "neighbours drop a leaver's seed; nobody retrains", "HDUS, Ye et al. 2023"),
    ("subtract", "exact", "peers, rows", "federation = sums: a server takes a peer's sums out of the total", "Cao and Yang 2015"),
)
"""What is no unlearner of its own, but what departures and deletions do to what peers have together."""


def rows() -> list[tuple[str, str, str, str, str]]:
    """Return kind, guarantee, what a request names, summary and source of every unlearner."""
    specs = UNLEARNERS.working().items()
    return [*FEDERATED, *((kind, spec.guarantee, spec.unit, spec.summary, spec.source) for kind, spec in specs)]


def erasers() -> list[tuple[str, str, str, str]]:
    """Return kind, what is needed, summary and source of every eraser."""
    return [(kind, "images" if spec.needs_images else "nothing", spec.summary, spec.source) for kind, spec in ERASERS.working().items()]


def adversaries() -> list[tuple[str, str, str]]:
    """Return kind, knowledge and summary of every adversary."""
    return [(kind, spec.knows(), spec.summary) for kind, spec in ADVERSARIES.working().items()]


def fills() -> list[tuple[str, str]]:
    """Return kind and summary of every fill."""
    return [(kind, (getdoc(spec) or "").partition("\n")[0].replace("``", "")) for kind, spec in FILLS.working().items()]


def judges() -> list[tuple[str, str]]:
    """Return kind and summary of every judge."""
    return [(kind, spec.summary) for kind, spec in JUDGES.working().items()]


def table() -> str:
    """Return everything as aligned text, a section each."""
    sections = (
        ("unlearners: what forgets peers or rows, and how well", ("method", "guarantee", "forgets", "how", "source"), rows()),
        ("erasers: what erases a concept from a denoiser, which no longer draws it", ("method", "needs", "how", "source"), erasers()),
        ("adversaries: what tries to bring a concept back", ("adversary", "knows", "how"), adversaries()),
        ("fills: what hides where something was cut", ("fill", "how"), fills()),
        ("judges: what says what samples show", ("judge", "how"), judges()),
    )
    told = [f"{title}\n{_aligned([heads, *lines])}" for title, heads, lines in sections]
    if lines := broken():
        told.append("\n".join(["broken: what other distributions bring, and no scenario can use", *lines]))
    return "\n\n".join(told)


def broken() -> list[str]:
    """Return a line for everything from other distributions that cannot be used."""
    return [line for registry in registries() for line in registry.broken()]


def _aligned(lines: Sequence[Iterable[str]]) -> str:
    """Return rows of cells as text in columns."""
    cells = [tuple(line) for line in lines]
    widths = [max(map(len, column)) for column in zip(*cells, strict=True)]
    return "\n".join("  ".join(cell.ljust(width) for cell, width in zip(line, widths, strict=True)).rstrip() for line in cells)
