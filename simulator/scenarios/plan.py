"""The scenario resolved: who holds which rows, and what happens when. Same scenario and seed, same plan on every machine."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Any

from clients.config import PeerConfig
from clients.spec import Spec
from server.timeline import Erasure, Round, Timeline
from simulator.scenarios.audits import AuditTable
from simulator.scenarios.scenario import Scenario


class Plan(Spec):
    """A scenario after every random choice has been drawn: what plans of every task have in common.

    Parameters
    ----------
    scenario : Scenario
    data_sha256 : str
        Hash of the data set's inputs and labels.
    shape : tuple of int
        Shape of one input.
    labels : tuple of str
        Names of the classes.
    configs : tuple of PeerConfig
        One a peer, in peer order; their ``rows`` are the dealt ids.
    returns : tuple of PeerConfig
        For peers that come back after an erasure: what holds from the round on in which their ``generation`` begins.
    timeline : Timeline
    """

    scenario: Scenario
    data_sha256: str
    shape: tuple[int, ...]
    labels: tuple[str, ...]
    configs: tuple[PeerConfig, ...]
    returns: tuple[PeerConfig, ...] = ()
    timeline: Timeline

    @property
    def name(self) -> str:
        """The scenario's name."""
        return self.scenario.name

    @property
    def seed(self) -> int:
        """The run's seed."""
        return self.scenario.seed

    @property
    def rounds(self) -> int:
        """Number of rounds."""
        return self.scenario.rounds

    @property
    def audit(self) -> AuditTable:
        """Which audits follow the run."""
        return self.scenario.audit

    @property
    def classes(self) -> int:
        """Number of classes."""
        return len(self.labels)

    @property
    def digest(self) -> str:
        """Short hash (16 hexadecimal digits) of all that decides what is computed; engine and folders do not."""
        content = self.model_dump(mode="json")
        del content["scenario"]["engine"]
        content["briefs"] = content.pop("configs")  # the name under which plans were first hashed
        canonical = json.dumps(_without_folders(content), sort_keys=True, separators=(",", ":"))
        return hashlib.sha256(canonical.encode()).hexdigest()[:16]

    def config(self, peer: int, generation: int = 0) -> PeerConfig:
        """Return what a peer is told at the start of a generation; ``KeyError`` if it has no such generation."""
        if generation == 0:
            return self.configs[peer]
        for config in self.returns:
            if (config.peer, config.generation) == (peer, generation):
                return config
        raise KeyError((peer, generation))

    def without(self, request: int) -> Plan:
        """Return the plan in which what a request names had never been: the counterfactual of its erasures.

        An erased peer is there in no round of the erased generation; deleted rows are in no config, nor are deleted edges. The graph, and
        who else is present when, stay as they are. ``KeyError`` if there is no such request.
        """
        named = [erasure for erasure in self.timeline.erasures if erasure.request == request]
        if not named:
            raise KeyError(request)
        plan = self
        for erasure in named:
            plan = _WITHOUT[erasure.kind](plan, erasure)
        erasures = tuple(erasure for erasure in plan.timeline.erasures if erasure.request != request)
        return plan.model_copy(update={"timeline": plan.timeline.model_copy(update={"erasures": erasures})})

    def again(self) -> Plan:
        """Return the same plan with every peer's random choices keyed otherwise: the same training with other draws."""

        def keyed(configs: Iterable[PeerConfig]) -> tuple[PeerConfig, ...]:
            return tuple(one.model_copy(update={"repetition": one.repetition + 1}) for one in configs)

        return self.model_copy(update={"configs": keyed(self.configs), "returns": keyed(self.returns)})

    def until(self, last: int) -> Plan:
        """Return the plan that ends with the round ``last``, of at least 1."""
        erasures = tuple(erasure for erasure in self.timeline.erasures if erasure.round <= last)
        timeline = self.timeline.model_copy(update={"rounds": self.timeline.rounds[:last], "erasures": erasures})
        return self.model_copy(update={"timeline": timeline})

    def ignoring_requests(self) -> Plan:
        """Return the plan in which nobody forgets anything: neighbours go on hearing the seeds of those who had themselves erased.

        Presence and repairs stay as they are; an erased peer keeps the edges it had, until it comes back as another.
        """
        kept: dict[int, tuple[tuple[int, int], ...]] = {}
        rounds: list[Round] = []
        for before, now in zip((None, *self.timeline.rounds), self.timeline.rounds, strict=False):
            for peer in now.generation:
                kept.pop(peer, None)
            for peer in now.erased:
                kept[peer] = tuple(edge for edge in (before or now).edges if peer in edge)
            edges = tuple(sorted({*now.edges, *(edge for lost in kept.values() for edge in lost)}))
            rounds.append(now.model_copy(update={"erased": (), "forget": {}, "edges": edges}))
        return self.model_copy(update={"timeline": self.timeline.model_copy(update={"rounds": tuple(rounds), "erasures": ()})})


def _without_folders(content: Any) -> Any:
    """Return plain data with every ``path`` cut to the file's name: the same data elsewhere make the same plan."""
    if isinstance(content, dict):
        return {
            key: Path(value).name if key == "path" and isinstance(value, str) else _without_folders(value) for key, value in content.items()
        }
    return [_without_folders(part) for part in content] if isinstance(content, list) else content


_BY_PEER = ("forget", "crash", "late", "generation", "erase")
"""What rounds, of whatever task, say by peer."""


def _with_rounds(plan: Plan, change: Callable[[Round], Round]) -> Plan:
    """Return the plan with every round changed."""
    rounds = tuple(change(now) for now in plan.timeline.rounds)
    return plan.model_copy(update={"timeline": plan.timeline.model_copy(update={"rounds": rounds})})


def _without_peer(plan: Plan, erasure: Erasure) -> Plan:
    """Return the plan in which one generation of a peer is a ghost."""
    peer = erasure.peer
    starts = [now.round for now in plan.timeline.rounds if now.generation.get(peer) == erasure.generation]
    first = 1 if erasure.generation == 0 else min(starts, default=erasure.round)

    def change(now: Round) -> Round:
        if not first <= now.round <= erasure.round:
            return now
        absent: dict[str, Any] = {"erased": _less(now.erased, peer)} if now.round == erasure.round else {}
        if now.round < erasure.round:
            absent = {
                "present": _less(now.present, peer),
                "members": _less(now.members, peer),
                "refusing": _less(now.refusing, peer),
                **{name: {p: v for p, v in getattr(now, name).items() if p != peer} for name in _BY_PEER if hasattr(now, name)},
            }
        return now.model_copy(update=absent)

    plan = _with_rounds(plan, change)
    kept = tuple(one for one in plan.timeline.erasures if (one.peer, one.generation) != (peer, erasure.generation))
    return plan.model_copy(update={"timeline": plan.timeline.model_copy(update={"erasures": kept})})


def _less(peers: Iterable[int], gone: int) -> tuple[int, ...]:
    """Return the peers but one."""
    return tuple(peer for peer in peers if peer != gone)


def _without_rows(plan: Plan, erasure: Erasure) -> Plan:
    """Return the plan in which a peer never had some rows."""
    gone = set(erasure.rows)
    void: set[int] = set()  # edges that had to go before a row at one of their ends had: without the row they never were
    kept: list[Erasure] = []
    for one in plan.timeline.erasures:
        mine = (one.peer, one.generation) == (erasure.peer, erasure.generation)
        edges = {edge: ends for edge, ends in one.edges.items() if not (mine and gone.intersection(ends))}
        void.update(one.edges.keys() - edges.keys())
        if edges or not one.edges:
            kept.append(one.model_copy(update={"edges": edges}))
    plan = _with_configs(plan, erasure, lambda one: {"rows": tuple(row for row in one.rows if row not in gone)})
    plan = _not_forgetting(plan, erasure.peer, gone | void)
    return plan.model_copy(update={"timeline": plan.timeline.model_copy(update={"erasures": tuple(kept)})})


def _without_edges(plan: Plan, erasure: Erasure) -> Plan:
    """Return the plan in which a peer never had some edges."""
    plan = _with_configs(plan, erasure, lambda one: {"absent_edges": tuple(sorted({*one.absent_edges, *erasure.edges}))})
    return _not_forgetting(plan, erasure.peer, set(erasure.edges))


def _with_configs(plan: Plan, erasure: Erasure, change: Callable[[PeerConfig], dict[str, Any]]) -> Plan:
    """Return the plan in which the config of an erasure's peer, in that generation, is changed."""

    def config(one: PeerConfig) -> PeerConfig:
        mine = (one.peer, one.generation) == (erasure.peer, erasure.generation)
        return one.model_copy(update=change(one)) if mine else one

    return plan.model_copy(update={"configs": tuple(map(config, plan.configs)), "returns": tuple(map(config, plan.returns))})


def _not_forgetting(plan: Plan, peer: int, gone: set[int]) -> Plan:
    """Return the plan in which a peer is not asked to forget some rows or edges."""

    def change(now: Round) -> Round:
        if peer not in now.forget:
            return now
        left = tuple(one for one in now.forget[peer] if one not in gone)
        others = {p: ids for p, ids in now.forget.items() if p != peer}
        return now.model_copy(update={"forget": others | ({peer: left} if left else {})})

    return _with_rounds(plan, change)


_WITHOUT: dict[str, Callable[[Plan, Erasure], Plan]] = {"peer": _without_peer, "rows": _without_rows, "edges": _without_edges}
"""Plans in which what an erasure names had never been, by its kind."""
