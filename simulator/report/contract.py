"""What the report is put together from: sections that tasks, requests and audits bring, and the words of a task.

A cell names its page, and cells and audits name their sections, as ``"module:name"``; so nothing that describes or plays a run imports the
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
    """What a report says in the words of a task; a subclass says what the common words do not.

    It has no state: everything it needs is in the `ReportData` that it is handed.
    """

    sections: ClassVar[tuple[str, ...]] = ()
    """Sections beside the common ones, as ``"module:name"``."""
    tells_of_no_erasure: ClassVar[bool] = True
    """Whether there is a section on forgetting where nothing had to be forgotten."""
    model: ClassVar[str] = "model"
    """What a peer's own model is called."""

    def collect(self, plan: Plan, store: RunStore, results: Mapping[str, Any]) -> Any:
        """Return what its sections need beyond the rest of the report's data: it becomes ``ReportData.own``."""
        return None

    def headline(self, data: ReportData) -> list[str]:
        """Return what happened, in a few sentences."""
        who, long = words.plural(len(data.peers), "peer").capitalize(), words.plural(len(data.rounds), "round")
        return [f"{who} learned from {data.dataset} for {long}.", *words.departures(data), *words.proof(data)]

    def key_figures(self, data: ReportData) -> list[Figure]:
        """Return the few numbers that a reader in a hurry should see."""
        return [*at_the_end(data), *proven(data)]

    def sentence(self, event: EventRow) -> str:
        """Return what happened as a sentence without its full stop."""
        return words.sentence(event)

    def befell_peers(self, event: EventRow) -> bool:
        """Return whether an event happened to the peers that it names, so that it is marked where their presence is drawn."""
        return True

    def round_columns(self, data: ReportData) -> list[tuple[str, Callable[[RoundRow], str]]]:
        """Return further columns of the table of rounds: what stands over them, and the text of a round."""
        return []

    def peer_columns(self, data: ReportData) -> list[tuple[str, Callable[[PeerRow], str]]]:
        """Return further columns of the table of peers."""
        return []

    def about_peers(self, data: ReportData) -> str:
        """Return what stands over the table of peers."""
        return ""


def at_the_end(data: ReportData) -> list[Figure]:
    """Return how many peers were left, and how long it took."""
    live = data.rounds[-1].live if data.rounds else 0
    return [
        Figure("peers at the end", words.integer(live), f"of {words.integer(len(data.peers))}"),
        Figure("time of the rounds", words.seconds(data.seconds), f"on {data.engine}"),
    ]


def proven(data: ReportData) -> list[Figure]:
    """Return how many erasures are proven exact; nothing if there was none."""
    if not data.erasures:
        return []
    count = sum(row.guarantee == "exact" and row.verdict.name == "proven" for row in data.erasures)
    return [Figure("erasures bit-equal", f"{count} of {len(data.erasures)}", "to never having been there")]


def no_figures(data: ReportData) -> Sequence[Figure]:
    """Return no key figure."""
    return ()


@dataclass(frozen=True)
class Section:
    """A part of the page.

    Parameters
    ----------
    id : str
        Anchor, unique on the page.
    title : str
        In the navigation; none, and it is not there.
    heading : str
        What stands over it.
    order : int
        Sections stand in ascending order; the common ones have tens from 10 to 120.
    template : str
        Jinja2, escaping on, without ``<section>`` and heading. It sees the keys of the view, ``data``, ``page`` (the `TaskPage`), ``w``
        (the words), the macros ``picture(pair, caption)`` and ``cell(text)``, and ``parts``: the sections that stand within this one.
    view : callable
        Returns what the template is filled with; None if the section is not there.
    style : str
        Style sheet; only pages with the section carry it.
    within : str
        The id of the section in which it stands, without heading and anchor.
    figures : callable
        Returns key figures that it adds to those of the task.
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
