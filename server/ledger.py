"""The server's ledger: one record per round, committed as a whole or not at all."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Protocol

from clients.metrics import Metric
from clients.unlearning.contract import Outcome
from server.mailbox import Mailbox

FEDERATION = -1
"""The peer number under which the federation's own metrics are recorded."""

RELEASE = "release"
"""Name under which a server keeps a model that it makes of the peers' seeds and releases; audits compare it as they do peers' models."""

TRAFFIC = Metric("bytes_overlay", "sum", "bytes", "lower")
"""Bytes of models delivered in a round."""


@dataclass(frozen=True)
class PeerState:
    """Pointers to a peer's last committed state: hashes of its main and its seed artefact, and the seed's version."""

    generation: int
    main: str
    seed: str
    version: int


@dataclass(frozen=True)
class ReceiptLine:
    """One receipt: the erasure, the holder that removed a seed, the seed's owner and version, and the SHA-256 of the removed bytes."""

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
        Index of the erasure in the timeline.
    peer : int
        The peer that carried it out; -1 is the federation.
    outcome : Outcome
    weights : (str, str), optional
        Hashes of the model's weights just before and just after, given if the outcome claims that they are equal.
    """

    erasure: int
    peer: int
    outcome: Outcome
    weights: tuple[str, str] | None = None


@dataclass(frozen=True)
class Kept:
    """One artefact that the server keeps of round ``made``: a named part of its state or a peer's update; ``size`` is in bytes."""

    name: str
    peer: int
    made: int
    sha256: str
    size: int


@dataclass
class RoundRecord:
    """Everything that one round adds to the ledger.

    ``metrics`` and ``timings`` hold ``(peer, name, value)``, the federation's own under peer -1. Timings, physical bytes and incidents
    depend on the machine and the engine and are not part of the digest. ``artefacts`` maps hashes to bytes. ``probabilities`` holds, by
    peer, the hash of its ensemble's predictions in the final evaluation; ``owed`` the pairs (erasure, holder) for which a receipt is now
    due. ``models`` holds the hashes of the server's own state by name, ``findings`` its measurements as plain data by name. ``outcomes``
    are those of the erasures carried out in this round. ``history`` is everything that the server keeps of this and earlier rounds, None
    if unchanged; what it kept of rounds from ``rewritten`` on has been replaced.
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
        """Return the last committed round; 0 before the first."""

    def states(self) -> Mapping[int, PeerState]:
        """Return the last committed state of every peer that has one and was not erased."""

    def mailbox(self) -> Mailbox:
        """Return the mailbox after the last committed round."""

    def model(self, name: str, round_: int | None = None) -> str | None:
        """Return the hash of a part of the server's state after a round (default: the last committed one); None if there is none."""

    def history(self) -> Sequence[Kept]:
        """Return what the server keeps of all committed rounds, by round, name and peer."""

    def findings(self, name: str) -> list[dict[str, Any]]:
        """Return the server's measurements under a name in all committed rounds, oldest first."""

    def outcomes(self) -> Mapping[int, OutcomeLine]:
        """Return the outcome of every erasure carried out in a committed round, by the erasure's index."""

    def artefact(self, sha256: str) -> bytes:
        """Return an artefact's bytes, checked against the hash."""

    def commit(self, record: RoundRecord) -> None:
        """Write a record in one transaction; afterwards nothing that it made obsolete can be read."""
