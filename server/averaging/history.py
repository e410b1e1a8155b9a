"""The history of an averaging server: past models, past updates, or neither."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass
from typing import Literal

from server.ledger import FEDERATION, Kept

UPDATE = "update"
"""Name under which peers' updates are kept; no part of a server's state has this name."""

Choice = Literal["none", "models", "updates", "all"]


@dataclass(frozen=True)
class Keeping:
    """What is kept in addition to the current state: each round's model, each round's optimizer state, each update as sent."""

    models: bool = False
    moments: bool = False
    updates: bool = False

    @classmethod
    def of(cls, choice: Choice | None, methods: Iterable[str]) -> Keeping:
        """Return what a choice keeps; without a choice, what the methods in use need."""
        if choice is None:
            return cls(models="rollback" in methods, moments="rollback" in methods)
        return cls(models=choice in ("models", "all"), moments=choice in ("models", "all"), updates=choice in ("updates", "all"))


class History:
    """The kept artefacts by round; erasures remove entries.

    Parameters
    ----------
    kept : iterable of Kept
        The history in the ledger.
    keeping : Keeping
    latest : collection of str
        Names of parts of the state of which only the last version is kept, whatever else is.
    """

    def __init__(self, kept: Iterable[Kept], keeping: Keeping, latest: Collection[str] = ()) -> None:
        self.keeping, self.latest = keeping, latest
        self._kept = list(kept)

    def snapshot(self) -> tuple[Kept, ...]:
        """Return everything kept, sorted by round, name and peer, for the ledger."""
        return tuple(sorted(self._kept, key=lambda one: (one.made, one.name, one.peer)))

    def hashes(self) -> set[str]:
        """Return the hashes of everything kept."""
        return {one.sha256 for one in self._kept}

    def state(self, made: int) -> dict[str, str]:
        """Return the hashes of the state after a round, by name of the part; empty if it is not kept."""
        return {one.name: one.sha256 for one in self._kept if one.made == made and one.peer == FEDERATION}

    def updates(self, made: int) -> dict[int, str]:
        """Return the hashes of the updates aggregated in a round, by peer."""
        return {one.peer: one.sha256 for one in self._kept if one.made == made and one.name == UPDATE}

    def add_state(self, made: int, parts: Mapping[str, bytes], hashes: Mapping[str, str]) -> None:
        """Add the state after a round; parts that are not kept replace their predecessors."""
        kept = self.keeping
        passing = {name for name in parts if name in self.latest or not (kept.moments if name == "memory" else kept.models)}
        self._kept = [one for one in self._kept if one.peer != FEDERATION or one.name not in passing]
        self._kept += [Kept(name, FEDERATION, made, hashes[name], len(blob)) for name, blob in parts.items()]

    def add_update(self, made: int, peer: int, sha256: str, size: int) -> None:
        """Add a peer's update if updates are kept."""
        if self.keeping.updates:
            self._kept.append(Kept(UPDATE, peer, made, sha256, size))

    def cut(self, first: int) -> None:
        """Remove everything made in round ``first`` or later."""
        self._kept = [one for one in self._kept if one.made < first]

    def forget(self, peer: int) -> None:
        """Remove every update of a peer."""
        self._kept = [one for one in self._kept if one.peer != peer or one.name != UPDATE]
