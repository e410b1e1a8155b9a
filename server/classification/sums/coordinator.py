"""A server that adds up what peers send: one model of all their rows, out of which a deletion or a departure is subtracted."""

from __future__ import annotations

import time
from collections.abc import Mapping
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
    """The server; see `Coordinator`.

    What a peer gave is its newest seed in the mailbox, and nothing else is kept: what leaves the mailbox leaves the model.

    Parameters
    ----------
    config : SumsConfig
        Of any peer.
    ledger : Ledger
        Where seeds lie, and where a run is taken up.
    rounds : int
        How many there are before the final evaluation.
    """

    delay: ClassVar[int] = 0
    metrics: ClassVar[tuple[Metric, ...]] = (Metric("accuracy.global.ensemble", "mean", "share", "higher"),)

    def __init__(self, config: SumsConfig, ledger: Ledger, rounds: int) -> None:
        self.config, self.ledger, self.rounds = config, ledger, rounds
        self.statistics = Statistics(learner(config))
        self._entries: dict[int, Parcel] = {}
        self._total: ArrayRecord | None = None
        self._balance(ledger.mailbox(), {})

    def open(self, now: Round, mailbox: MailboxState, record: RoundRecord) -> None:
        """In the final evaluation, take in what came last, and hand out the total."""
        self._total = None
        if now.round > self.rounds:
            self._balance(mailbox, record.artefacts)
            if total := self.statistics.total:
                self._total = wire.pack(wire.to_bytes(total))

    def payload(self, peer: int, now: Round) -> Mapping[str, ArrayRecord | ConfigRecord]:
        """Return the sums over all peers in the final evaluation; before, peers may still have to tell what is to be taken out of them."""
        return {} if self._total is None else {TOTAL: self._total}

    def traffic(self, reply: RecordDict) -> int:
        """Return the bytes of the total that went to a peer, and of the sums that came back."""
        records = [self._total, reply.array_records.get("seed")]
        return sum(len(wire.unpack(record)) for record in records if record is not None)

    def close(self, now: Round, mailbox: MailboxState, record: RoundRecord) -> None:
        """Subtract what is gone, add what is new, and measure the model of all."""
        mailbox.open(now.round)
        clock = time.perf_counter()
        self._balance(mailbox, record.artefacts)
        record.timings.append((FEDERATION, "subtract", time.perf_counter() - clock))
        if self.statistics.learner.count:
            source, test = data.load(self.config.data), np.asarray(self.config.test, dtype=np.int64)
            right = self.statistics.learner.predict_proba(source.inputs(test)).argmax(axis=1) == source.classes_of(test)
            record.metrics.append((FEDERATION, "accuracy.global.ensemble", float(right.mean())))

    def _balance(self, mailbox: MailboxState | Mailbox, fresh: Mapping[str, bytes]) -> None:
        """Let the model be that of the newest seeds; bytes that are not in the ledger yet are among the ``fresh``."""
        for peer, entry in sorted(self._entries.items()):
            parcel = mailbox.newest.get(peer)
            if parcel is None or parcel.generation != entry.generation:
                self.statistics.leave(peer)
                del self._entries[peer]
        for peer, parcel in sorted(mailbox.newest.items()):
            known = self._entries.get(peer)
            if known is None or known.sha256 != parcel.sha256:
                blob = fresh.get(parcel.sha256) or self.ledger.artefact(parcel.sha256)
                self.statistics.change(peer, wire.from_bytes(blob))
            self._entries[peer] = parcel
