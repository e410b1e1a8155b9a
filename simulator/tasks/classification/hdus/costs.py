"""Costs of a plan of classification peers, estimated without training."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from math import ceil

from clients.data import load
from clients.data.columns import expanded_shape
from clients.data.interactions import LESSONS
from clients.unlearning.contract import UnlearnerSpec
from simulator.tasks.classification.hdus.plan import HdusPlan


@dataclass(frozen=True)
class Costs:
    """Costs of a plan, estimated without training.

    Parameters
    ----------
    messages : int
        Messages to peers and back, including the final evaluation.
    main_steps, seed_steps : int
        Approximate or largest number of gradient steps of main models, and number of those of distillations.
    forget_steps : int
        Largest number of gradient steps of deletions: if each repeats all earlier training of its peer.
    arrival_steps : int
        Likewise of arrivals of rows, of peers whose main models cannot add them without gradients.
    seed_bytes : int
        Bytes of one seed's parameters at 4 bytes each; 0 if the model cannot tell its size.
    overlay_bytes : int
        Bytes of seeds sent over edges.
    """

    messages: int
    main_steps: int
    seed_steps: int
    forget_steps: int
    arrival_steps: int
    seed_bytes: int
    overlay_bytes: int


def costs(plan: HdusPlan) -> Costs:
    """Return the costs of a plan."""
    scenario = plan.scenario
    rows = {config.peer: set(config.rows) for config in plan.configs}
    trained: dict[int, int] = dict.fromkeys(rows, 0)
    main = forget = arrival = copies = 0
    for now in plan.timeline.rounds:
        for peer in now.generation:
            rows[peer], trained[peer] = set(plan.config(peer, now.generation[peer]).rows), 0
        for peer, new in now.arrive.items():
            rows[peer].update(new)
            arrival += sum(_steps(plan, peer, len(rows[peer]), before) for before in range(trained[peer]))
        for peer, gone in now.forget.items():
            rows[peer].difference_update(gone)
            forget += sum(_steps(plan, peer, len(rows[peer]), before) for before in range(trained[peer]))
        for peer in now.present:
            main += _steps(plan, peer, len(rows[peer]), trained[peer])
            trained[peer] += 1
        there = set(now.present)
        copies += sum((a in there) + (b in there) for a, b in now.edges)
    meetings = sum(len(now.present) for now in plan.timeline.rounds)
    seed_bytes = 4 * _parameters(plan)
    return Costs(
        messages=2 * (meetings + len(plan.timeline.rounds[-1].present)),
        main_steps=main,
        seed_steps=meetings * scenario.distillation.epochs * ceil(_lessons(plan) / scenario.distillation.batch_size),
        forget_steps=forget,
        arrival_steps=arrival,
        seed_bytes=seed_bytes,
        overlay_bytes=copies * seed_bytes,
    )


def _steps(plan: HdusPlan, peer: int, rows: int, progress: int) -> int:
    """Return the gradient steps of a peer's round on a number of rows, after ``progress`` rounds."""
    main, training = plan.configs[peer].main, plan.scenario.training
    return main.steps(training, rows, progress) if isinstance(main, UnlearnerSpec) else training.steps(rows)


def _lessons(plan: HdusPlan) -> int:
    """Return the number of inputs for distilling a seed."""
    table = plan.scenario.data
    if table.synthetic is not None:
        return table.synthetic.rows
    return table.set_aside * (1 if load(plan.configs[0].data).users is None else LESSONS)


def _parameters(plan: HdusPlan) -> int:
    """Return the number of parameters of a seed; 0 if the model cannot tell it."""
    try:
        columns = load(plan.configs[0].data).columns
        return int(plan.scenario.peers.seed.parameters(expanded_shape(plan.shape, columns), plan.classes))
    except NotImplementedError:
        return 0


def in_words(plan: HdusPlan, further_runs: int) -> Iterator[tuple[str, str]]:
    """Yield each kind of cost and its amount."""
    cost = costs(plan)
    yield "messages to peers and back", f"{cost.messages:,}"
    yield "gradient steps, main models", f"about {cost.main_steps:,}"
    yield "gradient steps, seeds", f"{cost.seed_steps:,}"
    peers, edges = (sum(map(told, plan.timeline.erasures)) for told in (plan.timeline.departs, lambda one: bool(one.edges)))
    rows = len(plan.timeline.erasures) - peers - edges
    of_edges = f" and {edges} of edges" if edges else ""
    yield "erasures", f"{peers} of peers (no gradient step), {rows} of rows{of_edges} (at most {cost.forget_steps:,} steps)"
    if arrivals := plan.timeline.arrivals():
        count = sum(len(one.rows) for one in arrivals)
        yield "arrivals", f"{count} rows at {len({one.peer for one in arrivals})} peers (at most {cost.arrival_steps:,} steps)"
    if cost.seed_bytes:
        yield "one seed", f"{cost.seed_bytes:,} bytes"
        yield "seeds over edges", f"about {cost.overlay_bytes:,} bytes"
    yield "further runs for the audits", str(further_runs)
