"""The averaging server of language models, with the registry of guards."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import ClassVar

import numpy as np
from flwr.app import ArrayRecord, ConfigRecord

from clients import wire
from clients.averaging.update import COUNT
from clients.language.averaging.config import LanguageConfig
from clients.language.publishing import GUARD, GUARDS, PATTERNS, PUBLISH, rules
from clients.metrics import Metric
from clients.unlearning.prompts.rules import Rule
from server.averaging.contract import Arrays, Averaged
from server.averaging.coordinator import Averaging
from server.classification.averaging.metrics import METRICS
from server.classification.averaging.scores import scores
from server.coordinator import Exchanges
from server.language.timeline import GuardedTimeline
from server.ledger import FEDERATION, RoundRecord
from server.mailbox import MailboxState
from server.timeline import Round

REGISTRY = "guards"
"""Name of the part of the server's state with the hashes of published rules, by id."""


@dataclass(frozen=True)
class LanguageUpdate:
    """One peer's update: trained weights, its number of training rows, and the hashes of rules that it publishes, by id."""

    peer: int
    weights: Arrays
    count: int
    patterns: Arrays = field(default_factory=dict)


class LanguageAveraging(Averaging[LanguageUpdate]):
    """The averaging server of language models; see `Averaging`. It uses no readable rule, and no key with which to try guesses.

    Parameters
    ----------
    config : LanguageConfig
        Config of any peer.
    averaged : Averaged
        Its timeline is a `GuardedTimeline`.
    start : dict of str to array
        The pre-trained weights.

    Attributes
    ----------
    registry : dict of str to uint64 array
        The hashes of every rule that is published and not revoked, by id.
    """

    metrics: ClassVar[tuple[Metric, ...]] = METRICS
    latest: ClassVar[tuple[str, ...]] = (REGISTRY,)

    def __init__(self, config: LanguageConfig, averaged: Averaged, start: Arrays) -> None:
        assert isinstance(averaged.timeline, GuardedTimeline)
        self.config, self.rules = config, averaged.timeline
        self.registry: Arrays = {}
        super().__init__(averaged, start)

    @property
    def names(self) -> tuple[str, ...]:
        """Names of the parts of the state."""
        return (*super().names, REGISTRY)

    def adopt(self, parts: Mapping[str, Arrays]) -> None:
        """Set the state from its parts; without one of its own, the registry stays: earlier ones have hashes of rows deleted since."""
        super().adopt(parts)
        self.registry = dict(parts.get(REGISTRY, self.registry))

    def parts(self) -> dict[str, Arrays]:
        """Return the parts of the state, by name."""
        return {**super().parts(), REGISTRY: self.registry}

    def written(self, name: str, arrays: Arrays) -> bool:
        """Return whether a part of the state is written after a round; the registry is also when its last rule is gone."""
        return super().written(name, arrays) or (name == REGISTRY and self.ledger.model(name) is not None)

    def prepare(self, now: Round, mailbox: MailboxState, record: RoundRecord, exchanges: Exchanges) -> None:
        """Strike the hashes of rows that are deleted in a round off the registry, then carry the requests out."""
        for rule in self.rules.rules:
            if rule.id in self.registry:
                before, after = (self.rules.protected(rule, number) for number in (now.round - 1, now.round))
                self.registry[rule.id] = self.registry[rule.id][np.isin(before, after)]
        super().prepare(now, mailbox, record, exchanges)

    def read(self, peer: int, blob: bytes) -> LanguageUpdate:
        """Decode a peer's update."""
        arrays = wire.from_bytes(blob)
        count = int(arrays.pop(COUNT))
        published = {name.removeprefix(GUARD): arrays.pop(name) for name in [*arrays] if name.startswith(GUARD)}
        return LanguageUpdate(peer, arrays, count, published)

    def collect(self, now: Round, mailbox: MailboxState, record: RoundRecord) -> list[LanguageUpdate]:
        """Return the valid updates that have arrived; enter the rules that they publish."""
        updates = super().collect(now, mailbox, record)
        for update in updates:
            self.registry |= update.patterns
        return updates

    def payload(self, peer: int, now: Round) -> Mapping[str, ArrayRecord | ConfigRecord]:
        """Return the global model, and the rules: those that the peer is to publish, and its own that are measured for the last time
        because they are revoked; for the final evaluation, those in force.
        """
        if peer in self.orders:
            return {**self.records(), **self.orders[peer].records()}
        if now.round <= len(self.averaged.timeline.rounds):
            due, told = self.rules.published(now.round, peer), self._told_of(self.rules.ending(now.round, peer))
            return {**(self.records() if peer in self.cohort else {}), **({PUBLISH: rules(due)} if due else {}), **told}
        acting = [rule if rule.peer == peer else rule.model_copy(update={"rows": ()}) for rule in self.rules.acting(now.round)]
        return {**self.records(), **self._told_of(acting)}

    def _told_of(self, acting: Sequence[Rule]) -> dict[str, ArrayRecord | ConfigRecord]:
        """Return rules as records, with their hashes as far as these are published; none without a rule."""
        hashes = {rule.id: self.registry[rule.id] for rule in acting if rule.id in self.registry}
        found = {GUARDS: rules(acting)} if acting else {}
        return {**found, **({PATTERNS: wire.pack(wire.to_bytes(hashes))} if hashes else {})}

    def measure(self, now: Round, updates: Sequence[LanguageUpdate], record: RoundRecord) -> None:
        """Strike rules that are no longer in force off the registry; measure the global model on the test rows."""
        acting = {rule.id for rule in self.rules.acting(now.round + 1)}
        self.registry = {name: patterns for name, patterns in self.registry.items() if name in acting}
        record.metrics += [(FEDERATION, name, value) for name, value in scores(self.config, self.weights)]
