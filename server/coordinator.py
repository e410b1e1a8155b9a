"""What the server does beyond relaying messages; the round loop calls it at every step."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import TYPE_CHECKING, ClassVar, Protocol

from clients.metrics import Metric
from clients.unlearning.contract import Cost, Outcome
from server.ledger import RoundRecord
from server.mailbox import MailboxState
from server.timeline import Erasure, Round

if TYPE_CHECKING:  # cells import this module, and checking a scenario loads nothing heavy
    from flwr.app import ArrayRecord, ConfigRecord, RecordDict


class Exchanges(Protocol):
    """Additional exchanges that a coordinator can run inside a round, before the round's own messages: replays, calibrations.

    They belong to the round: they are committed with it, or repeated from its start if the run is killed.
    """

    def train(self, now: Round) -> None:
        """Let the present peers of a round, past or constructed, train; record the cost and post their updates."""

    def begin_again(self, peers: Iterable[int]) -> None:
        """Reset peers to their config; they are to forget again, and to correct again, what they have been asked to up to this round."""

    @property
    def steps(self) -> int:
        """Gradient steps of all additional exchanges of this round so far."""

    def held(self) -> set[str]:
        """Return the SHA-256 hashes of the last states of all peers."""


class Coordinator:
    """A server that only relays messages: peers learn from their neighbours' seeds, and the server adds nothing.

    Subclasses keep their state in the ledger, so that a killed run resumes from its last commit.
    """

    delay: ClassVar[int] = 1
    """Rounds after which a peer's update can be used."""
    metrics: ClassVar[tuple[Metric, ...]] = ()
    """Every metric that the coordinator records for the federation itself, in addition to those of the peers."""

    def public(self) -> Mapping[str, ArrayRecord]:
        """Return the records that every peer receives with its config, by name."""
        return {}

    def open(self, now: Round, mailbox: MailboxState, record: RoundRecord) -> None:
        """Act before the messages of a round, or of the final evaluation, are sent; seeds that were due have arrived in the mailbox."""

    def prepare(self, now: Round, mailbox: MailboxState, record: RoundRecord, exchanges: Exchanges) -> None:
        """Act at the start of a round, once membership and mailbox are up to date; additional exchanges may be run here."""

    def addressed(self, now: Round, mailbox: MailboxState) -> Sequence[int]:
        """Return the present peers that receive a message in a round, in peer order; in the final evaluation all of them do."""
        return now.present

    def payload(self, peer: int, now: Round) -> Mapping[str, ArrayRecord | ConfigRecord]:
        """Return the records that a peer receives with this round's message in addition to its neighbours' seeds, by name."""
        return {}

    def traffic(self, reply: RecordDict) -> int:
        """Return the bytes of models that were sent to a peer and came back with this reply, neighbours' seeds not counted."""
        return 0

    def close(self, now: Round, mailbox: MailboxState, record: RoundRecord) -> None:
        """Act once all replies of a round are in."""

    def outcome(self, erasure: Erasure, told: Outcome | None) -> Outcome | None:
        """Return the outcome to record for an erasure that the peers have carried out.

        Parameters
        ----------
        erasure : Erasure
        told : Outcome, optional
            Reported by the peer that has forgotten; None for a departure, whose receipts are complete.

        Returns
        -------
        Outcome or None
            None if the server has not finished the erasure and will record the outcome itself later. A server that only relays messages
            keeps no state of its own, so the peer's report holds for the whole federation; and the seed that the others dropped was all
            that they had of its owner.
        """
        return told or Outcome(Cost(), "exact")

    def evaluate_finally(self, now: Round, record: RoundRecord) -> None:
        """Act in the final evaluation, after the last round."""
