"""The server of peers that exchange seed language models: it sends out public weights, lists rules, and carries seeds."""

from __future__ import annotations

from collections.abc import Mapping

from flwr.app import ArrayRecord, ConfigRecord

from clients import wire
from clients.language.hdus.requests import METHODS, methods
from clients.language.publishing import GUARDS, PUBLISH, rules
from server.coordinator import Coordinator
from server.language.timeline import GuardedTimeline
from server.timeline import Round


class GuardedNeighbourhood(Coordinator):
    """A server without a model of its own; see `Coordinator`.

    Hashes of a rule come to neighbours with their owner's seed, and go with it: where the seed is dropped, nothing is left of either. The
    server carries seeds, and so their hashes, and keeps none beside them.

    Parameters
    ----------
    starts : mapping of str to bytes
        Public weights from which models start, as safetensors files, by the names of their records.
    timeline : GuardedTimeline
    """

    def __init__(self, starts: Mapping[str, bytes], timeline: GuardedTimeline) -> None:
        self._starts = {name: wire.pack(blob) for name, blob in starts.items()}
        self._timeline = timeline

    def public(self) -> Mapping[str, ArrayRecord]:
        """Return the public weights of every kind of model."""
        return self._starts

    def payload(self, peer: int, now: Round) -> Mapping[str, ArrayRecord | ConfigRecord]:
        """Return the rules that act in a round, of other peers without their rows, own ones that the seed of this round carries, and the
        methods of requests up to now.
        """
        acting = [rule if rule.peer == peer else rule.model_copy(update={"rows": ()}) for rule in self._timeline.acting(now.round)]
        due = [rule for rule in self._timeline.acting(now.round + 1) if rule.peer == peer]
        asked = [(one.method, one.rows) for one in self._timeline.by_method(peer, now.round) if one.method is not None]
        told = {METHODS: methods(asked)} if asked else {}
        return {**{name: rules(chosen) for name, chosen in ((GUARDS, acting), (PUBLISH, due)) if chosen}, **told}
