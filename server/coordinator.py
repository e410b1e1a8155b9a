"""What the server does beyond relaying mail; the round loop asks it at every step."""

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
    """What a coordinator can ask for inside a round, before the round's own messages: replays of earlier rounds, calibrations.

    All of it belongs to the round: it is committed with it, or, where the run is killed, done again from its start.
    """

    def train(self, now: Round) -> None:
        """Send the present peers of a round, past or made up, a message to train; book what it costs, and post what comes back."""

    def begin_again(self, peers: Iterable[int]) -> None:
        """Let peers start from their config with their next message, without what they have been asked to forget up to this round."""

    @property
    def steps(self) -> int:
        """Gradient steps of all exchanges of this round so far."""

    def held(self) -> set[str]:
        """Return the hashes of the last states of all peers."""


class Coordinator:
    """A server that only relays messages: peers learn from their neighbours' mail, and the server adds nothing.

    Subclasses keep what they know in the ledger, so that a run that was killed is taken up where it was committed.
    """

    delay: ClassVar[int] = 1
    """Rounds after which what a peer has sent can be used."""
    metrics: ClassVar[tuple[Metric, ...]] = ()
    """Every metric that it books for the federation itself, beside those of the peers."""

    def public(self) -> Mapping[str, ArrayRecord]:
        """Return what every peer gets with its config, by record name."""
        return {}

    def open(self, now: Round, mailbox: MailboxState, record: RoundRecord) -> None:
        """Do what the server does before the messages of a round, or of the final evaluation, go out; what was due has arrived."""

    def prepare(self, now: Round, mailbox: MailboxState, record: RoundRecord, exchanges: Exchanges) -> None:
        """Do what the server does at the start of a round, once membership and mailbox are up to date; it may ask for further exchanges."""

    def addressed(self, now: Round, mailbox: MailboxState) -> Sequence[int]:
        """Return who of the present peers gets a message in a round, in peer order; in the final evaluation everybody does."""
        return now.present

    def payload(self, peer: int, now: Round) -> Mapping[str, ArrayRecord | ConfigRecord]:
        """Return what a peer gets with this round's message beside its mail, by record name."""
        return {}

    def traffic(self, reply: RecordDict) -> int:
        """Return the bytes of models that went to a peer and came back with this reply, beside its mail."""
        return 0

    def close(self, now: Round, mailbox: MailboxState, record: RoundRecord) -> None:
        """Do what the server does once all replies of a round are in."""

    def outcome(self, erasure: Erasure, told: Outcome | None) -> Outcome | None:
        """Return the outcome to book for an erasure that the peers have carried out.

        Parameters
        ----------
        erasure : Erasure
        told : Outcome, optional
            What the peer says that has forgotten; None for a departure, for which all receipts are there.

        Returns
        -------
        Outcome or None
            None where the server is not done with it, and writes the outcome on a later record itself. A server that only relays messages
            keeps nothing: what the peer says is true of all, and a dropped seed was all that others had of its owner.
        """
        return told or Outcome(Cost(), "exact")

    def evaluate_finally(self, now: Round, record: RoundRecord) -> None:
        """Do what the server does in the final evaluation after the last round."""
