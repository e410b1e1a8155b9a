"""Contradictions in a scenario, as pairs of place and reason."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from clients.config import PeerConfig
from clients.data import Dataset
from clients.training import Training
from clients.unlearning.contract import UnlearnerSpec
from clients.unlearning.general.contract import MethodSpec
from clients.unlearning.limits import beyond
from server.timeline import Timeline
from simulator.levels import unsupported
from simulator.scenarios.cell import Resolves
from simulator.scenarios.scenario import Scenario
from simulator.scenarios.validation_errors import name_place

NO_VALIDATION = "needs validation rows, and none are set aside: set data.validation"
"""Why an audit or a method that needs public labelled rows cannot work."""


def of_events(scenario: Scenario, cell: Resolves, *, connected: bool) -> Iterator[tuple[str, str]]:
    """Yield events that need neighbours if peers have none, rows that peers cannot take in or correct, and unsupported methods."""
    for i, event in enumerate(scenario.event):
        if event.brings_rows and not cell.takes_rows:
            cure = "remove the event, or take a federation of kind hdus or sums"
            yield name_place(("event", i)), f"{event.tag}: peers of {scenario.cell} take no rows in after the start: {cure}"
        if event.corrects_rows and not cell.corrects_rows:
            cure = "remove the event, or take a federation of classifiers"
            yield name_place(("event", i)), f"{event.tag}: peers of {scenario.cell} correct no rows: {cure}"
        if event.needs_neighbours and not connected:
            kind = scenario.cell.partition("/")[2]
            yield (
                name_place(("event", i)),
                f"{event.tag} is about neighbours, which peers of a {kind} federation have not: remove the event",
            )
        method, request = getattr(event, "method", None), event.request
        if isinstance(method, MethodSpec) and request is not None and method.tag not in (able := cell.methods(request)):
            yield name_place(("event", i, "method")), unable(method.tag, request, scenario.cell, able)


def unable(method: str, request: str, cell: str, able: Sequence[str]) -> str:
    """Return why a method cannot be named for a kind of request; ``able`` are those that can be."""
    cure = f"take one of {', '.join(able)}" if able else "remove the key: no method can be named here"
    return f"{method} cannot be carried out for {request} in {cell}: {cure}"


def of_reference(scenario: Scenario, *, synthetic: bool) -> Iterator[tuple[str, str]]:
    """Yield synthetic reference rows where no peer distils on them."""
    table = scenario.data.synthetic
    if table is not None and not synthetic:
        what = f"kind = {table.kind!r} is for classifiers of an hdus federation, not {scenario.cell}"
        yield "data.reference", f"{what}: give a number of rows"


def of_machine(scenario: Scenario) -> Iterator[tuple[str, str]]:
    """Yield a vector level that this machine has not."""
    if wrong := unsupported(scenario.compute.level):
        yield "compute", wrong


def of_validation(scenario: Scenario) -> Iterator[tuple[str, str]]:
    """Yield audits, and methods of main models and of events, that need validation rows where none are set aside."""
    if scenario.data.validation:
        return
    places = [f"audit.{name}" for name, spec in scenario.audit.asked.items() if spec.needs_validation]
    methods = ((i, getattr(main, "method", None)) for i, main in enumerate(getattr(scenario.peers, "main", ())))
    places += [f"peers.main.{i}" for i, method in methods if isinstance(method, MethodSpec) and method.needs_validation]
    named = (getattr(event, "method", None) for event in scenario.event)
    places += [f"event.{i}.method" for i, method in enumerate(named) if isinstance(method, MethodSpec) and method.needs_validation]
    for place in places:
        yield place, NO_VALIDATION


def of_audits(scenario: Scenario, data: Dataset, configs: Sequence[PeerConfig]) -> Iterator[tuple[str, str]]:
    """Yield audits that cannot judge models of these data, or of peers with these configs, of which the first stands for all."""
    for name, spec in scenario.audit.asked.items():
        if wrong := spec.unfit(data) or next(filter(None, map(spec.unfit_for, configs[:1])), None):
            yield f"audit.{name}", wrong


def of_training(scenario: Scenario, configs: Sequence[PeerConfig]) -> Iterator[tuple[str, str]]:
    """Yield training of a network that takes more steps than `limits.MOST_STEPS`; main models that forget check theirs themselves."""
    training = getattr(scenario, "training", None)
    networks = [config for config in configs if not isinstance(getattr(config, "main", None), UnlearnerSpec)]
    if not isinstance(training, Training) or not networks:
        return
    most = max(networks, key=lambda config: len(config.rows))
    steps = scenario.rounds * training.steps(len(most.rows))
    if wrong := beyond(f"training of peer {most.peer}", len(most.rows), 0, steps, "lower epochs or rounds"):
        yield "training.epochs", wrong


def of_requests(scenario: Scenario, timeline: Timeline, configs: Sequence[PeerConfig]) -> Iterator[tuple[str, str]]:
    """Yield audits that can judge none of the requests, and the first request that a method cannot carry out on so many rows."""
    alike: dict[str, list[str]] = {}
    for name, spec in scenario.audit.asked.items():
        reasons = [spec.barred(erasure) for erasure in timeline.erasures]
        if reasons and reasons[0] and all(reasons):
            alike.setdefault(reasons[0], []).append(f"audit.{name}")
    for reason, names in alike.items():
        yield ", ".join(names), f"{reason}; no request of this scenario can be judged: change the event, or remove the audit"
    for one in timeline.erasures:
        method = one.method or getattr(getattr(configs[one.peer], "main", None), "method", None)
        if not isinstance(method, MethodSpec) or timeline.departs(one):
            continue
        asked = sum(len(other.rows) for other in timeline.erasures if other.peer == one.peer and other.round <= one.round)
        if wrong := method.unable(len(one.rows), max(len(configs[one.peer].rows) - asked, 0)):
            yield f"round {one.round}", f"method {method.tag!r} of peer {one.peer}: {wrong}"
            return


def of_rounds(scenario: Scenario) -> Iterator[tuple[str, str]]:
    """Yield events and expectations after the last round."""
    last = scenario.rounds
    numbers = [(("event", i, "round"), event.round) for i, event in enumerate(scenario.event)]
    numbers += [(("expect", i, "after"), expect.after) for i, expect in enumerate(scenario.expect) if expect.after != "final"]
    for place, number in numbers:
        if number > last:
            yield name_place(place), f"is {number}, after the last round {last}: lower it, or raise rounds"
