"""The mailbox: seeds on their way between neighbours, who holds which, and what is still to be confirmed."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Annotated, Any

from pydantic import BeforeValidator

from clients.spec import Spec

Erasures = Annotated[tuple[int, ...], BeforeValidator(lambda value: (value,) if isinstance(value, int) else value)]
"""Numbers of erasures; journals from when there was room for one still read."""


class Parcel(Spec):
    """A seed as the mailbox knows it: whose, which, its hash and size, and from which round on neighbours can have it."""

    owner: int
    generation: int
    version: int
    sha256: str
    size: int
    arrives: int


class Mailbox(Spec):
    """A snapshot of the mailbox, as the ledger stores it.

    ``newest`` seed by owner, seeds under way, ``held`` seeds by holder and owner; ``owed`` gives, by holder and owner, the erasures for
    which the holder has yet to confirm that it dropped the owner's seed; ``requests`` the ids that a peer has yet to forget.
    """

    newest: dict[int, Parcel] = {}
    coming: tuple[Parcel, ...] = ()
    held: dict[int, dict[int, Parcel]] = {}
    owed: dict[int, dict[int, Erasures]] = {}
    requests: dict[int, tuple[int, ...]] = {}


class MailboxState:
    """The living mailbox of a run.

    Parameters
    ----------
    snapshot : Mailbox
        State after the last committed round.
    """

    def __init__(self, snapshot: Mailbox | None = None) -> None:
        start = snapshot or Mailbox()
        self.newest = dict(start.newest)
        self.coming = list(start.coming)
        self.held = {holder: dict(seeds) for holder, seeds in start.held.items()}
        self.owed = {holder: dict(owners) for holder, owners in start.owed.items()}
        self.requests = {peer: set(rows) for peer, rows in start.requests.items()}

    def snapshot(self) -> dict[str, Any]:
        """Return the state as plain data, ready for JSON."""
        return {
            "newest": {owner: parcel.model_dump() for owner, parcel in sorted(self.newest.items())},
            "coming": [parcel.model_dump() for parcel in self.coming],
            "held": {holder: {o: p.model_dump() for o, p in sorted(seeds.items())} for holder, seeds in sorted(self.held.items())},
            "owed": {holder: dict(sorted(owners.items())) for holder, owners in sorted(self.owed.items()) if owners},
            "requests": {peer: sorted(rows) for peer, rows in sorted(self.requests.items()) if rows},
        }

    def withdraw(self, owner: int, erasure: int) -> list[int]:
        """Take a peer's seeds out of circulation, those under way included; return the holders that now owe a receipt."""
        self.newest.pop(owner, None)
        self.coming = [parcel for parcel in self.coming if parcel.owner != owner]
        holders = [holder for holder, seeds in sorted(self.held.items()) if owner in seeds]
        for holder in holders:
            owed = self.owed.setdefault(holder, {})
            owed[owner] = (*owed.get(owner, ()), erasure)
        return holders

    def forget_holder(self, holder: int) -> None:
        """Stop keeping book of what a peer holds or must do: it is gone, and its copies with it."""
        self.held.pop(holder, None)
        self.owed.pop(holder, None)
        self.requests.pop(holder, None)

    def open(self, now: int) -> None:
        """Let everything due by round ``now`` arrive."""
        due = [parcel for parcel in self.coming if parcel.arrives <= now]
        self.coming = [parcel for parcel in self.coming if parcel.arrives > now]
        for parcel in sorted(due, key=lambda one: (one.owner, one.version)):
            known = self.newest.get(parcel.owner)
            if known is None or (known.generation, known.version) < (parcel.generation, parcel.version):
                self.newest[parcel.owner] = parcel

    def post(self, parcel: Parcel) -> None:
        """Put a new seed on its way."""
        self.coming.append(parcel)

    def drops(self, holder: int, neighbours: Iterable[int]) -> list[int]:
        """Return the owners whose seed this holder must drop: erased ones, and those that are no neighbours any more."""
        near = set(neighbours)
        owed = self.owed.get(holder, {})
        return sorted(owner for owner in self.held.get(holder, {}) if owner in owed or owner not in near)

    def deliveries(self, holder: int, neighbours: Iterable[int]) -> list[Parcel]:
        """Return the neighbours' seeds that are newer than what this holder has."""
        mine = self.held.get(holder, {})
        fresh = [self.newest[owner] for owner in sorted(neighbours) if owner in self.newest]
        return [parcel for parcel in fresh if mine.get(parcel.owner) != parcel]

    def confirm(self, holder: int, dropped: Iterable[int], delivered: Iterable[Parcel]) -> None:
        """Write down what a holder has done: dropped these owners' seeds, then put these parcels in."""
        seeds = self.held.setdefault(holder, {})
        for owner in dropped:
            seeds.pop(owner, None)
            self.owed.get(holder, {}).pop(owner, None)
        seeds.update({parcel.owner: parcel for parcel in delivered})

    def alive(self) -> set[str]:
        """Return the hashes of all seeds that somebody may still ask for."""
        parcels = [*self.newest.values(), *self.coming, *(p for seeds in self.held.values() for p in seeds.values())]
        return {parcel.sha256 for parcel in parcels}
