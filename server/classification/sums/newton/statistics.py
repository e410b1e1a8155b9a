"""A server that keeps every peer's sums at the optimum, from which rows and peers leave by subtraction and one step.

Sekhari, Acharya, Kamath, Suresh, "Remember What You Want to Forget", NeurIPS 2021, and Suriyakumar and Wilson, "Algorithms that Approximate
Data Removal", NeurIPS 2022, applied to a federation: each peer's sums are one entry, so that a request waits for nobody else.
"""

from __future__ import annotations

from dataclasses import replace

import torch
from flwr.app import ArrayRecord, ConfigRecord
from torch import Tensor

from clients import wire
from clients.classification.sums.newton.config import NewtonConfig
from clients.classification.sums.newton.question import Question
from clients.unlearning.approximate.certified.perturbation import Law
from clients.unlearning.approximate.certified.shared import combined
from clients.unlearning.approximate.statistics.certificate import SharedDistance
from clients.unlearning.approximate.statistics.outcome import outcome
from clients.unlearning.approximate.statistics.spec import InfinitesimalJackknife, NewtonStatistics
from clients.unlearning.contract import Cost, Outcome
from clients.unlearning.convex.sums import ObjectiveSums
from server.classification.sums.newton.anchored import Anchored, taken
from server.classification.sums.newton.asking import Asking
from server.classification.sums.newton.solving import Reached, solved
from server.coordinator import Exchanges
from server.ledger import Ledger, RoundRecord
from server.mailbox import MailboxState
from server.timeline import Round, Timeline


class FederatedStatistics(Asking):
    """The server of statistics; see `Asking`.

    With members that are new it finds the optimum, once all are present. From then on each round brings every present peer's sums at that
    optimum over the rows that it has left; an entry that is withdrawn, or not there, counts as rows that have left.

    Parameters
    ----------
    config : NewtonConfig
        Config of any peer.
    table : NewtonStatistics or InfinitesimalJackknife
    timeline : Timeline
    ledger : Ledger
        A run resumes from it.
    """

    def __init__(
        self, config: NewtonConfig, table: NewtonStatistics | InfinitesimalJackknife, timeline: Timeline, ledger: Ledger
    ) -> None:
        super().__init__(config, timeline, ledger)
        self.table, last = table, self.last()
        self.kept = None if last is None else Anchored.read(last[1])
        self.takes = taken(table)

    @property
    def released(self) -> Tensor | None:
        """The parameters with noise; None before they were made."""
        return None if self.kept is None else self.kept.weights + self._noise(self.kept.releases)

    def prepare(self, now: Round, mailbox: MailboxState, record: RoundRecord, exchanges: Exchanges) -> None:
        """Find the optimum if peers have come, once all members are present."""
        members = self.members(now)
        known = self.kept.members if self.kept else ()
        if set(members) <= set(known) or set(now.members) != set(now.present):
            return
        asked = self.asking(now, mailbox, record, exchanges)
        zeros = self.model.zeros()
        here = Reached(zeros, asked(Question(zeros)))
        if not here.sums.rows:
            return
        here = solved(lambda weights: asked(Question(weights)), here)
        mailbox.newest.clear()
        mailbox.coming.clear()
        matrix, releases = self.takes.kept(here.sums.hessian), self.kept.releases if self.kept else 0
        self.kept = Anchored(here.weights, here.weights, matrix, members, here.sums.rows, releases)

    def usual(self) -> dict[str, ArrayRecord | ConfigRecord]:
        """Return the question for sums at the optimum, once there is one."""
        return {} if self.kept is None else Question(self.kept.anchor, alone=False).records()

    def close(self, now: Round, mailbox: MailboxState, record: RoundRecord) -> None:
        """Take the step for the entries that are there, if they have changed; record the requests that it serves; measure."""
        mailbox.open(now.round)
        due = [one for one in self.open_erasures if one.round <= now.round and (self.timeline.departs(one) or not mailbox.owes(one.peer))]
        if self.kept is not None:
            self._step(now, mailbox, record)
        if due:
            self.told(due, self._outcome(), record)
        super().close(now, mailbox, record)

    def evaluate_finally(self, now: Round, record: RoundRecord) -> None:
        """Record the requests of peers that crashed in the last round: they have carried them out, and the last step was without them."""
        if due := [one for one in self.open_erasures if one.peer in now.present]:
            self.told(due, self._outcome(), record)

    def _step(self, now: Round, mailbox: MailboxState, record: RoundRecord) -> None:
        """Replace parameters and noise if the entries of the members have changed."""
        assert self.kept is not None
        entries = [mailbox.newest[peer] for peer in now.members if peer in mailbox.newest]
        told = tuple((one.owner, one.sha256) for one in entries)
        if told == self.kept.entries and self.kept.sums is not None:
            return
        sent = [wire.from_bytes(record.artefacts.get(one.sha256) or self.ledger.artefact(one.sha256)) for one in entries]
        none = ObjectiveSums(0, self.model.zeros(), torch.zeros_like(self.kept.matrix), 0.0)
        sums = self.added(sent) if sent else none
        kept = replace(
            self.kept,
            entries=told,
            present=tuple(one for one in self.members(now) if one[0] in mailbox.newest),
            sums=sums,
            releases=self.kept.releases + 1,
            commitment=combined(self.commitments) if sent else "",
        )
        weights = kept.anchor + kept.statistics(self.takes).change() if sums.rows else self.model.zeros()
        self.kept = replace(kept, weights=weights)
        self.keep(weights + self._noise(self.kept.releases), self.kept.proof(), record)

    def _outcome(self) -> Outcome:
        """Return the outcome of the requests that the present entries serve."""
        if self.kept is None or self.kept.sums is None or not self.kept.sums.rows:
            return Outcome(Cost(), "exact", notes=("nothing was learned yet, or no row is left of any peer",))
        return outcome(self.table, self.kept.statistics(self.takes), SharedDistance)

    def _noise(self, number: int) -> Tensor:
        """Return the noise of a release; each number gives another."""
        spec = self.table
        if not spec.sigma:
            return self.model.zeros()
        key = self.config.run_seed, "release noise", self.config.repetition, number
        return torch.tensor(Law(spec.epsilon, spec.delta, spec.sigma).draw(self.model.shape, *key))
