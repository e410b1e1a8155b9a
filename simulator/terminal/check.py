"""The output of ``lethe check``: what a plan will do and cost."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import TYPE_CHECKING

import numpy as np

from clients.data import Dataset, load
from server.timeline import Round
from server.topology import Edge
from server.topology import describe as facts_of
from simulator.scenarios.compare import label
from simulator.scenarios.data_table import Public
from simulator.scenarios.plan import Plan
from simulator.tasks.contract import cell_of
from simulator.terminal import audit_check, data_check

if TYPE_CHECKING:
    from rich.console import RenderableType
    from rich.table import Table

_MOST_PEERS = 40
_MOST_NODES = 500
_MOST_CLASSES = 20


def describe(plan: Plan) -> RenderableType:
    """Return data, peers, graph, timeline and costs of a plan, for printing with ``rich``."""
    from rich.console import Group
    from rich.text import Text

    scenario = plan.scenario
    title = Text.assemble((plan.name, "bold"), f"  seed {plan.seed}, {plan.rounds} rounds, {len(plan.configs)} peers, plan {plan.digest}")
    late = sum(len(one.rows) for one in plan.timeline.arrivals())
    rows = late + sum(len(config.rows) for config in plan.configs)
    data = load(plan.configs[0].data)
    validation = f"{scenario.data.validation} validation rows, " if scenario.data.validation else ""
    facts = Text(
        f"data: {plan.configs[0].data.title}, {len(data)} rows, {plan.classes} classes, "
        f"inputs {' x '.join(map(str, plan.shape))}; "
        f"{_reference(scenario.data)} reference rows, {scenario.data.test} test rows, {validation}{rows} rows dealt"
        + (f", {late} of them to arrive later" if late else "")
    )
    unjudged = (Text(f"warning: {line}", style="bold") for line in audit_check.warnings(plan))
    tables = (_peers(plan), *_graphs(plan), _timeline(plan), *unjudged, *_comparisons(plan), _costs(plan))
    return Group(title, facts, *_data(plan, data), *tables)


def _reference(table: Public) -> str:
    """Return the number of reference rows, and how they are drawn if they are no rows of the data."""
    return str(table.set_aside) if table.synthetic is None else f"{table.synthetic.rows} synthetic ({table.synthetic.kind})"


def _data(plan: Plan, data: Dataset) -> Iterator[RenderableType]:
    """Yield remarks, warnings, classes and columns of the data."""
    from rich.text import Text

    held = data_check.Holdings.of(plan, data)
    yield from (Text(line) for line in data_check.remarks(data, held))
    yield from (Text(f"warning: {line}", style="bold") for line in data_check.warnings(plan, data, held))
    classes = _table("classes", "class", "rows", "with peers", *data_check.PUBLIC)
    for row in data_check.classes(data, held):
        classes.add_row(*(cell.replace("[", r"\[") for cell in row))
    yield classes
    if data.columns:
        columns = _table("columns", "column", "kind")
        for row in data_check.columns(data):
            columns.add_row(*(cell.replace("[", r"\[") for cell in row))
        yield columns


def _table(title: str, *columns: str) -> Table:
    """Return an empty table."""
    from rich import box
    from rich.table import Table

    table = Table(title=title, title_justify="left", box=box.SIMPLE_HEAD, pad_edge=False)
    for column in columns:
        table.add_column(column, overflow="fold")
    return table


def _peers(plan: Plan) -> RenderableType:
    """Return a table of peers: model, rows, class counts, and in a graph the edges in a peer's training data."""
    data = load(plan.configs[0].data)
    table = _table("peers", "peer", "model", "rows", "rows by class", *(["edges"] if len(data.edges) else []))
    for config in plan.configs[:_MOST_PEERS]:
        rows = np.asarray(config.rows, dtype=np.int64)
        counts = np.bincount(data.classes_of(rows), minlength=plan.classes)
        mix = " ".join(map(str, counts)) if plan.classes <= _MOST_CLASSES else f"of {(counts > 0).sum()} classes"
        edges = [str(len(data.edges_among(rows))) if config.knows_edges else "-"] if len(data.edges) else []
        table.add_row(str(config.peer), config.model, str(len(rows)), mix, *edges)
    if len(plan.configs) > _MOST_PEERS:
        table.add_row("...", f"{len(plan.configs) - _MOST_PEERS} more", "", "")
    return table


def _graphs(plan: Plan) -> Iterator[RenderableType]:
    """Yield a table of properties of the graph at the start and after every change."""
    topology = cell_of(plan).topology(plan)
    if len(plan.configs) > _MOST_NODES or topology is None:
        return
    import networkx as nx

    table = _table(f"graph ({topology})", "round", "edges", "parts", "degrees", "diameter", "spectral gap")
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
    """Return the table of rounds: the peers that train, and the events."""
    table = _table("timeline", "round", "train", "what happens")
    for now in plan.timeline.rounds:
        table.add_row(str(now.round), f"{len(now.present)}: {_ranges(now.present)}", "\n".join(_happenings(now)))
    return table


def _happenings(now: Round) -> Iterator[str]:
    """Yield a line for each event of a round."""
    for one in now.happenings:
        number = "" if one.event is None else f" [event {one.event + 1}]"
        whom = f" {_ranges(one.peers)}" if one.peers else ""
        yield f"{one.do}{whom}{': ' + one.detail if one.detail else ''}{number}".replace("[", r"\[")


def _comparisons(plan: Plan) -> Iterator[RenderableType]:
    """Yield a table of the methods to compare, and of the rounds that each plays."""
    if not plan.comparisons:
        return
    table = _table("compare", "event", "rounds before", "rounds of each method", "methods")
    for one in plan.comparisons:
        rounds = str(one.first) if one.first == one.last else f"{one.first} to {one.last}"
        table.add_row(str(one.event), str(one.first - 1), rounds, ", ".join(map(label, one.methods)).replace("[", r"\["))
    yield table


def _costs(plan: Plan) -> RenderableType:
    """Return the table of costs."""
    table = _table("cost", "what", "how much")
    for what, how_much in cell_of(plan).costs(plan):
        table.add_row(what, how_much)
    return table


def _ranges(peers: Iterable[int]) -> str:
    """Return ascending peer numbers as ranges: ``0-3 5 7-9``."""
    runs: list[list[int]] = []
    for peer in peers:
        if runs and peer == runs[-1][1] + 1:
            runs[-1][1] = peer
        else:
            runs.append([peer, peer])
    return " ".join(str(a) if a == b else f"{a}-{b}" for a, b in runs) or "nobody"
