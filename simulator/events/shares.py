"""Who has which rows while a scenario is resolved, and how events name peers and classes."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np
import numpy.typing as npt

from clients.data.classes import is_number
from simulator.events.peers import EventError, Peers

_NAMED = 20
"""Most classes that a message lists."""


class Shares:
    """The rows of each peer, from which events choose.

    Parameters
    ----------
    seed : int
    dealt : sequence of int arrays
        Row ids of each peer.
    labels : int array
        Label of every row of the data set.
    groups : mapping of str to sequence of int
    numbers : int array, optional
        Ids of the rows, ascending, if they are not 0, 1, ...

    Attributes
    ----------
    rows : dict of int to set of int
        Rows each peer has and has not been asked to forget.
    asked : set of int
        Rows and edges that peers have been asked to forget.
    event : int
        Number of the event that is being resolved; -1 if none is.
    classes : sequence of str
        Names of the classes, in the order of their labels.
    users : int array, optional
        User of every row of the data set, by row id, as its source calls them.
    """

    def __init__(
        self,
        seed: int,
        dealt: Sequence[npt.NDArray[np.int64]],
        labels: npt.NDArray[np.int64],
        groups: Mapping[str, Sequence[int]],
        numbers: npt.NDArray[np.int64] | None,
    ) -> None:
        self.seed, self.labels, self.groups, self._numbers = seed, labels, dict(groups), numbers
        self.rows = {peer: set(ids.tolist()) for peer, ids in enumerate(dealt)}
        self.asked: set[int] = set()
        self.event = -1
        self.classes: Sequence[str] = ()
        self.users: npt.NDArray[np.int64] | None = None

    def named(self, peers: Peers) -> list[int]:
        """Return the peers that a list or a group's name stands for, ascending; ``EventError`` if unknown or named twice."""
        if isinstance(peers, str):
            if peers not in self.groups:
                known = f"the groups are {', '.join(sorted(self.groups))}" if self.groups else "define it in peers.groups"
                raise EventError(f"group {peers!r} is unknown: {known}")
            peers = tuple(self.groups[peers])
        for peer in peers:
            self.require_known(peer)
        if len(set(peers)) < len(peers):
            twice = next(peer for peer in peers if peers.count(peer) > 1)
            raise EventError(f"peer {twice} is named twice: name it once")
        return sorted(peers)

    def require_known(self, peer: int) -> None:
        """Raise ``EventError`` if there is no such peer."""
        if peer not in self.rows:
            raise EventError(f"peer {peer} is unknown: peers are 0 to {len(self.rows) - 1}")

    def labelled(self, peer: int, label: int | str) -> list[int]:
        """Return a peer's rows of the named class, without those it has been asked to forget, ascending."""
        rows = np.asarray(sorted(self.rows[peer]), dtype=np.int64)
        return [int(row) for row in rows[self.labels_of(rows) == self.class_called(label, peer)]]

    def labels_of(self, rows: npt.ArrayLike) -> npt.NDArray[np.int64]:
        """Return the labels of rows by id."""
        ids = np.asarray(rows, dtype=np.int64)
        return self.labels[ids if self._numbers is None else np.searchsorted(self._numbers, ids)]

    def relabel(self, rows: npt.ArrayLike, label: int) -> None:
        """Give rows another label, from which later events choose."""
        ids = np.asarray(rows, dtype=np.int64)
        self.labels = self.labels.copy()
        self.labels[ids if self._numbers is None else np.searchsorted(self._numbers, ids)] = label

    def class_called(self, name: int | str, peer: int) -> int:
        """Return the label of the class with a name, requested of a peer; ``EventError`` with the names if there is none.

        A number that does not equal any name as text means the class whose name has its value: 3 matches ``3.0``.
        """
        names = list(self.classes)
        if str(name) in names:
            return names.index(str(name))
        if isinstance(name, int) and (same := [i for i, one in enumerate(names) if is_number(one) and float(one) == name]):
            return same[0]
        some = ", ".join(names[:_NAMED]) + (", ..." if len(names) > _NAMED else "")
        raise EventError(f"peer {peer} has no row of class {name}, which no class is called: name a class it holds; the classes are {some}")
