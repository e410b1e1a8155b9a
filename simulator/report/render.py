"""The report as one HTML page: a pure function of the report's data."""

from __future__ import annotations

import math
from collections.abc import Callable
from types import SimpleNamespace
from typing import Any

from jinja2 import DictLoader, Environment, StrictUndefined

from simulator.report import curves, graphs, svg, words
from simulator.report.diffusion import curves as diffusion_curves
from simulator.report.diffusion import render as diffusion_render
from simulator.report.diffusion import words as diffusion_words
from simulator.report.diffusion.template import ROOTS, ROOTS_CSS
from simulator.report.model import Accuracy, ErasureRow, Figure, Outcome, PeerRow, ReportData, RoundRow
from simulator.report.style import CSS
from simulator.report.template import PAGE

MOST_PICTURES = 12
MOST_EVENTS = 60
MOST_ERASURES = 60
MOST_PEERS = 60
MOST_ROUNDS = 60
MOST_INCIDENTS = 50
MOST_CLASSES = 20


def render(data: ReportData) -> str:
    """Return the report of a run as a self-contained HTML page: nothing in it is fetched, and equal data gives equal bytes.

    Long lists are cut, and the page says by how much.
    """
    shown = data.graphs[:MOST_PICTURES], data.holdings[:MOST_PICTURES]
    pages = DictLoader({"page": PAGE, "roots": ROOTS})
    template = Environment(loader=pages, autoescape=True, undefined=StrictUndefined, trim_blocks=True).get_template("page")
    return template.render(
        data=data,
        w=words,
        css=CSS + (ROOTS_CSS if data.roots else ""),
        r=diffusion_words,
        roots=diffusion_render.content(data.roots) if data.roots else None,
        classified=data.task == "classification",
        forgetting=data.task == "classification" or data.erasures,
        headline=" ".join((words.headline if data.task == "classification" else diffusion_words.headline)(data)),
        key_figures=key_figures(data),
        sections=_sections(data),
        many=len(data.peers) > curves.MANY_PEERS,
        mixes=0 < len(data.classes) <= MOST_CLASSES,
        plots=_plots(data),
        events=_events(data)[:MOST_EVENTS],
        erasures=[_erasure(row) for row in data.erasures[:MOST_ERASURES]],
        rounds=_first_last(data.rounds),
        peer_rows=[_peer(row) for row in _peers_shown(data)],
        incidents=data.incidents[:MOST_INCIDENTS],
        hidden_events=max(len(curves.marks(data)) - MOST_EVENTS, 0),
        hidden_erasures=max(len(data.erasures) - MOST_ERASURES, 0),
        hidden_rows=len(data.peers) - len(curves.shown_peers(data)),
        hidden_graphs=len(data.graphs) - len(shown[0]),
        hidden_holdings=len(data.holdings) - len(shown[1]),
        hidden_rounds=max(len(data.rounds) - MOST_ROUNDS, 0),
        hidden_peers=max(len(data.peers) - MOST_PEERS, 0),
        hidden_incidents=max(len(data.incidents) - MOST_INCIDENTS, 0),
    )


def key_figures(data: ReportData) -> list[Figure]:
    """Return the few numbers that a reader in a hurry should see."""
    live = data.rounds[-1].live if data.rounds else 0
    steps = [row.outcome.gradient_steps for row in data.erasures]
    mean = data.accuracy
    if data.task != "classification":
        return diffusion_render.key_figures(data)
    who = f"the {data.together}" if data.pooled else "ensembles"
    figures = [
        _beside(f"{words.capital(data.measure)} of {who}", mean.global_ensemble, mean.global_main),
        _beside("on their own mix", mean.local_ensemble, mean.local_main),
        *(_beside(f"{name} of {who}", metric.global_ensemble, metric.global_main) for name, metric in data.metrics),
        Figure("peers at the end", words.integer(live), f"of {words.integer(len(data.peers))}"),
        Figure("time of the rounds", words.seconds(data.seconds), f"on {data.engine}"),
    ]
    if data.erasures:
        proven = sum(row.guarantee == "exact" and row.outcome.difference == 0 for row in data.erasures)
        receipts = sum(row.outcome.receipts or 0 for row in data.erasures)
        holders = sum(row.outcome.holders or 0 for row in data.erasures)
        known = None if None in steps else sum(step or 0 for step in steps)
        others = {row.request: row.retrained.gradient_steps for row in data.erasures}.values()
        retrained = None if None in others else sum(step or 0 for step in others)
        figures += [
            Figure("erasures bit-equal", f"{proven} of {len(data.erasures)}", "to never having been there"),
            Figure("steps to forget", words.integer(known), f"retraining: {words.integer(retrained)}"),
        ]
        if not data.pooled:  # sums go to nobody but the server
            figures.append(Figure("receipts", words.integer(receipts), f"for {words.integer(holders)} seeds that were held"))
        figures.append(_attack_figure(data))
    return figures


def _beside(label: str, ensemble: float | None, main: float | None) -> Figure:
    return Figure(label, words.percent(ensemble), f"main alone {words.percent(main)}")


def _attack_figure(data: ReportData) -> Figure:
    """Return how much better than in the run without the data an attacker does, mean over the erasures, beside doing nothing."""

    def gap(rows: list[tuple[float | None, float | None]]) -> str:
        known = [found - never for found, never in rows if found is not None and never is not None]
        if not known:
            return words.NOT_MEASURED
        mean = math.fsum(known) / len(known)
        return "0.0" if mean == 0 else f"{mean:+.3f}".replace("-", "\u2212")

    left = gap([(row.outcome.mia_auc, row.retrained.mia_auc) for row in data.erasures])
    nothing = gap([(row.nothing.mia_auc, row.retrained.mia_auc) for row in data.erasures])
    return Figure("attacker\u2019s gain", left, f"had nothing been done {nothing}")


def _sections(data: ReportData) -> list[tuple[str, str]]:
    sections = [
        ("timeline", "Events", True),
        ("erasures", "Forgetting", data.task == "classification" or bool(data.erasures)),
        *diffusion_render.sections(data.roots),
        ("members", "Members", True),
        ("graph", "Graph", bool(data.graphs)),
        ("seeds", "Seeds", bool(data.holdings)),
        ("costs", "Costs", True),
        ("peers", "Peers", True),
        ("expectations", "Expectations", bool(data.expectations)),
        ("incidents", "Incidents", True),
        ("scenario", "Scenario", True),
    ]
    return [(anchor, title) for anchor, title, there in sections if there]


def _plots(data: ReportData) -> SimpleNamespace:
    def both(draw: Callable[[ReportData, float], str]) -> tuple[str, str]:
        return draw(data, svg.WIDE), draw(data, svg.NARROW)

    attacked = any(o.mia_auc is not None for row in data.erasures for o in (row.outcome, row.retrained, row.nothing))
    carried = any(row.bytes_overlay is not None or row.bytes_physical is not None for row in data.rounds)
    return SimpleNamespace(
        accuracy=both(curves.accuracy) if data.task == "classification" else None,
        losses=both(diffusion_curves.losses) if data.roots and data.roots.losses else None,
        membership=both(curves.membership),
        costs=both(curves.costs) if carried else None,
        attack=both(curves.membership_inference) if attacked else None,
        graphs=[_graph(data, place) for place in range(len(data.graphs[:MOST_PICTURES]))],
        holdings=[_holdings(data, place) for place in range(len(data.holdings[:MOST_PICTURES]))],
    )


def _graph(data: ReportData, place: int) -> dict[str, Any]:
    one = data.graphs[place]
    gone, new = set(one.edges_before) - set(one.edges_after), set(one.edges_after) - set(one.edges_before)
    hidden = len({*one.nodes_before, *one.nodes_after}) - len(graphs.near(one))
    caption = f"Red: what left, with {words.plural(len(gone), 'edge')}. Green: {words.plural(len(new), 'new edge')}."
    return {
        "round": one.round,
        "title": f"{words.peers(one.leavers)} left" if one.leavers else "edges changed",
        "pictures": tuple(graphs.change(one, width, f"graph-{place}-{side}") for width, side in ((svg.WIDE, "w"), (svg.NARROW, "n"))),
        "caption": caption + (f" Only the surroundings are drawn; {words.integer(hidden)} peers further away are not." if hidden else ""),
    }


def _holdings(data: ReportData, place: int) -> dict[str, Any]:
    one = data.holdings[place]
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
        "pictures": tuple(graphs.holdings(one, width, f"seeds-{place}-{side}") for width, side in ((svg.WIDE, "w"), (svg.NARROW, "n"))),
        "caption": caption + (" Only those concerned are drawn." if everyone - shown else ""),
    }


def _events(data: ReportData) -> list[dict[str, Any]]:
    rows = []
    for number, mark in curves.marks(data).items():
        events = [event for event in data.events if event.round == number]
        say = words.sentence if data.task == "classification" else diffusion_words.sentence
        lines = [say(event) for event in events[:8]]
        lines += [f"and {words.integer(len(events) - 8)} more"] if len(events) > 8 else []
        rows.append({"round": number, "mark": mark, "forgets": any(e.do in curves.FORGETTING for e in events), "lines": lines})
    return rows


def _erasure(row: ErasureRow) -> dict[str, Any]:
    outcomes: list[tuple[str, bool, Outcome]] = [
        ("as run", False, row.outcome),
        ("never there (retrained)", True, row.retrained),
        ("did nothing", True, row.nothing),
    ]
    return {"data": row, "verdict": words.verdict(row), "outcomes": outcomes}


def _first_last(rounds: tuple[RoundRow, ...]) -> list[RoundRow]:
    if len(rounds) <= MOST_ROUNDS:
        return list(rounds)
    return [*rounds[: MOST_ROUNDS // 2], *rounds[-MOST_ROUNDS // 2 :]]


def _peers_shown(data: ReportData) -> list[PeerRow]:
    touched = {peer for event in data.events for peer in event.peers} if len(data.peers) > MOST_PEERS else set()
    first = sorted(data.peers, key=lambda row: (row.peer not in touched, row.peer))[:MOST_PEERS]
    return sorted(first, key=lambda row: row.peer)


def _peer(row: PeerRow) -> dict[str, Any]:
    most = max(row.counts, default=0)
    last = row.final or next((a for a in reversed(row.accuracy) if a is not None), Accuracy())
    return {"data": row, "mix": [round(100 * count / most) if most else 0 for count in row.counts], "last": last}
