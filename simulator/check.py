"""What a plan will do and cost, for people: the dry run."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from math import ceil
from typing import TYPE_CHECKING, Any

import numpy as np

from clients.data import load
from server.timeline import Round
from server.topology import Edge
from server.topology import describe as facts_of
from simulator.plan import Plan

if TYPE_CHECKING:
    from rich.console import RenderableType
    from rich.table import Table

_MOST_PEERS = 40
_MOST_NODES = 500


@dataclass(frozen=True)
class Costs:
    """What a plan costs, estimated without training.

    Parameters
    ----------
    messages : int
        To peers and back, the exam at the end included.
    main_steps, seed_steps : int
        Gradient steps of main models and of distillations; for sharded mains those of one model on all the peer's rows.
    forget_steps : int
        At most: if every deletion repeats all that its peer has trained so far.
    seed_bytes : int
        One seed's parameters at 4 bytes; 0 where the model does not tell its size.
    overlay_bytes : int
        Seeds that travel over edges.
    extra_runs : int
        Runs that the audits add: one for each request, and one in which nothing is forgotten.
    """

    messages: int
    main_steps: int
    seed_steps: int
    forget_steps: int
    seed_bytes: int
    overlay_bytes: int
    extra_runs: int


def costs(plan: Plan) -> Costs:
    """Return what a plan costs."""
    scenario = plan.scenario
    rows = {brief.peer: len(brief.rows) for brief in plan.briefs}
    trained: dict[int, int] = dict.fromkeys(rows, 0)
    main = forget = copies = 0
    for now in plan.timeline.rounds:
        for peer in now.generation:
            rows[peer], trained[peer] = len(plan.brief(peer, now.generation[peer]).rows), 0
        for peer, gone in now.forget.items():
            rows[peer] -= len(gone)
            forget += trained[peer] * _steps(plan, rows[peer])
        for peer in now.present:
            trained[peer] += 1
            main += _steps(plan, rows[peer])
        there = set(now.present)
        copies += sum((a in there) + (b in there) for a, b in now.edges)
    meetings = sum(len(now.present) for now in plan.timeline.rounds)
    seed_bytes = 4 * _parameters(plan)
    audit = plan.audit
    requests = len({erasure.request for erasure in plan.timeline.erasures})
    return Costs(
        messages=2 * (meetings + len(plan.timeline.rounds[-1].present)),
        main_steps=main,
        seed_steps=meetings * scenario.distillation.epochs * ceil(scenario.data.reference / scenario.distillation.batch_size),
        forget_steps=forget,
        seed_bytes=seed_bytes,
        overlay_bytes=copies * seed_bytes,
        extra_runs=requests + 1 if requests and (audit.counterfactual or audit.membership_inference or audit.relearn) else 0,
    )


def _steps(plan: Plan, rows: int) -> int:
    """Return the gradient steps of one round on so many rows."""
    return plan.scenario.training.epochs * ceil(rows / plan.scenario.training.batch_size)


def _parameters(plan: Plan) -> int:
    """Return the number of parameters of a seed, 0 where the model does not tell."""
    try:
        return int(plan.scenario.peers.seed.parameters(plan.shape, plan.classes))
    except NotImplementedError:
        return 0


def describe(plan: Plan) -> RenderableType:
    """Return what a plan will do, as something ``rich`` can print: data, peers, graph, timeline, erasures, cost."""
    from rich.console import Group
    from rich.text import Text

    scenario = plan.scenario
    title = Text.assemble((plan.name, "bold"), f"  seed {plan.seed}, {plan.rounds} rounds, {len(plan.briefs)} peers, plan {plan.digest}")
    rows = sum(len(brief.rows) for brief in plan.briefs)
    data = Text(
        f"data: {scenario.data.source().dataset}, {plan.classes} classes, inputs {' x '.join(map(str, plan.shape))}; "  # type: ignore[attr-defined]
        f"{scenario.data.reference} reference rows, {scenario.data.test} test rows, {rows} rows dealt"
    )
    return Group(title, data, _peers(plan), *_graphs(plan), _timeline(plan), _costs(plan))


def _table(title: str, *columns: str) -> Table:
    """Return an empty table."""
    from rich import box
    from rich.table import Table

    table = Table(title=title, title_justify="left", box=box.SIMPLE_HEAD, pad_edge=False)
    for column in columns:
        table.add_column(column, overflow="fold")
    return table


def _peers(plan: Plan) -> RenderableType:
    """Return a table of peers: model, rows, class counts."""
    labels = load(plan.briefs[0].data).y
    table = _table("peers", "peer", "main model", "rows", "rows by class")
    for brief in plan.briefs[:_MOST_PEERS]:
        counts = np.bincount(labels[list(brief.rows)], minlength=plan.classes)
        table.add_row(str(brief.peer), _model(brief.main), str(len(brief.rows)), " ".join(map(str, counts)))
    if len(plan.briefs) > _MOST_PEERS:
        table.add_row("...", f"{len(plan.briefs) - _MOST_PEERS} more", "", "")
    return table


def _model(spec: Any) -> str:
    """Return a model's table in one line."""
    keys = {name: value for name, value in spec.model_dump().items() if name != "kind" and name in spec.model_fields_set}
    told = ", ".join(f"{name} {value['kind'] if isinstance(value, dict) else value}" for name, value in keys.items())
    return f"{spec.kind} ({told})" if told else str(spec.kind)


def _graphs(plan: Plan) -> Iterator[RenderableType]:
    """Yield a table of the graph's facts at the start and after every change."""
    if len(plan.briefs) > _MOST_NODES:
        return
    import networkx as nx

    table = _table(f"graph ({plan.scenario.topology.kind})", "round", "edges", "parts", "degrees", "diameter", "spectral gap")  # type: ignore[attr-defined]
    before: tuple[Edge, ...] | None = None
    for now in plan.timeline.rounds:
        if now.edges == before:
            continue
        before = now.edges
        graph = nx.Graph(list(now.edges))
        graph.add_nodes_from(now.members)
        facts = facts_of(graph)
        degrees = f"{facts.degree_min} to {facts.degree_max}, mean {facts.degree_mean:.1f}"
        diameter = "-" if facts.diameter is None else str(facts.diameter)
        table.add_row(str(now.round), str(facts.edges), str(facts.parts), degrees, diameter, f"{facts.spectral_gap:.3f}")
    yield table


def _timeline(plan: Plan) -> RenderableType:
    """Return the table of rounds: who trains, what happens."""
    table = _table("timeline", "round", "train", "what happens")
    for now in plan.timeline.rounds:
        table.add_row(str(now.round), f"{len(now.present)}: {_ranges(now.present)}", "\n".join(_happenings(now)))
    return table


def _happenings(now: Round) -> Iterator[str]:
    """Yield the lines of a round."""
    for one in now.happenings:
        number = "" if one.event is None else f" [event {one.event + 1}]"
        yield f"{one.do} {_ranges(one.peers)}{': ' + one.detail if one.detail else ''}{number}".replace("[", r"\[")


def _costs(plan: Plan) -> RenderableType:
    """Return the table of costs."""
    cost = costs(plan)
    table = _table("cost", "what", "how much")
    table.add_row("messages to peers and back", f"{cost.messages:,}")
    table.add_row("gradient steps, main models", f"about {cost.main_steps:,}")
    table.add_row("gradient steps, seeds", f"{cost.seed_steps:,}")
    erasures = plan.timeline.erasures
    kinds = [sum(one.kind == kind for one in erasures) for kind in ("peer", "rows")]
    table.add_row("erasures", f"{kinds[0]} of peers (no gradient step), {kinds[1]} of rows (at most {cost.forget_steps:,} steps)")
    if cost.seed_bytes:
        table.add_row("one seed", f"{cost.seed_bytes:,} bytes")
        table.add_row("seeds over edges", f"about {cost.overlay_bytes:,} bytes")
    table.add_row("further runs for the audits", str(cost.extra_runs))
    return table


def _ranges(peers: Iterable[int]) -> str:
    """Return ascending peer numbers with runs drawn together: ``0-3 5 7-9``."""
    runs: list[list[int]] = []
    for peer in peers:
        if runs and peer == runs[-1][1] + 1:
            runs[-1][1] = peer
        else:
            runs.append([peer, peer])
    return " ".join(str(a) if a == b else f"{a}-{b}" for a, b in runs) or "nobody"
