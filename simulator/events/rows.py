"""How events choose rows of peers."""

from __future__ import annotations

from typing import Annotated, Any

import numpy as np
from pydantic import Field, field_validator, model_validator

from clients.spec import Spec
from clients.streams import bottom
from simulator.events.peers import EventError
from simulator.events.shares import Shares


class Chosen(Spec):
    """Selection of rows: a random ``fraction`` of each peer's (at least one), rows by their ``ids`` in the data set, all rows of the class
    named ``label``, or all rows of a ``user`` (if rows belong to users).

    Parameters
    ----------
    fraction : float, optional
        A fraction of each peer's rows, at least one, drawn at random.
    ids : list of int, optional
        Ids of rows in the data set.
    label : int or str, optional
        The name of a class, all rows of which are taken.
    user : int, optional
        A user, all rows of whom are taken.
    """

    fraction: Annotated[float, Field(gt=0, lt=1)] | None = None
    ids: Annotated[tuple[int, ...], Field(min_length=1)] | None = None
    label: int | str | None = None
    user: Annotated[int, Field(ge=0)] | None = None

    @field_validator("fraction", mode="before")
    @classmethod
    def _some(cls, value: Any) -> Any:
        """A fraction leaves rows: the error says how to name all of them."""
        if isinstance(value, int | float) and not isinstance(value, bool) and value >= 1:
            cure = "for all rows of a peer name their ids, or delete them by leave with erase = true"
            raise ValueError(f"is {value}: write a number below 1; {cure}")
        return value

    @model_validator(mode="after")
    def _one_way(self) -> Chosen:
        if sum(way is not None for way in (self.fraction, self.ids, self.label, self.user)) != 1:
            raise ValueError("needs exactly one of fraction, ids, label, user: name the rows in one way")
        return self

    def choose(self, world: Shares, peers: list[int], purpose: str = "delete") -> dict[int, list[int]]:
        """Return the rows chosen of each peer, ascending; peers without any are left out. ``purpose`` keys what is drawn."""
        if self.fraction is not None:
            shares = {peer: max(1, round(self.fraction * len(world.rows[peer]))) for peer in peers}
            return {peer: sorted(bottom(shares[peer], world.rows[peer], world.seed, purpose, world.event, peer)) for peer in peers}
        if self.label is not None:
            chosen = {peer: rows for peer in peers if (rows := world.labelled(peer, self.label))}
            if peers and not chosen:
                held = np.unique(world.labels_of(sorted(world.rows[peers[0]])))
                some = ", ".join(world.classes[label] for label in held[:20])
                raise EventError(f"peer {peers[0]} has no row of class {self.label} (left): name a class it holds: {some}")
            return chosen
        if self.user is not None:
            return self._by_user(world, peers, self.user)
        return self._by_id(world, peers)

    def _by_user(self, world: Shares, peers: list[int], user: int) -> dict[int, list[int]]:
        """Return a user's rows by their holder."""
        if world.users is None:
            raise EventError("the rows of this data set belong to no users: name a fraction, ids or a label")
        own = set(np.flatnonzero(world.users == user).tolist())
        chosen = {peer: rows for peer in peers if (rows := sorted(world.rows[peer] & own))}
        if peers and not chosen:
            some = ", ".join(map(str, np.unique(world.users[sorted(world.rows[peers[0]])])[:3]))
            raise EventError(f"peer {peers[0]} has no row of user {user} (left): name a user it holds, such as {some}")
        return chosen

    def _by_id(self, world: Shares, peers: list[int]) -> dict[int, list[int]]:
        """Return the named rows by their holder."""
        ids = self.ids or ()
        if len(set(ids)) < len(ids):
            raise EventError(f"row {next(row for row in ids if ids.count(row) > 1)} is named twice: name it once")
        chosen = {peer: sorted(world.rows[peer].intersection(ids)) for peer in peers}
        missing = sorted(set(ids).difference(*chosen.values()))
        if missing and peers:
            listed = ", ".join(map(str, missing[:5])) + (", ..." if len(missing) > 5 else "")
            asked, some = world.asked.intersection(missing), ", ".join(map(str, sorted(world.rows[peers[0]])[:3]))
            why = f"; row {min(asked)} was deleted before" if asked else ""
            raise EventError(f"row ids {listed} are not held by peer {peers[0]}{why}: name rows it holds, such as {some}")
        return {peer: rows for peer, rows in chosen.items() if rows}
