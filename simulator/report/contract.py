"""The parts of a report: sections defined by tasks and audits, and the wording of a task.

Cells name their page, and cells and audits their sections, as ``"module:name"``, so that the code that plays runs does not import the
report.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, ClassVar

from simulator.report import words
from simulator.report.model import EventRow, Figure, PeerRow, ReportData, RoundRow
from simulator.scenarios.plan import Plan
from simulator.storage.store import RunStore


class TaskPage:
    """The wording of a report; a subclass overrides it for a task.

    It has no state: everything that it needs is in the `ReportData` passed to its methods.
    """

    sections: ClassVar[tuple[str, ...]] = ()
    """Sections in addition to the common ones, as ``"module:name"``."""
    tells_of_no_erasure: ClassVar[bool] = True
    """Whether there is a section on forgetting even if nothing had to be forgotten."""
    model: ClassVar[str] = "model"
    """Name of a peer's own model."""

    def collect(self, plan: Plan, store: RunStore, results: Mapping[str, Any]) -> Any:
        """Return the additional data of its sections, ``ReportData.own``."""
        return None

    def headline(self, data: ReportData) -> list[str]:
        """Return what happened, in a few sentences."""
        who, long = words.plural(len(data.peers), "peer").capitalize(), words.plural(len(data.rounds), "round")
        return [f"{who} learned from {data.dataset} for {long}.", *words.departures(data), *words.proof(data)]

    def key_figures(self, data: ReportData) -> list[Figure]:
        """Return the key figures, most important first."""
        return [*at_the_end(data), *proven(data)]

    def sentence(self, event: EventRow) -> str:
        """Return what happened as a sentence without its full stop."""
        return words.sentence(event)

    def befell_peers(self, event: EventRow) -> bool:
        """Return whether an event concerned the presence of the peers that it names, so that it is marked in the chart of members."""
        return True

    def round_columns(self, data: ReportData) -> list[tuple[str, Callable[[RoundRow], str]]]:
        """Return additional columns of the table of rounds: their headings, and functions that return a round's text."""
        return []

    def peer_columns(self, data: ReportData) -> list[tuple[str, Callable[[PeerRow], str]]]:
        """Return additional columns of the table of peers: their headings, and functions that return a peer's text."""
        return []

    def about_peers(self, data: ReportData) -> str:
        """Return the text above the table of peers."""
        return ""


def at_the_end(data: ReportData) -> list[Figure]:
    """Return the number of peers at the end, and the time of the rounds, as key figures."""
    live = data.rounds[-1].live if data.rounds else 0
    return [
        Figure("peers at the end", words.integer(live), f"of {words.integer(len(data.peers))}"),
        Figure("time of the rounds", words.seconds(data.seconds), f"on {data.engine}"),
    ]


def proven(data: ReportData) -> list[Figure]:
    """Return the number of erasures that are proven exact, as a key figure; none without erasures."""
    if not data.erasures:
        return []
    count = sum(row.guarantee == "exact" and row.verdict.name == "proven" for row in data.erasures)
    return [Figure("erasures bit-equal", f"{count} of {len(data.erasures)}", "to never having been there")]


def no_figures(data: ReportData) -> Sequence[Figure]:
    """Return no key figure."""
    return ()


@dataclass(frozen=True)
class Section:
    """A section of the page.

    Parameters
    ----------
    id : str
        Anchor, unique on the page.
    title : str
        Its title in the navigation; if empty, it has no entry there.
    heading : str
        Its heading.
    order : int
        Sections are sorted by it; the common ones have multiples of 10 from 10 to 120.
    template : str
        Jinja2 template with escaping, without ``<section>`` and heading. Its variables are the keys of the view, ``data``, ``page`` (the
        `TaskPage`), ``w`` (`simulator.report.words`), the macros ``picture(pair, caption)`` and ``cell(text)``, and ``parts``, the
        sections inside this one.
    view : callable
        Returns the values of the template's variables, or None to omit the section.
    style : str
        Style sheet, included in pages with the section.
    within : str
        Id of the section that contains it, in which case it has neither heading nor anchor.
    figures : callable
        Returns additional key figures.
    """

    id: str
    title: str
    heading: str
    order: int
    template: str
    view: Callable[[ReportData, TaskPage], Mapping[str, Any] | None]
    style: str = ""
    within: str = ""
    figures: Callable[[ReportData], Sequence[Figure]] = no_figures
