"""Resolution of a scenario of peers that exchange seed language models to a plan."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from clients.data import Dataset
from clients.data.rows import Ids
from clients.unlearning.general.contract import MethodSpec
from clients.unlearning.general.retrain import Retrain
from clients.unlearning.prompts.in_context import InContext
from server.timeline import Timeline
from simulator.tasks.language.hdus.scenario import HdusLanguageScenario
from simulator.tasks.language.resolution import GuardedResolution


class HdusLanguageResolution(GuardedResolution[HdusLanguageScenario]):
    """Resolution of a scenario of peers that exchange seed language models."""

    def check(self, data: Dataset, dealt: Sequence[Ids] | None) -> None:
        """Record an error for data that are no text, models that cannot be made here, and GPUs set aside for nobody."""
        self.check_workers()
        world, peers = self.words(), self.scenario.peers
        if world is None:
            return
        seed = self.known("peers.seed", peers.seed, world)
        found = [self.known(f"peers.main.{i}", main, world) for i, main in enumerate(peers.main)]
        mains = tuple(main for main in found if main is not None)
        if seed is not None and len(mains) == len(found):
            changed = peers.model_copy(update={"main": mains, "seed": seed})
            self.scenario = self.scenario.model_copy(update={"peers": changed})
            # a prompt is read by the main model and by seeds alike
            self.check_methods(min(one.records for one in (*mains, seed)), min(main.blocks for main in mains), "records of main and seed")

    def check_timeline(self, timeline: Timeline) -> None:
        """Record an error for each rule whose owner crashes, or is late, in the round in which it publishes it, and for each request that
        cannot be carried out.
        """
        self.check_rules(timeline)
        for number, what in refusals(timeline):
            self.wrong(f"round {number}", what)


def refusals(timeline: Timeline) -> Iterator[tuple[int, str]]:
    """Yield round and reason of every request for rows that cannot be carried out as specified."""
    last: dict[tuple[int, int], tuple[MethodSpec, int]] = {}
    for one in sorted(timeline.erasures, key=lambda erasure: erasure.round):
        if timeline.departs(one):
            continue
        method, key = one.method or Retrain(), (one.peer, one.generation)
        before, when = last.get(key, (method, 0))
        if when == one.round and method != before:
            yield one.round, _DIFFERING.format(one.peer, before.tag, method.tag)
        elif method.guarantee == "exact" and before.guarantee != "exact":
            yield one.round, _AFTER_OTHERS.format(one.peer, before.tag, when)
        if isinstance(method, InContext) and not any(one.peer in now.present for now in timeline.rounds[: one.round - 1]):
            yield one.round, f"peer {one.peer} has learned nothing yet, and in_context has nothing to hide: ask in a later round"
        last[key] = method, one.round


_DIFFERING = "peer {} has requests by {} and by {}: give them the same method and settings, or rounds of their own"
_AFTER_OTHERS = (
    "peer {} would train again without what {} left in its model in round {}, so it could not be compared with a run without this request: "
    "put the approximate request last, or let both be exact"
)
