"""What an averaging server keeps of its rounds: models, the updates that made them, or neither."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Literal

from server.ledger import FEDERATION, Kept

UPDATE = "update"
"""Name under which what a peer sent is kept; no part of a server's state is called so."""

Choice = Literal["none", "models", "updates", "all"]


@dataclass(frozen=True)
class Keeping:
    """What is kept beside the current state: every round's model, what the optimizer remembered then, every update as it was sent."""

    models: bool = False
    moments: bool = False
    updates: bool = False

    @classmethod
    def of(cls, choice: Choice | None, methods: Iterable[str]) -> Keeping:
        """Return what a choice keeps; where none is made, what the methods need that are used."""
        if choice is None:
            return cls(models="rollback" in methods, moments="rollback" in methods)
        return cls(models=choice in ("models", "all"), moments=choice in ("models", "all"), updates=choice in ("updates", "all"))


class History:
    """What is kept, by round; erasures take out of it.

    Parameters
    ----------
    kept : iterable of Kept
        As the ledger has it.
    keeping : Keeping
    """

    def __init__(self, kept: Iterable[Kept], keeping: Keeping) -> None:
        self.keeping = keeping
        self._kept = list(kept)

    def snapshot(self) -> tuple[Kept, ...]:
        """Return all that is kept, for the ledger."""
        return tuple(sorted(self._kept, key=lambda one: (one.made, one.name, one.peer)))

    def hashes(self) -> set[str]:
        """Return the hashes of all that is kept."""
        return {one.sha256 for one in self._kept}

    def state(self, made: int) -> dict[str, str]:
        """Return the hashes of the state after a round, by the names of its parts; nothing where it is not kept."""
        return {one.name: one.sha256 for one in self._kept if one.made == made and one.peer == FEDERATION}

    def updates(self, made: int) -> dict[int, str]:
        """Return the hashes of the updates that were folded in a round, by peer."""
        return {one.peer: one.sha256 for one in self._kept if one.made == made and one.name == UPDATE}

    def add_state(self, made: int, parts: Mapping[str, bytes], hashes: Mapping[str, str]) -> None:
        """Keep the state after a round; the states before it go unless they are to be kept."""
        passing = {name for name in parts if not (self.keeping.moments if name == "memory" else self.keeping.models)}
        self._kept = [one for one in self._kept if one.peer != FEDERATION or one.name not in passing]
        self._kept += [Kept(name, FEDERATION, made, hashes[name], len(blob)) for name, blob in parts.items()]

    def add_update(self, made: int, peer: int, sha256: str, size: int) -> None:
        """Keep what a peer sent, where that is to be kept."""
        if self.keeping.updates:
            self._kept.append(Kept(UPDATE, peer, made, sha256, size))

    def cut(self, first: int) -> None:
        """Let go of everything that was made in a round or later."""
        self._kept = [one for one in self._kept if one.made < first]

    def forget(self, peer: int) -> None:
        """Let go of every update of a peer."""
        self._kept = [one for one in self._kept if one.peer != peer or one.name != UPDATE]
