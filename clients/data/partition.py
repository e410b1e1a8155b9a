"""Partitions of rows among peers. Every choice is keyed by the row's id, so a seed fixes the partition."""

from __future__ import annotations

from typing import Annotated, Literal

import numpy as np
import numpy.typing as npt
from pydantic import Field, PositiveInt

from clients.data import DataError, Dataset
from clients.data.partitions import PartitionSpec
from clients.data.rows import Ids
from clients.streams import bottom, generator, key_hash, order, uniforms

_REDRAWS = 50


def _enough(rows: int, peers: int, each: int) -> None:
    """Raise ``DataError`` if the rows cannot give every peer its share."""
    if peers * each > rows:
        raise DataError(
            f"{peers} peers with at least {each} rows each need {peers * each}, but {rows} are left after reference and test: "
            "take fewer peers, a smaller min_rows, or smaller reference and test sets"
        )


def _shuffled(ids: Ids, seed: int, *key: str | int) -> Ids:
    """Return the ids in the order of their hashes."""
    return ids[order(ids, seed, "deal", *key)]


def picked(ids: Ids, count: int, seed: int, *key: str | int) -> npt.NDArray[np.int64]:
    """Return a number in ``0 .. count - 1`` for each id, int64 (len(ids),), which depends on the id's hash alone."""
    return (uniforms(ids, seed, "deal", *key) * count).astype(np.int64)


def _gathered(owner: npt.NDArray[np.int64], ids: Ids, peers: int) -> list[Ids]:
    """Return each peer's ids, ascending; peer ``owner[i]`` holds ``ids[i]``."""
    return [np.sort(ids[owner == peer]) for peer in range(peers)]


class KeyedSpec(PartitionSpec):
    """Base class of partitions that can assign each row independently of the others.

    Parameters
    ----------
    keyed : bool
        Whether the hash of a row's id alone decides its peer, whatever other rows there are; the shares' sizes then vary at random.
    """

    keyed: bool = Field(False, exclude_if=lambda keyed: not keyed)

    def checked(self, shares: list[Ids], least: int = 1) -> list[Ids]:
        """Return the shares; ``DataError`` if one has fewer than ``least`` rows, as a keyed partition moves none."""
        peer, fewest = min(enumerate(map(len, shares)), key=lambda share: share[1])
        if fewest < least:
            raise DataError(
                f"peer {peer} gets {fewest} rows by their hashes, at least {least} are asked for, and keyed = true moves none: "
                "take fewer peers or another seed"
            )
        return shares


def whole(spec: KeyedSpec, owners: Ids, names: Ids, ids: Ids, peers: int, seed: int, what: str) -> list[Ids]:
    """Return each peer's ids, ascending, where owners of rows go with all their rows to the peer with the fewest rows so far.

    Parameters
    ----------
    spec : KeyedSpec
        If keyed, the hash of an owner's name decides instead.
    owners, names : int64 arrays, shape (n,)
        The owner of each row, and the source's own number of the owner.
    ids : int64 array, shape (n,)
    what : str
        What the owners are, in the plural, for messages.

    Raises
    ------
    DataError
        If there are fewer owners than peers.
    """
    found, place, counts = np.unique(owners, return_inverse=True, return_counts=True)
    if len(found) < peers:
        raise DataError(f"{len(found)} {what} are left for {peers} peers: set peers.count to {len(found)} or less")
    if spec.keyed:
        return spec.checked(_gathered(picked(names, peers, seed), ids, peers))
    peer_of, load = np.empty(len(found), np.int64), [0] * peers
    for owner in order(found, seed, "deal"):
        peer_of[owner] = min(range(peers), key=lambda peer: (load[peer], peer))
        load[peer_of[owner]] += int(counts[owner])
    return _gathered(peer_of[place], ids, peers)


class Iid(KeyedSpec):
    """Equal shares (to within one row) drawn at random."""

    kind: Literal["iid"] = "iid"

    def deal(self, data: Dataset, ids: Ids, peers: int, seed: int) -> list[Ids]:
        """Return each peer's ids, ascending."""
        _enough(len(ids), peers, 1)
        if self.keyed:
            return self.checked(_gathered(picked(ids, peers, seed), ids, peers))
        return [np.sort(part) for part in np.array_split(_shuffled(ids, seed), peers)]


class Dirichlet(KeyedSpec):
    """Label skew: the peers' shares of each class are drawn from a symmetric Dirichlet distribution.

    A draw in which a peer has fewer than ``min_rows`` rows is repeated; after 50 draws, rows move from the largest peers to those that
    have too few. A keyed partition has one draw, and is refused if a peer has too few rows. Source: Yurochkin et al. 2019, arXiv
    1905.12022.

    Parameters
    ----------
    alpha : float
        Concentration of the Dirichlet distribution, in (0, 1e6]: the smaller, the stronger the skew.
    min_rows : int
        Minimum number of rows of a peer.
    """

    kind: Literal["dirichlet"] = "dirichlet"
    alpha: Annotated[float, Field(gt=0, le=1e6)] = 0.5
    min_rows: PositiveInt = 1

    def deal(self, data: Dataset, ids: Ids, peers: int, seed: int) -> list[Ids]:
        """Return each peer's ids, ascending."""
        _enough(len(ids), peers, self.min_rows)
        if self.keyed:
            ends = np.stack([np.cumsum(self._weights(label, peers, seed, 0)) for label in range(data.classes)])
            drawn = uniforms(ids, seed, "deal")[:, None]
            owner = np.minimum((drawn >= ends[data.classes_of(ids)]).sum(axis=1), peers - 1)
            return self.checked(_gathered(owner, ids, peers), self.min_rows)
        classes = {label: _shuffled(ids[data.classes_of(ids) == label], seed, label) for label in range(data.classes)}
        for attempt in range(_REDRAWS):
            shares = self._draw(classes, peers, seed, attempt)
            if min(map(len, shares)) >= self.min_rows:
                break
        else:
            self._level(shares, seed)
        return [np.sort(np.asarray(share, dtype=np.int64)) for share in shares]

    def _draw(self, classes: dict[int, Ids], peers: int, seed: int, attempt: int) -> list[list[int]]:
        """Return each peer's ids in one draw."""
        shares: list[list[int]] = [[] for _ in range(peers)]
        for label, members in classes.items():
            weights = self._weights(label, peers, seed, attempt)
            cuts = np.rint(np.cumsum(weights)[:-1] * len(members)).astype(int)
            for share, part in zip(shares, np.split(members, cuts), strict=True):
                share += part.tolist()
        return shares

    def _weights(self, label: int, peers: int, seed: int, attempt: int) -> npt.NDArray[np.float64]:
        """Return each peer's share of a class."""
        return generator(seed, "dirichlet", label, attempt).dirichlet([self.alpha] * peers)

    def _level(self, shares: list[list[int]], seed: int) -> None:
        """Move rows, in place, from the largest peer to the smallest until each has ``min_rows``; ``_enough`` ensures that it ends."""
        while (poorest := min(range(len(shares)), key=lambda p: len(shares[p]))) is not None and len(shares[poorest]) < self.min_rows:
            richest = max(range(len(shares)), key=lambda p: (len(shares[p]), -p))
            spare = min(self.min_rows - len(shares[poorest]), len(shares[richest]) - self.min_rows, max(1, len(shares[richest]) // 4))
            moved = set(bottom(spare, shares[richest], seed, "level", richest, poorest))
            shares[poorest] += sorted(moved)
            shares[richest] = [row for row in shares[richest] if row not in moved]


class Pathological(KeyedSpec):
    """Every peer holds ``classes`` classes, and the holders of a class have equal shares of it (after McMahan et al. 2017, section 3).

    Parameters
    ----------
    classes : int
        Number of classes per peer.
    """

    kind: Literal["pathological"] = "pathological"
    classes: PositiveInt = 2

    def deal(self, data: Dataset, ids: Ids, peers: int, seed: int) -> list[Ids]:
        """Return each peer's ids, ascending."""
        _enough(len(ids), peers, 1)
        if self.classes > data.classes:
            raise DataError(f"classes = {self.classes}, but the data has {data.classes}: take at most {data.classes}")
        if peers * self.classes < data.classes:
            needed = -(-data.classes // peers)
            raise DataError(
                f"{peers} peers with {self.classes} classes each cannot hold all {data.classes}: take classes = {needed} or more peers"
            )
        held = self._holders(data.classes, peers, seed)
        owner = np.empty(len(ids), dtype=np.int64)
        for label, holders in held.items():
            places = np.flatnonzero(data.classes_of(ids) == label)
            if self.keyed:
                owner[places] = np.asarray(holders)[picked(ids[places], len(holders), seed, label)]
                continue
            places = places[order(ids[places], seed, "deal", label)]
            for holder, part in zip(holders, np.array_split(places, len(holders)), strict=True):
                owner[part] = holder
        shares = _gathered(owner, ids, peers)
        if self.keyed:
            return self.checked(shares)
        if empty := [peer for peer, share in enumerate(shares) if not len(share)]:
            raise DataError(f"peer {empty[0]} gets no row, its classes are too small to share: take fewer peers or more classes a peer")
        return shares

    def _holders(self, labels: int, peers: int, seed: int) -> dict[int, list[int]]:
        """Return the holders of each class: each peer in turn takes the classes with the fewest holders so far, ties by hash."""
        holders: dict[int, list[int]] = {label: [] for label in range(labels)}
        for peer in range(peers):
            ranked = sorted(holders, key=lambda c: (len(holders[c]), key_hash(seed, "pathological", peer, c)))
            for label in ranked[: self.classes]:
                holders[label].append(peer)
        return holders


class ByColumn(PartitionSpec):
    """The value of a table's column decides a row's peer: hospitals by region, customers by age.

    The values of a categorical column, most frequent first, each go to the peer with the fewest rows so far. A numeric column is divided
    into ranges with about equally many rows.

    Parameters
    ----------
    column : str
        Name of the column.
    """

    kind: Literal["column"] = "column"
    column: Annotated[str, Field(min_length=1)]

    def deal(self, data: Dataset, ids: Ids, peers: int, seed: int) -> list[Ids]:
        """Return each peer's ids, ascending."""
        names = [column.name for column in data.columns]
        if self.column not in names:
            known = f"the columns are {', '.join(names)}" if names else "this data set has no columns, take another kind of partition"
            raise DataError(f"column = {self.column!r} is no column of the data set: {known}")
        if names.count(self.column) > 1:
            raise DataError(f"column = {self.column!r} is the name of {names.count(self.column)} columns: give each a name of its own")
        place = names.index(self.column)
        values, codes, counts = np.unique(data.inputs(ids)[:, place], return_inverse=True, return_counts=True)
        if len(values) < peers:
            raise DataError(f"column {self.column} has {len(values)} values for {peers} peers: set peers.count to {len(values)} or less")
        owners = self._spread(counts, peers) if data.columns[place].categories else self._ranges(counts, peers)
        return _gathered(owners[codes], ids, peers)

    @staticmethod
    def _spread(counts: npt.NDArray[np.int64], peers: int) -> npt.NDArray[np.int64]:
        """Return the peer of each value, int64 (values,): the most frequent first, each to the peer with the fewest rows so far."""
        owners, load = np.empty(len(counts), dtype=np.int64), [0] * peers
        for value in sorted(range(len(counts)), key=lambda v: (-counts[v], v)):
            owners[value] = min(range(peers), key=lambda p: (load[p], p))
            load[owners[value]] += int(counts[value])
        return owners

    @staticmethod
    def _ranges(counts: npt.NDArray[np.int64], peers: int) -> npt.NDArray[np.int64]:
        """Return the peer of each value, int64 (values,): contiguous ranges with about equally many rows, none empty."""
        owners, peer, taken, left = np.empty(len(counts), dtype=np.int64), 0, 0, int(counts.sum())
        for value, count in enumerate(counts.tolist()):
            full = taken > 0 and taken + count / 2 > left / (peers - peer)
            if peer < peers - 1 and (full or (taken > 0 and len(counts) - value <= peers - 1 - peer)):
                peer, left, taken = peer + 1, left - taken, 0
            owners[value] = peer
            taken += count
        return owners
