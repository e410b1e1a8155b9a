"""The common base of servers that ask peers for sums of derivatives, at parameters that they send."""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Callable, Mapping, Sequence
from typing import ClassVar

import numpy as np
from flwr.app import ArrayRecord, ConfigRecord, RecordDict
from torch import Tensor

from clients import data, wire
from clients.classification.sums.newton.config import NewtonConfig
from clients.classification.sums.newton.peer import COMMITMENT, answered
from clients.classification.sums.newton.question import Question
from clients.metrics import Metric
from clients.unlearning.approximate.certified.certificate import reading
from clients.unlearning.contract import Outcome, State
from clients.unlearning.convex.learner import WEIGHTS
from clients.unlearning.convex.sums import ObjectiveSums
from server.averaging.contract import REPLAYED
from server.coordinator import Coordinator, Exchanges
from server.exchanges import without_events
from server.ledger import FEDERATION, RELEASE, Kept, Ledger, OutcomeLine, RoundRecord
from server.mailbox import MailboxState
from server.timeline import Erasure, Round, Timeline

PROOF = "memory"
"""Name under which such a server keeps what its outcomes rest on; the parameters that answer stand under the name of its release."""

Members = tuple[tuple[int, int], ...]
"""Peers with their generations, in peer order."""

Asked = Callable[[Question], ObjectiveSums]
"""Asks all present peers; see `Asking.asking`."""


class Asking(Coordinator):
    """A server that asks for sums; see `Coordinator`. What peers sent is dropped once it is added up.

    Parameters
    ----------
    config : NewtonConfig
        Config of any peer.
    timeline : Timeline
    ledger : Ledger
        A run resumes from it.
    """

    delay: ClassVar[int] = 0
    metrics: ClassVar[tuple[Metric, ...]] = (Metric("accuracy.global.ensemble", "mean", "share", "higher"), REPLAYED)

    def __init__(self, config: NewtonConfig, timeline: Timeline, ledger: Ledger) -> None:
        self.config, self.timeline, self.ledger = config, timeline, ledger
        self.model = reading(config.main, data.load(config.data))
        self.open_erasures = [one for one in timeline.erasures if one.index not in ledger.outcomes()]
        self.question: dict[str, ArrayRecord | ConfigRecord] = {}
        self._sent: Mapping[str, ArrayRecord | ConfigRecord] = {}
        self.commitments: tuple[str, ...] = ()

    @property
    @abstractmethod
    def released(self) -> Tensor | None:
        """The parameters that answer, (d, K); None before there are any."""

    def outcome(self, erasure: Erasure, told: Outcome | None) -> Outcome | None:
        """Return None: an erasure is complete once the server has taken its step, which records it."""
        return None

    def payload(self, peer: int, now: Round) -> Mapping[str, ArrayRecord | ConfigRecord]:
        """Return the question of an exchange, and the model's parameters in the final evaluation."""
        released = self.released if now.round > len(self.timeline.rounds) else None
        self._sent = self.question or self.usual() if released is None else Question(released, final=True).records()
        return self._sent

    def usual(self) -> dict[str, ArrayRecord | ConfigRecord]:
        """Return what peers are asked in a round's own message: nothing."""
        return {}

    def traffic(self, reply: RecordDict) -> int:
        """Return the bytes of the parameters that were sent to a peer and of the sums that came back."""
        parts = [self._sent.get(WEIGHTS), reply.array_records.get("seed")]
        return sum(len(wire.unpack(one)) for one in parts if isinstance(one, ArrayRecord))

    def close(self, now: Round, mailbox: MailboxState, record: RoundRecord) -> None:
        """Measure the model."""
        mailbox.open(now.round)
        if self.released is not None:
            source, test = data.load(self.config.data), np.asarray(self.config.test, dtype=np.int64)
            right = answered(self.model, self.released, source.inputs(test)).argmax(axis=1) == source.classes_of(test)
            record.metrics.append((FEDERATION, "accuracy.global.ensemble", float(right.mean())))

    def asking(self, now: Round, mailbox: MailboxState, record: RoundRecord, exchanges: Exchanges) -> Asked:
        """Return a function that returns the sums over all present peers, added up in peer order, and drops what they sent."""

        def asked(question: Question) -> ObjectiveSums:
            self.question = question.records()
            exchanges.train(without_events(now, now.present))
            self.question = {}
            mailbox.open(now.round)
            sent = [wire.from_bytes(record.artefacts[mailbox.newest.pop(peer).sha256]) for peer in now.present]
            for sha256 in record.artefacts.keys() - mailbox.alive() - exchanges.held():
                del record.artefacts[sha256]
            return self.added(sent)

        return asked

    def added(self, sent: Sequence[State]) -> ObjectiveSums:
        """Return the sums over peers of what they sent, in this order; take over the hashes over their rows."""
        self.commitments = tuple(bytes(arrays.pop(COMMITMENT).tobytes()).hex() for arrays in sent)
        return self.total([ObjectiveSums.read(arrays) for arrays in sent])

    def total(self, parts: Sequence[ObjectiveSums]) -> ObjectiveSums:
        """Return the sums over peers, in peer order."""
        return ObjectiveSums.total(parts)

    def members(self, now: Round) -> Members:
        """Return the members of a round with their generations."""
        generation: dict[int, int] = {}
        for past in self.timeline.rounds[: now.round]:
            generation.update(past.generation)
        return tuple((peer, generation.get(peer, 0)) for peer in now.members)

    def told(self, due: Sequence[Erasure], outcome: Outcome, record: RoundRecord) -> None:
        """Record the outcome of requests."""
        record.outcomes += [OutcomeLine(one.index, FEDERATION if self.timeline.departs(one) else one.peer, outcome) for one in due]
        self.open_erasures = [one for one in self.open_erasures if one not in due]

    def last(self) -> tuple[State, State] | None:
        """Return what `keep` wrote last; None if it wrote nothing yet."""
        release, proof = self.ledger.model(RELEASE), self.ledger.model(PROOF)
        if release is None or proof is None:
            return None
        return wire.from_bytes(self.ledger.artefact(release)), wire.from_bytes(self.ledger.artefact(proof))

    def keep(self, weights: Tensor, proof: State, record: RoundRecord) -> None:
        """Write the parameters that answer, and what outcomes rest on, to the record; of earlier ones the ledger keeps nothing."""
        lines = []
        for name, arrays in ((RELEASE, {WEIGHTS: weights.contiguous().numpy()}), (PROOF, proof)):
            blob = wire.to_bytes(arrays)
            record.models[name] = wire.sha256(blob)
            record.artefacts[record.models[name]] = blob
            lines.append(Kept(name, FEDERATION, record.round, record.models[name], len(blob)))
        record.history = tuple(lines)
