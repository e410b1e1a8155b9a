"""What the coordinator writes down: one record a round, committed whole or not at all."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Protocol

from clients.metrics import Metric
from clients.unlearning.contract import Outcome
from server.mailbox import Mailbox

FEDERATION = -1
"""The "peer" under which the federation's own metrics are booked."""

TRAFFIC = Metric("bytes_overlay", "sum", "bytes", "lower")
"""Bytes of models that were delivered in a round."""


@dataclass(frozen=True)
class PeerState:
    """Pointers to a peer's last committed state: hashes of its main and its seed artefact, and the seed's version."""

    generation: int
    main: str
    seed: str
    version: int


@dataclass(frozen=True)
class ReceiptLine:
    """One receipt: for which erasure who removed whose seed, which version, and the hash of the bytes that were removed."""

    erasure: int
    holder: int
    owner: int
    version: int
    sha256: str


@dataclass(frozen=True)
class OutcomeLine:
    """How one erasure was carried out.

    Parameters
    ----------
    erasure : int
        Its number in the timeline.
    peer : int
        Who carried it out; -1 is the federation.
    outcome : Outcome
    weights : (str, str), optional
        Hashes of the model's weights just before and just after, where the outcome claims that they are the same.
    """

    erasure: int
    peer: int
    outcome: Outcome
    weights: tuple[str, str] | None = None


@dataclass(frozen=True)
class Kept:
    """One artefact that the server keeps of a round: a part of its state by name, or the update that a peer sent; hash and bytes."""

    name: str
    peer: int
    made: int
    sha256: str
    size: int


@dataclass
class RoundRecord:
    """Everything that one round adds to the ledger.

    ``metrics`` and ``timings`` hold ``(peer, name, value)``, the federation's own under peer -1. Timings, physical bytes and incidents
    depend on the machine and the engine; they stay out of the digest. ``artefacts`` are bytes by hash; ``probabilities`` are the hashes of
    the ensembles' answers in the final evaluation, ``owed`` the pairs (erasure, holder) for which a receipt is now due. ``models`` are
    hashes of what the server itself keeps, by name; ``findings`` what it measured, plain data by name. ``outcomes`` are those of the
    erasures that were carried out in this round. ``history`` is all that the server keeps of this and earlier rounds, None where that has
    not changed; what was kept of rounds from ``rewritten`` on has been replaced.
    """

    round: int
    events: list[tuple[str, tuple[int, ...], str]] = field(default_factory=list)
    metrics: list[tuple[int, str, float]] = field(default_factory=list)
    timings: list[tuple[int, str, float]] = field(default_factory=list)
    receipts: list[ReceiptLine] = field(default_factory=list)
    owed: list[tuple[int, int]] = field(default_factory=list)
    incidents: list[str] = field(default_factory=list)
    states: dict[int, PeerState] = field(default_factory=dict)
    probabilities: dict[int, str] = field(default_factory=dict)
    models: dict[str, str] = field(default_factory=dict)
    findings: list[tuple[str, dict[str, Any]]] = field(default_factory=list)
    outcomes: list[OutcomeLine] = field(default_factory=list)
    history: tuple[Kept, ...] | None = None
    rewritten: int | None = None
    mailbox: dict[str, Any] = field(default_factory=dict)
    artefacts: dict[str, bytes] = field(default_factory=dict)


class Ledger(Protocol):
    """The durable, ordered record of a run, as the round loop sees it."""

    def last_round(self) -> int:
        """Return the last committed round, 0 before the first."""

    def states(self) -> Mapping[int, PeerState]:
        """Return the last committed state of every peer that has one and was not erased."""

    def mailbox(self) -> Mailbox:
        """Return the mailbox after the last committed round."""

    def model(self, name: str, round_: int | None = None) -> str | None:
        """Return the hash of what the server kept under a name in a round, the last committed one unless told; None if nothing."""

    def history(self) -> Sequence[Kept]:
        """Return what the server keeps of all committed rounds, by round, name and peer."""

    def findings(self, name: str) -> list[dict[str, Any]]:
        """Return what the server measured under a name in all committed rounds, oldest first."""

    def outcomes(self) -> Mapping[int, OutcomeLine]:
        """Return the outcome of every erasure that has been carried out in a committed round, by the erasure's number."""

    def artefact(self, sha256: str) -> bytes:
        """Return an artefact's bytes, checked against the hash."""

    def commit(self, record: RoundRecord) -> None:
        """Write a record whole; afterwards nothing that it made obsolete can be read any more."""
