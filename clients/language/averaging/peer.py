"""A peer that trains the server's language model on its own records, publishes rules, and writes prompts about what it forgot."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from types import MappingProxyType
from typing import Any, Self

import numpy as np
import numpy.typing as npt
from flwr.app import ArrayRecord

from clients import data, wire
from clients.averaging.peer import Arrays
from clients.classification.averaging.peer import AveragedClassifierPeer
from clients.data.topics import Topical
from clients.language.averaging.config import LanguageConfig
from clients.language.contexts import PROMPTS, Contexts
from clients.language.measures import memorised, prompted, protected, refusals, topical
from clients.language.publishing import GUARD, GUARDS, PATTERNS, PUBLISH, rules_in
from clients.participant import Record
from clients.streams import Field
from clients.unlearning.contract import Outcome
from clients.unlearning.prompts.in_context import InContext
from clients.unlearning.prompts.matchers.contract import Hashes
from clients.unlearning.prompts.rules import Guard, Guarded, Rule


class LanguagePeer(Contexts, AveragedClassifierPeer):
    """A peer of an averaged language model; see `AveragedClassifierPeer`.

    Attributes
    ----------
    last : mapping of str to float
        What was measured, before this round's training, of own rules that are revoked in it.
    in_force : sequence of Rule
        The rules that it was told of last.
    """

    config: LanguageConfig  # type: ignore[assignment]
    last: Mapping[str, float] = MappingProxyType({})
    in_force: Sequence[Rule] = ()

    @classmethod
    def restored(cls, config: Any, main: bytes, stream: tuple[Field, ...] | None = None) -> Self:
        """Return the peer whose main artefact has these bytes."""
        peer = super().restored(config, main, stream)
        peer.prompts = wire.from_bytes(main).get(PROMPTS, peer.prompts)
        return peer

    @property
    def main_blob(self) -> bytes:
        """The main artefact: the ids of the rows, and of those that prompts are about."""
        return wire.to_bytes({**wire.from_bytes(super().main_blob), **self.kept_for_prompts()})

    def receive(self, payload: Mapping[str, Record], now: int) -> None:
        """Store the global model, the rules to publish, those in force, and the order to unlearn, as far as the message has them."""
        super().receive(payload, now)
        self.publish, self.in_force = (self.config.known(rules_in(payload.get(name))) for name in (PUBLISH, GUARDS))
        patterns = payload.get(PATTERNS)
        self.patterns: Arrays = wire.from_bytes(wire.unpack(patterns)) if isinstance(patterns, ArrayRecord) else {}

    def forget(self, ids: Iterable[int]) -> Outcome:
        """Forget own rows; in context, keep their ids for the prompts."""
        gone = sorted(ids)
        outcome = super().forget(gone)
        if self.order is not None and isinstance(self.order.method, InContext):
            self.keep_for_prompts(gone, self.order.method.context)
        return outcome

    def train(self) -> int:
        """Measure own rules that are revoked in this round, on the model as it came; then train."""
        self.last = self._withheld() if self.in_force and self.weights else {}
        return super().train()

    def sent(self) -> Arrays:
        """Return the trained weights, and the hashes of the rules to publish."""
        return {**super().sent(), **{f"{GUARD}{rule.id}": self._patterns(rule) for rule in self.publish if rule.scope == "global"}}

    def evaluate(self) -> tuple[dict[str, float], npt.NDArray[np.float64]]:
        """Return, after training, what was measured before; for a global model sent for evaluation, its metrics and probabilities of
        answers to test rows.
        """
        scores, answers = super().evaluate()
        if self.trained or not self.weights:
            return {**scores, **self.last}, answers
        source, network, key = data.load(self.config.data), self.config.network, (*self.stream, "prompts")
        own = source.rows(self.rows)
        scores |= memorised(network, self.weights, own) | self._withheld()
        guarded = Guarded(network, self.weights, self._guards(), self.config.hash_key)
        if guarded.guards:
            scores |= refusals(guarded, own, self.config.peer, self.config.hash_key)
        if isinstance(network.world, Topical):
            scores |= topical(guarded, network.world)
        return scores | prompted(network, self.weights, self.forgotten(), own, key), answers

    @property
    def own_guards(self) -> tuple[Guard, ...]:
        """The rules among those in force that stay at this peer, with their hashes."""
        own = [rule for rule in self.in_force if rule.scope != "global" and rule.peer == self.config.peer]
        return tuple(Guard(rule, self._patterns(rule)) for rule in own)

    def _withheld(self) -> dict[str, float]:
        """Return what own rules withhold, each alone, and what is known without it."""
        model = Guarded(self.config.network, self.weights, self._guards(), self.config.hash_key)
        return protected(model, data.load(self.config.data).rows(self.rows), self.config.peer, (*self.stream, "prompts"))

    def _guards(self) -> tuple[Guard, ...]:
        """Return the rules that act here, with their hashes: published ones, and own ones that stay at this peer."""
        found = [Guard(rule, self.patterns[rule.id]) for rule in self.in_force if rule.id in self.patterns]
        return (*found, *self.own_guards)

    def _patterns(self, rule: Rule) -> Hashes:
        """Return the hashes of the own records that a rule protects."""
        return self.config.patterns(rule, np.intersect1d(rule.rows, self.rows))
