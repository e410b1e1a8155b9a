"""A server that adds up the peers' sums: one model of all their rows, from which deletions and departures are subtracted."""

from __future__ import annotations

import time
from collections.abc import Collection, Mapping
from typing import ClassVar

import numpy as np
from flwr.app import ArrayRecord, ConfigRecord, RecordDict

from clients import data, wire
from clients.classification.sums.config import SumsConfig
from clients.classification.sums.peer import TOTAL, learner
from clients.metrics import Metric
from server.classification.sums.statistics import Statistics
from server.coordinator import Coordinator
from server.ledger import FEDERATION, Ledger, RoundRecord
from server.mailbox import Mailbox, MailboxState, Parcel
from server.timeline import Round


class Sums(Coordinator):
    """The server that adds up sums; see `Coordinator`.

    A peer's contribution is its newest update in the mailbox, and nothing else is kept: what leaves the mailbox leaves the model.

    Parameters
    ----------
    config : SumsConfig
        Config of any peer.
    ledger : Ledger
        Stores the updates; a run resumes from it.
    rounds : int
        Number of rounds before the final evaluation.
    growing : collection of int
        Peers at which rows arrive or are corrected; sums that no deletion can lead to are refused of all others.
    """

    delay: ClassVar[int] = 0
    metrics: ClassVar[tuple[Metric, ...]] = (Metric("accuracy.global.ensemble", "mean", "share", "higher"),)

    def __init__(self, config: SumsConfig, ledger: Ledger, rounds: int, growing: Collection[int] = ()) -> None:
        self.config, self.ledger, self.rounds, self.growing = config, ledger, rounds, growing
        self.statistics = Statistics(learner(config))
        self._entries: dict[int, Parcel] = {}
        self._total: ArrayRecord | None = None
        self._balance(ledger.mailbox(), {})

    def open(self, now: Round, mailbox: MailboxState, record: RoundRecord) -> None:
        """In the final evaluation, add the last updates and prepare the total for the peers."""
        self._total = None
        if now.round > self.rounds:
            self._balance(mailbox, record.artefacts)
            if total := self.statistics.total:
                self._total = wire.pack(wire.to_bytes(total))

    def payload(self, peer: int, now: Round) -> Mapping[str, ArrayRecord | ConfigRecord]:
        """Return the sums over all peers in the final evaluation; none before it, as peers may still have deletions to report."""
        return {} if self._total is None else {TOTAL: self._total}

    def traffic(self, reply: RecordDict) -> int:
        """Return the bytes of the total sent to a peer and of the sums that came back."""
        records = [self._total, reply.array_records.get("seed")]
        return sum(len(wire.unpack(record)) for record in records if record is not None)

    def close(self, now: Round, mailbox: MailboxState, record: RoundRecord) -> None:
        """Subtract sums that were withdrawn, add new ones, and measure the model of the total."""
        mailbox.open(now.round)
        clock = time.perf_counter()
        self._balance(mailbox, record.artefacts)
        record.timings.append((FEDERATION, "subtract", time.perf_counter() - clock))
        if self.statistics.learner.count:
            source, test = data.load(self.config.data), np.asarray(self.config.test, dtype=np.int64)
            right = self.statistics.learner.predict_proba(source.inputs(test)).argmax(axis=1) == source.classes_of(test)
            record.metrics.append((FEDERATION, "accuracy.global.ensemble", float(right.mean())))

    def _balance(self, mailbox: MailboxState | Mailbox, fresh: Mapping[str, bytes]) -> None:
        """Bring the model up to date with the newest updates; ``fresh`` holds artefacts that are not in the ledger yet."""
        for peer, entry in sorted(self._entries.items()):
            parcel = mailbox.newest.get(peer)
            if parcel is None or parcel.generation != entry.generation:
                self.statistics.leave(peer)
                del self._entries[peer]
        for peer, parcel in sorted(mailbox.newest.items()):
            known = self._entries.get(peer)
            if known is None or known.sha256 != parcel.sha256:
                blob = fresh.get(parcel.sha256) or self.ledger.artefact(parcel.sha256)
                change = self.statistics.replace if peer in self.growing else self.statistics.change
                change(peer, wire.from_bytes(blob))
            self._entries[peer] = parcel
