"""A server that takes Newton's steps on sums over peers, and certifies what they leave of rows that must be forgotten.

The objective of certified removal (Guo, Goldstein, Hannun, van der Maaten, ICML 2020) is a sum over peers, the perturbation included, so
the server's steps are those on all rows together, and one exchange of sums at the new parameters measures the residual.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
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
from clients.unlearning.approximate.certified.shared import combined
from clients.unlearning.contract import Outcome
from clients.unlearning.convex.learner import WEIGHTS
from clients.unlearning.convex.sums import ObjectiveSums
from server.averaging.contract import REPLAYED
from server.classification.sums.newton.outcome import outcome
from server.classification.sums.newton.solving import Reached, solved, stepped
from server.classification.sums.newton.state import PROOF, Kept
from server.coordinator import Coordinator, Exchanges
from server.exchanges import without_events
from server.ledger import FEDERATION, RELEASE, Ledger, OutcomeLine, RoundRecord
from server.ledger import Kept as Line
from server.mailbox import MailboxState
from server.timeline import Erasure, Round, Timeline

Members = tuple[tuple[int, int], ...]
"""Peers with their generations, in peer order."""


class FederatedNewton(Coordinator):
    """The server of Newton's method; see `Coordinator`.

    It asks for sums only when all members are present and there is something to do: peers have come or gone, or a request is due. What
    peers sent is dropped once it is added up.

    Parameters
    ----------
    config : NewtonConfig
        Config of any peer.
    timeline : Timeline
    ledger : Ledger
        A run resumes from it.
    colluding : int
        Peers whose shares of the perturbation need not be secret, or may leave.
    """

    delay: ClassVar[int] = 0
    metrics: ClassVar[tuple[Metric, ...]] = (Metric("accuracy.global.ensemble", "mean", "share", "higher"), REPLAYED)

    def __init__(self, config: NewtonConfig, timeline: Timeline, ledger: Ledger, colluding: int) -> None:
        self.config, self.timeline, self.ledger, self.colluding = config, timeline, ledger, colluding
        self.model = reading(config.main, data.load(config.data))
        self.kept = self._read()
        self.open_erasures = [one for one in timeline.erasures if one.index not in ledger.outcomes()]
        self._question: dict[str, ArrayRecord | ConfigRecord] = {}
        self._commitments: tuple[str, ...] = ()

    def prepare(self, now: Round, mailbox: MailboxState, record: RoundRecord, exchanges: Exchanges) -> None:
        """Make the model anew if peers have come, step if rows have gone, and record the outcome of the requests that are due."""
        members, due = self._members(now), [one for one in self.open_erasures if one.round <= now.round]
        if set(now.members) != set(now.present) or not now.present or (members == self.kept.members and not due):
            return
        here, again = self._reached(members, lambda question: self._asked(question, now, mailbox, record, exchanges))
        self._keep(self.kept, record)
        told = outcome(self.config.removal, self.kept, here, again)
        record.outcomes += [OutcomeLine(one.index, FEDERATION if self.timeline.departs(one) else one.peer, told) for one in due]
        self.open_erasures = [one for one in self.open_erasures if one not in due]

    def _reached(self, members: Members, asked: Callable[[Question], ObjectiveSums]) -> tuple[Reached, bool]:
        """Take over the parameters for the present rows of these members; return them, and whether the perturbation was drawn anew.

        With members that are new the optimum is found from zero, as it is after a draw; else one or two steps lead on.
        """
        table, enough = self.config.removal, len(members) - self.colluding
        joined = not set(members) <= set(self.kept.members)
        state = replace(self.kept, members=members, divisor=self.kept.divisor if self.kept.members else enough)
        start = self.model.zeros() if joined else state.weights
        ask = _asking(asked, state, table.sigma)
        here, again = Reached(start, ask(start)), False
        if not here.sums.rows:
            here = Reached(self.model.zeros(), here.sums)
        else:
            here = solved(ask, here) if joined else stepped(ask, here, table.law.budget / 2)
            again = here.sums.residual > table.law.budget or len(members) < state.divisor
        if again:
            state, start = replace(state, draw=state.draw + 1, divisor=enough), self.model.zeros()
            ask = _asking(asked, state, table.sigma)
            here = solved(ask, Reached(start, ask(start), here.steps))
        bound, commitment = here.sums.residual, combined(self._commitments)
        self.kept = replace(state, weights=here.weights, bound=bound, commitment=commitment)
        return here, again

    def outcome(self, erasure: Erasure, told: Outcome | None) -> Outcome | None:
        """Return None: an erasure is complete once the server has taken its step, which records it."""
        return None

    def payload(self, peer: int, now: Round) -> Mapping[str, ArrayRecord | ConfigRecord]:
        """Return the question of an exchange, and the model's parameters in the final evaluation."""
        final = now.round > len(self.timeline.rounds) and self.kept.members
        return Question(self.kept.weights, final=True).records() if final else self._question

    def traffic(self, reply: RecordDict) -> int:
        """Return the bytes of the parameters that were sent to a peer and of the sums that came back."""
        parts = [self._question.get(WEIGHTS), reply.array_records.get("seed")]
        return sum(len(wire.unpack(one)) for one in parts if isinstance(one, ArrayRecord))

    def close(self, now: Round, mailbox: MailboxState, record: RoundRecord) -> None:
        """Measure the model."""
        mailbox.open(now.round)
        if self.kept.members:
            source, test = data.load(self.config.data), np.asarray(self.config.test, dtype=np.int64)
            right = answered(self.model, self.kept.weights, source.inputs(test)).argmax(axis=1) == source.classes_of(test)
            record.metrics.append((FEDERATION, "accuracy.global.ensemble", float(right.mean())))

    def _asked(self, question: Question, now: Round, mailbox: MailboxState, record: RoundRecord, exchanges: Exchanges) -> ObjectiveSums:
        """Return the sums over all present peers, added up in peer order; what they sent is dropped."""
        self._question = question.records()
        exchanges.train(without_events(now, now.present))
        self._question = {}
        mailbox.open(now.round)
        sent = [wire.from_bytes(record.artefacts[mailbox.newest.pop(peer).sha256]) for peer in now.present]
        self._commitments = tuple(bytes(arrays.pop(COMMITMENT).tobytes()).hex() for arrays in sent)
        for sha256 in record.artefacts.keys() - mailbox.alive() - exchanges.held():
            del record.artefacts[sha256]
        return self.total([ObjectiveSums.read(arrays) for arrays in sent])

    def total(self, parts: Sequence[ObjectiveSums]) -> ObjectiveSums:
        """Return the sums over peers, in peer order."""
        return ObjectiveSums.total(parts)

    def _members(self, now: Round) -> Members:
        """Return the members of a round with their generations."""
        generation: dict[int, int] = {}
        for past in self.timeline.rounds[: now.round]:
            generation.update(past.generation)
        return tuple((peer, generation.get(peer, 0)) for peer in now.members)

    def _read(self) -> Kept:
        release, proof = self.ledger.model(RELEASE), self.ledger.model(PROOF)
        if release is None or proof is None:
            return Kept(self.model.zeros())
        return Kept.read(wire.from_bytes(self.ledger.artefact(release)), wire.from_bytes(self.ledger.artefact(proof)))

    def _keep(self, state: Kept, record: RoundRecord) -> None:
        """Write the state to the record; of earlier parameters the ledger keeps nothing."""
        lines = []
        for name, arrays in ((RELEASE, {WEIGHTS: state.weights.contiguous().numpy()}), (PROOF, state.proof())):
            blob = wire.to_bytes(arrays)
            record.models[name] = wire.sha256(blob)
            record.artefacts[record.models[name]] = blob
            lines.append(Line(name, FEDERATION, record.round, record.models[name], len(blob)))
        record.history = tuple(lines)


def _asking(asked: Callable[[Question], ObjectiveSums], state: Kept, sigma: float) -> Callable[[Tensor], ObjectiveSums]:
    """Return how sums at parameters are asked for under the perturbation of a state."""
    scale = sigma / max(1, state.divisor) ** 0.5
    return lambda weights: asked(Question(weights, state.draw, scale))
