"""The section on the seeds that peers held before and after erasures."""

from __future__ import annotations

from typing import Any

from simulator.report import graphs, words
from simulator.report.contract import Section, TaskPage
from simulator.report.model import HoldingsChange, ReportData
from simulator.report.sections import changes

LEAD = """<p>A seed model is what a peer lends its neighbours. Forgetting a peer means that every holder drops its seed and signs a
receipt; forgetting rows or edges means that the holders drop the owner\u2019s seed and get one made anew with the next delivery.</p>
"""


def _view(data: ReportData, page: TaskPage) -> dict[str, Any] | None:
    return changes.view(data.holdings, _holdings)


def _holdings(one: HoldingsChange, place: int) -> dict[str, Any]:
    dropped, received = set(one.before) - set(one.after), set(one.after) - set(one.before)
    renewed = sum(one.before[pair] != one.after[pair] for pair in one.before.keys() & one.after.keys() if pair[1] in one.owners)
    shown, everyone = set(graphs.holdings_peers(one)[0]), {peer for pair in {*one.before, *one.after} for peer in pair}
    due = sum(owner in one.owners for _, owner in dropped)
    parts = [f"{words.plural(due, 'seed')} of {words.peers(one.owners)} dropped"]
    parts += [f"{words.plural(renewed, 'seed')} replaced by a new version"] if renewed else []
    parts += [f"{words.plural(len(dropped) - due, 'other seed')} gone with their holders or edges"] if len(dropped) > due else []
    caption = f"Red crosses: {', '.join(parts)}." + (f" Green: {words.plural(len(received), 'seed')} newly received." if received else "")
    return {
        "round": one.round,
        "title": words.peers(one.owners),
        "pictures": changes.pair(graphs.holdings, one, f"seeds-{place}"),
        "caption": caption + (" Only those concerned are drawn." if everyone - shown else ""),
    }


SECTION = Section("seeds", "Seeds", "Who held whose seed", 60, LEAD + changes.TEMPLATE, _view)
