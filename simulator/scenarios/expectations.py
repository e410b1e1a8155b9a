"""Expectations that can never be checked: of metrics that are not measured, or not then, unknown peers, or erasures that never happen.

Bounds outside the range of a metric are refused as well: they say nothing, or can never hold.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from clients.config import PeerConfig
from clients.metrics import MetricError, Metrics
from server.timeline import Timeline
from simulator.scenarios.cell import Resolves
from simulator.scenarios.expect import Expect
from simulator.scenarios.scenario import Scenario
from simulator.scenarios.validation_errors import name_place


def unfit_metrics(expected: Sequence[Expect], metrics: Metrics) -> Iterator[tuple[str, str]]:
    """Yield place and reason of every metric that is not declared, and of every bound outside [0, 1] of one that is a share."""
    for i, one in enumerate(expected):
        if one.metric is None:
            continue
        try:
            unit = metrics.of(one.metric).unit
        except MetricError as error:
            yield name_place(("expect", i, "metric")), str(error)
            continue
        for key, bound in (("min", one.min), ("max", one.max)):
            if unit == "share" and bound is not None and not 0 <= bound <= 1:
                yield name_place(("expect", i, key)), f"is {bound}, but {one.metric} is a share: give a bound from 0 to 1"


def never_checked(scenario: Scenario, timeline: Timeline, *, connected: bool) -> Iterator[tuple[str, str]]:
    """Yield place and reason of every expectation about peers that do not exist, or are not erased by then, or about seeds without any."""
    peers = scenario.peers.count
    for i, one in enumerate(scenario.expect):
        place = name_place(("expect", i))
        stranger = next((peer for peer in (one.absent, one.peer) if peer is not None and peer >= peers), None)
        if stranger is not None:
            yield place, f"peer {stranger} is unknown: peers are 0 to {peers - 1}"
        elif one.absent is not None and not connected:
            kind = scenario.cell.partition("/")[2]
            yield place, f"absent = {one.absent} is about seeds that neighbours hold, and peers of a {kind} federation hold none: remove it"
        elif one.equal_to is not None:
            erased = [erasure.round for erasure in timeline.erasures if erasure.peer == one.peer and timeline.departs(erasure)]
            if not any(number <= one.round(scenario.rounds) for number in erased):
                by = "the end" if one.after == "final" else f"round {one.after}"
                yield place, f"peer {one.peer} is not erased by {by}: name an erased peer, or a later round"
            elif "counterfactual" not in scenario.audit.asked:
                yield place, "equal_to = 'never_joined' needs the counterfactual run: set audit.counterfactual = true"


def elsewhere(scenario: Scenario, timeline: Timeline, cell: Resolves, config: PeerConfig) -> Iterator[tuple[str, str]]:
    """Yield place and reason of every expectation of a declared metric that is not measured of its peer, or not in its round.

    ``config`` is that of any peer.
    """
    last, metrics = len(timeline.rounds), cell.metrics(config)
    for i, one in enumerate(scenario.expect):
        if one.metric is None or (one.peer is not None and one.peer >= scenario.peers.count):
            continue
        name, number, place = metrics.stored(one.metric), one.round(last), name_place(("expect", i))
        if one.peer is not None and not any(metric.matches(name) for metric in config.metrics):
            yield place, f"{one.metric!r} is measured of the federation, and of no peer: remove peer"
        elif one.peer is not None and one.peer not in timeline.rounds[min(number, last) - 1].present:
            then = f"in round {number}" if number <= last else "at the end"
            yield place, f"peer {one.peer} is away or gone {then}, and nothing is measured of it: name another peer or round"
        elif (when := cell.only(name, of_peer=one.peer is not None)) not in (None, "final" if number > last else "rounds"):
            of = "" if one.peer is None else f" of peer {one.peer}"
            cure = "in the final evaluation alone: set after = 'final'" if when == "final" else "in rounds alone: set after to one of them"
            yield place, f"{one.metric!r}{of} is measured {cure}"
