"""The scenario resolved: who holds which rows, and what happens when. Same scenario and seed, same plan on every machine."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterable
from pathlib import Path
from typing import Any, Self

from clients.config import PeerConfig
from clients.spec import Spec
from server.timeline import Round, Timeline
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

    def unwatched(self) -> Self:
        """Return the plan without what only measures and changes nothing: counterfactuals are played without it."""
        return self

    def again(self) -> Self:
        """Return the same plan with every peer's random choices keyed otherwise: the same training with other draws."""

        def keyed(configs: Iterable[PeerConfig]) -> tuple[PeerConfig, ...]:
            return tuple(one.model_copy(update={"repetition": one.repetition + 1}) for one in configs)

        return self.model_copy(update={"configs": keyed(self.configs), "returns": keyed(self.returns)})

    def until(self, last: int) -> Self:
        """Return the plan that ends with the round ``last``, of at least 1."""
        erasures = tuple(erasure for erasure in self.timeline.erasures if erasure.round <= last)
        timeline = self.timeline.model_copy(update={"rounds": self.timeline.rounds[:last], "erasures": erasures})
        return self.model_copy(update={"timeline": timeline}).unwatched()

    def ignoring_requests(self) -> Self:
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
        timeline = self.timeline.model_copy(update={"rounds": tuple(rounds), "erasures": ()})
        return self.model_copy(update={"timeline": timeline}).unwatched()


def _without_folders(content: Any) -> Any:
    """Return plain data with every ``path`` cut to the file's name: the same data elsewhere make the same plan."""
    if isinstance(content, dict):
        return {
            key: Path(value).name if key == "path" and isinstance(value, str) else _without_folders(value) for key, value in content.items()
        }
    return [_without_folders(part) for part in content] if isinstance(content, list) else content
