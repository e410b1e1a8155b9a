"""Costs of a plan of classification peers, estimated without training."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from math import ceil

from clients.data import load
from clients.data.columns import expanded_shape
from clients.data.interactions import LESSONS
from clients.unlearning.approximate.approximate import Approximate
from clients.unlearning.contract import UnlearnerSpec
from server.timeline import Round
from simulator.audits.tier_one import TierOne
from simulator.tasks.classification.hdus.devices import slowest
from simulator.tasks.classification.hdus.plan import HdusPlan
from simulator.tasks.classification.hdus.scenario import HdusScenario
from simulator.tasks.classification.stored import corrected_in_words, stored_in_words


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
        Largest number of gradient steps of deletions and corrections that at most repeat all earlier training of their peer.
    unbounded : tuple of str
        Methods of the other deletions, ascending, whose steps depend on the method, and are not known before.
    arrival_steps : int
        Likewise of arrivals of rows, of peers whose main models cannot add them without gradients.
    seed_bytes : int
        Bytes of one seed's parameters at 4 bytes each; 0 if the model cannot tell its size.
    overlay_bytes : int
        Bytes of seeds sent over edges.
    seconds : float, optional
        Simulated seconds of all rounds, without deletions; None if the scenario names no devices.
    """

    messages: int
    main_steps: int
    seed_steps: int
    forget_steps: int
    unbounded: tuple[str, ...]
    arrival_steps: int
    seed_bytes: int
    overlay_bytes: int
    seconds: float | None


def costs(plan: HdusPlan) -> Costs:
    """Return the costs of a plan."""
    scenario = plan.scenario
    rows = {config.peer: set(config.rows) for config in plan.configs}
    trained: dict[int, int] = dict.fromkeys(rows, 0)
    unbounded = set[str]()
    taught = forget = arrival = copies = 0
    each = scenario.distillation.epochs * ceil(_lessons(plan) / scenario.distillation.batch_size)
    seconds, seed_bytes = 0.0, 4 * _parameters(plan)
    for now in plan.timeline.rounds:
        for peer in now.generation:
            rows[peer], trained[peer] = set(plan.config(peer, now.generation[peer]).rows), 0
        for peer, new in now.arrive.items():
            rows[peer].update(new)
            arrival += sum(_steps(plan, peer, len(rows[peer]), before) for before in range(trained[peer]))
        for peer, gone in now.forget.items():
            rows[peer].difference_update(gone)
            if isinstance(main := plan.configs[peer].main, Approximate):
                unbounded.add(main.method.tag)
                continue
            forget += sum(_steps(plan, peer, len(rows[peer]), before) for before in range(trained[peer]))
        for peer in now.correct:
            forget += sum(_steps(plan, peer, len(rows[peer]), before) for before in range(trained[peer]))
        own = {peer: _steps(plan, peer, len(rows[peer]), trained[peer]) for peer in now.present}
        taught += sum(own.values())
        trained |= {peer: trained[peer] + 1 for peer in now.present}
        there = set(now.present)
        copies += sum((a in there) + (b in there) for a, b in now.edges)
        seconds += _seconds(scenario, now, {peer: steps + each for peer, steps in own.items()}, seed_bytes)
    meetings = sum(len(now.present) for now in plan.timeline.rounds)
    return Costs(
        messages=2 * (meetings + len(plan.timeline.rounds[-1].present)),
        main_steps=taught,
        seed_steps=meetings * each,
        forget_steps=forget,
        unbounded=tuple(sorted(unbounded)),
        arrival_steps=arrival,
        seed_bytes=seed_bytes,
        overlay_bytes=copies * seed_bytes,
        seconds=seconds if scenario.peers.devices else None,
    )


def _seconds(scenario: HdusScenario, now: Round, steps: Mapping[int, float], seed_bytes: int) -> float:
    """Return the simulated seconds of a round in which present neighbours exchange seeds; 0 without devices."""
    if not scenario.peers.devices:
        return 0.0
    moved = Counter(peer for edge in now.edges for peer in edge if set(now.present).issuperset(edge))
    return slowest(scenario, steps, {peer: 2.0 * seed_bytes * count for peer, count in moved.items()})[0]


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
    corrections = sum(one.correction is not None for one in plan.timeline.erasures)
    rows = len(plan.timeline.erasures) - peers - edges - corrections
    others = (f" and {edges} of edges" if edges else "") + corrected_in_words(corrections)
    yield "erasures", f"{peers} of peers (no gradient step), {rows} of rows{others} ({_steps_of_erasures(cost)})"
    if arrivals := plan.timeline.arrivals():
        count = sum(len(one.rows) for one in arrivals)
        yield "arrivals", f"{count} rows at {len({one.peer for one in arrivals})} peers (at most {cost.arrival_steps:,} steps)"
    yield stored_in_words(plan)
    if cost.seed_bytes:
        yield "one seed", f"{cost.seed_bytes:,} bytes"
        yield "seeds over edges", f"about {cost.overlay_bytes:,} bytes"
    if cost.seconds is not None:
        yield "simulated time on the devices", f"about {cost.seconds:,.0f} seconds"
    yield "further runs for the audits", str(further_runs)
    if networks := shadow_networks(plan, rows):
        yield "shadow models for the audits", f"at most {networks:,}"


def _steps_of_erasures(cost: Costs) -> str:
    """Return what is known of the gradient steps of erasures before they are carried out."""
    if not cost.unbounded:
        return f"at most {cost.forget_steps:,} steps"
    others = f"steps of {', '.join(cost.unbounded)} are known only when carried out"
    return f"{others}; at most {cost.forget_steps:,} steps of the others" if cost.forget_steps else others


def shadow_networks(plan: HdusPlan, requests: int) -> int:
    """Return how many networks audits by shadow models train at most: four kinds for each request to delete rows, of halves and of all."""
    specs = [spec for spec in plan.audit.asked.values() if isinstance(spec, TierOne)]
    return 4 * requests * sum(max((spec.models for spec in specs if spec.half == half), default=0) for half in (True, False))
