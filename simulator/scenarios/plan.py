"""The resolved scenario: each peer's rows, and the timeline. The same scenario and seed give the same plan on every machine."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterable
from pathlib import Path
from typing import Any, Self

from pydantic import Field

from clients.config import PeerConfig
from clients.spec import Spec
from server.timeline import Erasure, Round, Timeline
from simulator.scenarios.audits import AuditTable
from simulator.scenarios.compare import Comparison
from simulator.scenarios.scenario import Scenario


class Plan(Spec):
    """A scenario after every random choice has been drawn; the common part of the plans of all tasks.

    Parameters
    ----------
    scenario : Scenario
    data_sha256 : str
        SHA-256 of the data set's inputs and labels.
    shape : tuple of int
        Shape of one input.
    labels : tuple of str
        Names of the classes.
    configs : tuple of PeerConfig
        One per peer, in peer order; ``rows`` are the ids that the partition gives to the peer.
    returns : tuple of PeerConfig
        For peers that rejoin after an erasure: their configs from the round on in which their ``generation`` begins.
    timeline : Timeline
    comparisons : tuple of Comparison
        What ``[[compare]]`` asks for.
    """

    scenario: Scenario
    data_sha256: str
    shape: tuple[int, ...]
    labels: tuple[str, ...]
    configs: tuple[PeerConfig, ...]
    returns: tuple[PeerConfig, ...] = ()
    timeline: Timeline
    # left out where nothing is compared, so that plans from before comparisons existed keep their hash
    comparisons: tuple[Comparison, ...] = Field((), exclude_if=lambda comparisons: not comparisons)

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
        """The audits that follow the run."""
        return self.scenario.audit

    @property
    def classes(self) -> int:
        """Number of classes."""
        return len(self.labels)

    @property
    def digest(self) -> str:
        """Short hash (16 hexadecimal digits) of everything that determines the results; engine and folders do not."""
        content = self.model_dump(mode="json")
        del content["scenario"]["engine"]
        content["briefs"] = content.pop("configs")  # the key's name when plans were first hashed
        canonical = json.dumps(_without_folders(content), sort_keys=True, separators=(",", ":"))
        return hashlib.sha256(canonical.encode()).hexdigest()[:16]

    @property
    def stem(self) -> str:
        """How the names of its run directories begin."""
        return f"{self.name}-{self.digest[:8]}"

    def config(self, peer: int, generation: int = 0) -> PeerConfig:
        """Return a peer's config in a generation; ``KeyError`` if it has no such generation."""
        if generation == 0:
            return self.configs[peer]
        for config in self.returns:
            if (config.peer, config.generation) == (peer, generation):
                return config
        raise KeyError((peer, generation))

    def awaited(self, erasure: Erasure) -> tuple[int, ...]:
        """Return the peers, away to the end of the run, without which the server cannot carry out an erasure; none as a rule."""
        return ()

    def unwatched(self) -> Self:
        """Return the plan without events that only measure, which counterfactuals do not need."""
        return self

    def again(self) -> Self:
        """Return the same plan with other keys for every peer's random choices."""

        def keyed(configs: Iterable[PeerConfig]) -> tuple[PeerConfig, ...]:
            return tuple(one.model_copy(update={"repetition": one.repetition + 1}) for one in configs)

        return self.model_copy(update={"configs": keyed(self.configs), "returns": keyed(self.returns)})

    @property
    def arrivals_compared(self) -> bool:
        """Whether rows arrive, and the audits ask for the run in which they arrive before training."""
        return "counterfactual" in self.audit.asked and any(now.arrive for now in self.timeline.rounds)

    def arriving_at_once(self) -> Self:
        """Return the plan in which rows reach their peers in the first round in which these are present."""
        first: dict[int, int] = {}
        moved: dict[int, dict[int, tuple[int, ...]]] = {}
        for now in self.timeline.rounds:
            for peer in now.generation:
                first.pop(peer, None)
            for peer in now.present:
                first.setdefault(peer, now.round)
            for peer, rows in now.arrive.items():
                reached = moved.setdefault(first[peer], {})
                reached[peer] = tuple(sorted({*reached.get(peer, ()), *rows}))

        def change(now: Round) -> Round:
            told = tuple(one for one in now.happenings if one.do != "arrive")
            return now.model_copy(update={"arrive": dict(sorted(moved.get(now.round, {}).items())), "happenings": told})

        timeline = self.timeline.model_copy(update={"rounds": tuple(map(change, self.timeline.rounds))})
        return self.model_copy(update={"timeline": timeline}).unwatched()

    def until(self, last: int) -> Self:
        """Return the plan truncated after the round ``last``, which is at least 1."""
        erasures = tuple(erasure for erasure in self.timeline.erasures if erasure.round <= last)
        timeline = self.timeline.model_copy(update={"rounds": self.timeline.rounds[:last], "erasures": erasures})
        return self.model_copy(update={"timeline": timeline}).unwatched()

    def ignoring_requests(self, since: int = 1) -> Self:
        """Return the plan in which all requests from round ``since`` on are ignored: neighbours keep the seeds of erased peers.

        Presence and repairs of the graph stay unchanged; an erased peer keeps its edges until it rejoins as a new generation.
        """
        kept: dict[int, tuple[tuple[int, int], ...]] = {}
        rounds: list[Round] = []
        for before, now in zip((None, *self.timeline.rounds), self.timeline.rounds, strict=False):
            if now.round < since:
                rounds.append(now)
                continue
            for peer in now.generation:
                kept.pop(peer, None)
            for peer in now.erased:
                kept[peer] = tuple(edge for edge in (before or now).edges if peer in edge)
            edges = tuple(sorted({*now.edges, *(edge for lost in kept.values() for edge in lost)}))
            rounds.append(now.model_copy(update={"erased": (), "forget": {}, "correct": {}, "edges": edges}))
        earlier = tuple(erasure for erasure in self.timeline.erasures if erasure.round < since)
        timeline = self.timeline.model_copy(update={"rounds": tuple(rounds), "erasures": earlier})
        return self.model_copy(update={"timeline": timeline}).unwatched()


def _without_folders(content: Any) -> Any:
    """Return plain data with every ``path`` reduced to the file name, so that the same data in another folder give the same plan."""
    if isinstance(content, dict):
        return {
            key: Path(value).name if key == "path" and isinstance(value, str) else _without_folders(value) for key, value in content.items()
        }
    return [_without_folders(part) for part in content] if isinstance(content, list) else content
