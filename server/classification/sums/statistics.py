"""Sums of many peers: one model from their total; a deletion or a departure is one subtraction.

Cao and Yang, IEEE S&P 2015, applied to a federation: every peer's sums are one ledger entry. Nothing is trained again when a peer
leaves.
"""

from __future__ import annotations

from collections.abc import Mapping

from clients.unlearning.contract import UnlearningError
from clients.unlearning.exact.statistical.fixed import Ints, Sums, subtract
from clients.unlearning.exact.statistical.learner import SumLearner


class Statistics:
    """The coordinator's ledger of sums.

    Parameters
    ----------
    learner : SumLearner
        Untrained; it becomes the model of the total and rejects sums that no rows can have.
    """

    def __init__(self, learner: SumLearner[object]) -> None:
        self.learner = learner
        self._ledger: dict[int, Sums] = {}
        self._total: Sums = {}

    @property
    def peers(self) -> tuple[int, ...]:
        """Peers with an entry, ascending."""
        return tuple(sorted(self._ledger))

    @property
    def total(self) -> Sums:
        """The sums over all peers; empty before the first peer's sums."""
        return {name: array.copy() for name, array in self._total.items()}

    def give(self, peer: int, sums: Mapping[str, Ints]) -> None:
        """Add a peer's sums to its entry and the total; ``UnlearningError`` if no rows can have them."""
        self._same_shapes(peer, sums)
        self._check(peer, sums)
        self._ledger[peer] = _added(self._ledger.get(peer, {}), sums)
        self._total = _added(self._total, sums)
        self._refresh()

    def take_out(self, peer: int, sums: Mapping[str, Ints]) -> None:
        """Subtract sums that a peer deletes from its entry and the total; ``UnlearningError`` if they exceed the entry."""
        if peer not in self._ledger:
            raise UnlearningError(f"peer {peer}: it has given nothing that could be taken out: name a peer that is there")
        self._same_shapes(peer, sums)
        self._check(peer, sums)
        rest = {name: array - sums[name] for name, array in self._ledger[peer].items()}
        self._check(peer, rest)
        self._ledger[peer] = rest
        subtract(self._total, sums)
        self._refresh()

    def change(self, peer: int, sums: Mapping[str, Ints]) -> None:
        """Set a peer's sums: add a new entry, or subtract the difference to the old one; ``UnlearningError`` if rows were added."""
        if peer not in self._ledger:
            self.give(peer, sums)
            return
        self._same_shapes(peer, sums)
        given, left = int(self._ledger[peer]["n"][0]), int(sums["n"][0])
        if left > given:
            raise UnlearningError(f"peer {peer}: sends sums over {left} rows where it gave {given}: rows can be taken out, never added")
        self.take_out(peer, {name: array - sums[name] for name, array in self._ledger[peer].items()})

    def replace(self, peer: int, sums: Mapping[str, Ints]) -> None:
        """Set a peer's sums over rows of which some have arrived or were corrected, whether others have gone or not."""
        self._same_shapes(peer, sums)
        self._check(peer, sums)
        if peer in self._ledger:
            self.leave(peer)
        self.give(peer, sums)

    def leave(self, peer: int) -> None:
        """Subtract a peer's whole entry from the total and remove it; ``UnlearningError`` if it has none."""
        if peer not in self._ledger:
            raise UnlearningError(f"peer {peer}: it has given nothing that could be taken out: name a peer that is there")
        subtract(self._total, self._ledger.pop(peer))
        self._refresh()

    def _refresh(self) -> None:
        self.learner.adopt(self._total)

    def _check(self, peer: int, sums: Mapping[str, Ints]) -> None:
        try:
            self.learner.check(sums)
        except UnlearningError as error:
            raise UnlearningError(f"peer {peer}: {error}") from None

    def _same_shapes(self, peer: int, sums: Mapping[str, Ints]) -> None:
        expected = self.learner.shapes
        found = {name: array.shape for name, array in sums.items() if array.dtype.kind == "i"}
        if found != expected:
            raise UnlearningError(f"peer {peer}: sums of shapes {found}, not {expected}: send integer sums of the agreed learner")


def _added(sums: Mapping[str, Ints], more: Mapping[str, Ints]) -> Sums:
    """Return the sum of both; a name missing in ``sums`` counts as zeros."""
    return {name: sums[name] + array if name in sums else array.copy() for name, array in more.items()}
