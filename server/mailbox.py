"""The mailbox: seeds in transit between neighbours, which peer holds which seed, and which removals are unconfirmed."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Annotated, Any

from pydantic import BeforeValidator

from clients.corrections import Correction
from clients.spec import Spec

Erasures = Annotated[tuple[int, ...], BeforeValidator(lambda value: (value,) if isinstance(value, int) else value)]
"""Indices of erasures. A single int is accepted too: older journals stored only one."""


class Parcel(Spec):
    """A seed in the mailbox: owner, generation, version, hash, size in bytes, and the round from which neighbours can receive it."""

    owner: int
    generation: int
    version: int
    sha256: str
    size: int
    arrives: int


class Mailbox(Spec):
    """A snapshot of the mailbox, as the ledger stores it.

    ``newest`` is the newest arrived seed by owner, ``coming`` the seeds in transit, ``held`` the seeds by holder and owner. ``owed``
    lists, by holder and owner, the erasures for which the holder has not yet confirmed that it dropped the owner's seed. ``requests``
    lists, by peer, the row ids that it has not yet forgotten; ``arrivals`` those that it has not yet taken in; ``corrections`` what it has
    not yet corrected.
    """

    newest: dict[int, Parcel] = {}
    coming: tuple[Parcel, ...] = ()
    held: dict[int, dict[int, Parcel]] = {}
    owed: dict[int, dict[int, Erasures]] = {}
    requests: dict[int, tuple[int, ...]] = {}
    arrivals: dict[int, tuple[int, ...]] = {}
    corrections: dict[int, tuple[Correction, ...]] = {}


class MailboxState:
    """The mutable mailbox of a run.

    Parameters
    ----------
    snapshot : Mailbox, optional
        State after the last committed round; empty by default.
    """

    def __init__(self, snapshot: Mailbox | None = None) -> None:
        start = snapshot or Mailbox()
        self.newest = dict(start.newest)
        self.coming = list(start.coming)
        self.held = {holder: dict(seeds) for holder, seeds in start.held.items()}
        self.owed = {holder: dict(owners) for holder, owners in start.owed.items()}
        self.requests = {peer: set(rows) for peer, rows in start.requests.items()}
        self.arrivals = {peer: set(rows) for peer, rows in start.arrivals.items()}
        self.corrections = {peer: list(told) for peer, told in start.corrections.items()}

    def snapshot(self) -> dict[str, Any]:
        """Return the state as plain data that JSON can encode."""
        arrivals = {peer: sorted(rows) for peer, rows in sorted(self.arrivals.items()) if rows}
        corrections = {peer: [one.model_dump() for one in told] for peer, told in sorted(self.corrections.items()) if told}
        return {
            "newest": {owner: parcel.model_dump() for owner, parcel in sorted(self.newest.items())},
            "coming": [parcel.model_dump() for parcel in self.coming],
            "held": {holder: {o: p.model_dump() for o, p in sorted(seeds.items())} for holder, seeds in sorted(self.held.items())},
            "owed": {holder: dict(sorted(owners.items())) for holder, owners in sorted(self.owed.items()) if owners},
            "requests": {peer: sorted(rows) for peer, rows in sorted(self.requests.items()) if rows},
            **({"arrivals": arrivals} if arrivals else {}),  # runs without any keep their journals
            **({"corrections": corrections} if corrections else {}),
        }

    def withdraw(self, owner: int, erasure: int) -> list[int]:
        """Withdraw a peer's seeds, including those in transit; return the holders that now owe a receipt, ascending."""
        self.newest.pop(owner, None)
        self.coming = [parcel for parcel in self.coming if parcel.owner != owner]
        holders = [holder for holder, seeds in sorted(self.held.items()) if owner in seeds]
        for holder in holders:
            owed = self.owed.setdefault(holder, {})
            owed[owner] = (*owed.get(owner, ()), erasure)
        return holders

    def forget_holder(self, holder: int) -> None:
        """Remove a peer that has left from all entries for holders: its copies go with it; what it has yet to carry out waits for it."""
        self.held.pop(holder, None)
        self.owed.pop(holder, None)

    def owes(self, peer: int) -> bool:
        """Return whether a peer has yet to forget, to take in, or to correct rows."""
        return any(due.get(peer) for due in (self.requests, self.arrivals, self.corrections))

    def carried_out(self, peer: int) -> None:
        """Record that a peer has forgotten, taken in and corrected what it had to, or was erased, which leaves nothing to do."""
        self.requests.pop(peer, None)
        self.arrivals.pop(peer, None)
        self.corrections.pop(peer, None)

    def open(self, now: int) -> None:
        """Deliver everything due by round ``now`` to ``newest``."""
        due = [parcel for parcel in self.coming if parcel.arrives <= now]
        self.coming = [parcel for parcel in self.coming if parcel.arrives > now]
        for parcel in sorted(due, key=lambda one: (one.owner, one.version)):
            known = self.newest.get(parcel.owner)
            if known is None or (known.generation, known.version) < (parcel.generation, parcel.version):
                self.newest[parcel.owner] = parcel

    def take_arrived(self, now: int) -> list[Parcel]:
        """Open the mailbox, remove the newest parcels and return them in peer order; older ones of the same peers in transit go too."""
        self.open(now)
        arrived = [self.newest[owner] for owner in sorted(self.newest)]
        self.newest.clear()
        versions = {parcel.owner: parcel.version for parcel in arrived}
        self.coming = [parcel for parcel in self.coming if parcel.version > versions.get(parcel.owner, 0)]
        return arrived

    def post(self, parcel: Parcel) -> None:
        """Add a new seed to those in transit."""
        self.coming.append(parcel)

    def drops(self, holder: int, neighbours: Iterable[int]) -> list[int]:
        """Return the owners, ascending, whose seed this holder must drop: erased peers and former neighbours."""
        near = set(neighbours)
        owed = self.owed.get(holder, {})
        return sorted(owner for owner in self.held.get(holder, {}) if owner in owed or owner not in near)

    def deliveries(self, holder: int, neighbours: Iterable[int]) -> list[Parcel]:
        """Return the neighbours' newest seeds that this holder does not have yet, by owner ascending."""
        mine = self.held.get(holder, {})
        fresh = [self.newest[owner] for owner in sorted(neighbours) if owner in self.newest]
        return [parcel for parcel in fresh if mine.get(parcel.owner) != parcel]

    def confirm(self, holder: int, dropped: Iterable[int], delivered: Iterable[Parcel]) -> None:
        """Record that a holder has dropped these owners' seeds, then stored these parcels."""
        seeds = self.held.setdefault(holder, {})
        for owner in dropped:
            seeds.pop(owner, None)
            self.owed.get(holder, {}).pop(owner, None)
        seeds.update({parcel.owner: parcel for parcel in delivered})

    def alive(self) -> set[str]:
        """Return the hashes of all seeds that are in transit, newest or held."""
        parcels = [*self.newest.values(), *self.coming, *(p for seeds in self.held.values() for p in seeds.values())]
        return {parcel.sha256 for parcel in parcels}
