"""The output of ``lethe methods``: systems of the literature, methods, unlearners, erasers, adversaries, fills and judges.

Components of other distributions are included; broken ones, of any kind, come last.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from inspect import getdoc

from clients.diffusion.judges.spec import JUDGES
from clients.unlearning import UNLEARNERS
from clients.unlearning.contract import UnlearnerSpec
from clients.unlearning.general import METHODS
from clients.unlearning.pruning import ERASERS
from clients.unlearning.pruning.contract import EraserSpec
from server.defences.fills import FILLS
from server.revival.adversaries import ADVERSARIES
from simulator.plugins import registries
from simulator.requests import REQUESTS
from simulator.scenarios.tasks import CELLS
from simulator.terminal import systems


def methods() -> list[tuple[str, str, str, str, str]]:
    """Return kind, guarantee, possible uses, summary and source of every method."""
    cells = {name: cell() for name, cell in CELLS.working().items()}
    able = {name: {kind for request in REQUESTS.targets() for kind in cell.methods(request)} for name, cell in cells.items()}
    found: list[tuple[str, str, str, str, str]] = []
    for kind, spec in METHODS.working().items():
        where = [*["main models"] * spec.applies(), *(name for name, kinds in able.items() if kind in kinds)]
        found.append((kind, spec.guarantee, ", ".join(where) or "nowhere yet", spec.summary, spec.source))
    return found


def unlearners() -> list[tuple[str, str, str, str, str, str]]:
    """Return kind, guarantee, unit of requests, use as main model, summary and source of every unlearner."""
    specs = UNLEARNERS.working().items()
    return [(kind, spec.guarantee, spec.unit, _main(spec), spec.summary, spec.source) for kind, spec in specs]


def _main(spec: type[UnlearnerSpec]) -> str:
    """Return whether peers that classify can have an unlearner as main model, or why not, in words."""
    if not spec.classifier:
        return "no: is no classifier"
    return {"rows": "yes", "nodes and edges": "yes, on graphs", "interactions and users": "yes, on ratings"}.get(spec.unit, "no")


def erasers() -> list[tuple[str, str, str, str]]:
    """Return kind, requirements, summary and source of every eraser."""
    return [(kind, _needs(spec), spec.summary, spec.source) for kind, spec in ERASERS.working().items()]


def _needs(spec: type[EraserSpec]) -> str:
    """Return the requirements of an eraser, as text."""
    return ", ".join([*["images"] * spec.needs_images, *["guidance"] * spec.needs_guidance]) or "nothing"


def adversaries() -> list[tuple[str, str, str]]:
    """Return kind, knowledge and summary of every adversary."""
    return [(kind, spec.knows(), spec.summary) for kind, spec in ADVERSARIES.working().items()]


def fills() -> list[tuple[str, str]]:
    """Return kind and summary of every fill."""
    return [(kind, (getdoc(spec) or "").partition("\n")[0].replace("``", "")) for kind, spec in FILLS.working().items()]


def judges() -> list[tuple[str, str]]:
    """Return kind and summary of every judge."""
    return [(kind, spec.summary) for kind, spec in JUDGES.working().items()]


def _sections() -> tuple[tuple[str, tuple[str, ...], Sequence[tuple[str, ...]]], ...]:
    """Return title, headings and rows of every section."""
    known = methods()
    places = {kind: place for kind, _, place, _, _ in known}
    return (
        (
            "systems: what the literature describes, and the ready scenario that shows it",
            ("system", "component", "guarantee", "where", "scenario", "source"),
            systems.rows(places),
        ),
        ("methods: how a request is carried out on given weights", ("method", "guarantee", "where", "how", "source"), known),
        (
            "unlearners: models that forget, and how well",
            ("method", "guarantee", "forgets", "main model of peers", "how", "source"),
            unlearners(),
        ),
        ("erasers: what erases a concept from a denoiser, which no longer draws it", ("method", "needs", "how", "source"), erasers()),
        ("adversaries: what tries to bring a concept back", ("adversary", "knows", "how"), adversaries()),
        ("fills: what hides where something was cut", ("fill", "how"), fills()),
        ("judges: what says what samples show", ("judge", "how"), judges()),
    )


def as_json() -> dict[str, list[dict[str, str]] | list[str]]:
    """Return the sections as plain values, their rows as mappings by heading; ``broken`` lists what cannot be used."""
    told = {title.partition(":")[0]: [dict(zip(heads, line, strict=True)) for line in lines] for title, heads, lines in _sections()}
    return {**told, "broken": broken()}


def table() -> str:
    """Return the sections as aligned text."""
    told = [f"{title}\n{_aligned([heads, *lines])}" for title, heads, lines in _sections()]
    if lines := broken():
        told.append("\n".join(["broken: what other distributions bring, and no scenario can use", *lines]))
    return "\n\n".join(told)


def broken() -> list[str]:
    """Return a line for every component of another distribution that cannot be used."""
    return [line for registry in registries() for line in registry.broken()]


def _aligned(lines: Sequence[Iterable[str]]) -> str:
    """Return rows of cells as text with aligned columns."""
    cells = [tuple(line) for line in lines]
    widths = [max(map(len, column)) for column in zip(*cells, strict=True)]
    return "\n".join("  ".join(cell.ljust(width) for cell, width in zip(line, widths, strict=True)).rstrip() for line in cells)
