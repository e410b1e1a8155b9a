"""Simulated time of a run on devices, and whether its models fit them. No digest depends on any of it."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from clients.metrics import STEPS
from clients.models import ModelSpec
from clients.unlearning.contract import UnlearnerSpec
from server.ledger import FEDERATION, TRAFFIC
from server.timeline import Timeline
from simulator.scenarios.devices import Device
from simulator.storage.store import RunStore
from simulator.tasks.classification.hdus.plan import HdusPlan
from simulator.tasks.classification.hdus.scenario import HdusScenario


def device_of(scenario: HdusScenario, peer: int) -> Device:
    """Return the device of a peer; devices are assigned to peers in turn."""
    devices = scenario.peers.devices
    return devices[peer % len(devices)]


def slowest(scenario: HdusScenario, steps: Mapping[int, float], sizes: Mapping[int, float]) -> tuple[float, int | None]:
    """Return the seconds of a round, which ends when the slowest peer is done, and that peer; None if nobody had anything to do."""
    busy = {peer: device_of(scenario, peer).seconds(steps.get(peer, 0), sizes.get(peer, 0)) for peer in sorted({*steps, *sizes})}
    last = max(busy, key=lambda peer: busy[peer], default=None)
    return (0.0, None) if last is None else (busy[last], last)


def simulated(plan: HdusPlan, store: RunStore, number: int) -> dict[str, Any]:
    """Return the simulated seconds of a round and its slowest peer, from the ledger: every gradient step, every seed sent over an edge."""
    names = [metric.name for metric in STEPS]
    steps: dict[int, float] = {}
    for peer, name, value in store.rows("select peer, name, value from metrics where round = ? and peer != ?", (number, FEDERATION)):
        if name in names:
            steps[peer] = steps.get(peer, 0.0) + value
    seeds: dict[int, int] = {}
    pairs = store.rows("select holder, owner from holdings where since = ?", (number,))
    for peer in (peer for pair in pairs for peer in pair):
        seeds[peer] = seeds.get(peer, 0) + 1
    told = store.rows("select value from metrics where round = ? and peer = ? and name = ?", (number, FEDERATION, TRAFFIC.name))
    one = told[0][0] / len(pairs) if pairs else 0.0  # seeds are of one architecture, hence of one size
    seconds, last = slowest(plan.scenario, steps, {peer: count * one for peer, count in seeds.items()})
    return {"simulated_seconds": seconds, "slowest": last}


def too_small(scenario: HdusScenario, timeline: Timeline, seed: int | None, mains: Mapping[int, int]) -> Iterator[tuple[str, str]]:
    """Yield for each device the first peer whose weights need more memory than it has.

    Counted are the weights of its main model, its own seed and the seeds of all its neighbours, four bytes each; not counted is what
    training needs beside them.

    Parameters
    ----------
    scenario : HdusScenario
    timeline : Timeline
    seed : int, optional
        Parameters of a seed; None if they are not known.
    mains : mapping of int to int
        Parameters of peers' main models, as far as they are known.
    """
    most: dict[int, int] = dict.fromkeys(range(scenario.peers.count), 0)
    for now in timeline.rounds:
        degrees: dict[int, int] = {}
        for peer in (peer for edge in now.edges for peer in edge):
            degrees[peer] = degrees.get(peer, 0) + 1
        most.update({peer: max(most[peer], degree) for peer, degree in degrees.items()})
    for place, device in enumerate(scenario.peers.devices):
        for peer in range(place, scenario.peers.count, len(scenario.peers.devices)):
            needed = 4 * (mains.get(peer, 0) + (seed or 0) * (1 + most[peer]))
            if needed > device.memory:
                held = f"peer {peer} holds a main model, its seed and {most[peer]} neighbours' seeds, {needed:,} bytes of weights"
                yield f"peers.devices.{place}.memory", f"is {device.memory:,}, but {held}: raise it, or make models smaller"
                break


def parameters(scenario: HdusScenario, shape: tuple[int, ...], classes: int) -> tuple[int | None, dict[int, int]]:
    """Return the numbers of parameters of a seed and of peers' main models, all shards together, as far as they are known."""
    mains: dict[int, int] = {}
    for peer in range(scenario.peers.count):
        spec = scenario.peers.main[peer % len(scenario.peers.main)]
        shards = int(getattr(spec, "shards", 1)) if isinstance(spec, UnlearnerSpec) else 1
        if (count := _count(getattr(spec, "base", spec), shape, classes)) is not None:
            mains[peer] = shards * count
    return _count(scenario.peers.seed, shape, classes), mains


def _count(model: object, shape: tuple[int, ...], classes: int) -> int | None:
    """Return a network's number of parameters, None if it is no network or cannot tell."""
    try:
        return int(model.parameters(shape, classes)) if isinstance(model, ModelSpec) else None
    except (NotImplementedError, ValueError):
        return None
