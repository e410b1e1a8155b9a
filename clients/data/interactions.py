"""Ratings as a data set: a row says that a user chose an item."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, ClassVar, Literal

import numpy as np
import numpy.typing as npt
from pydantic import PositiveInt

from clients.data import DataError, Dataset, DatasetSpec
from clients.data.partition import KeyedSpec, picked
from clients.data.rows import Ids
from clients.metrics import Metric
from clients.streams import order, uniforms

if TYPE_CHECKING:
    from clients.data.ratings import Ratings as Interacted

LESSONS = 8
"""Lessons a reference user gives."""

_EXACT = 1 << 24  # float32 holds every whole number up to here


@dataclass(frozen=True)
class Interactions(Dataset):
    """Who interacted with what, sorted by user, then item: ``x`` (n, 1) holds users, ``y`` items, each pair once; classes are items.

    A model is asked about a row by the *history* of its user: 1 for every other item that the user has, else 0. So nobody needs to have
    seen a user to be asked about it (*strong generalisation*), and public rows are asked by leave-one-out.

    Parameters
    ----------
    top : int
        An answer is right if the item is among so many that rank highest, those of the history left out.
    user_numbers : tuple of int
        What the source calls each user.
    """

    top: int = 10
    user_numbers: tuple[int, ...] = ()

    @property
    def shape(self) -> tuple[int, ...]:
        """Shape of one history."""
        return (self.classes,)

    @property
    def users(self) -> Ids:
        """The user of each row, int64 (n,), ascending."""
        return self.x[:, 0].astype(np.int64)

    @property
    def user_names(self) -> Ids:
        """What the source calls the user of each row, int64 (n,)."""
        return np.asarray(self.user_numbers, dtype=np.int64)[self.users]

    def inputs(self, ids: Ids) -> npt.NDArray[np.float32]:
        """Return the histories behind rows, without the rows themselves, float32 (len(ids), items)."""
        users, asked = self.users, np.asarray(ids, dtype=np.int64)
        first, last = (np.searchsorted(users, users[asked], side) for side in ("left", "right"))
        histories = np.zeros((len(asked), self.classes), np.float32)
        for i, (row, a, b) in enumerate(zip(asked, first, last, strict=True)):
            histories[i, self.y[a:b]] = 1
            histories[i, self.y[row]] = 0
        return histories

    def lessons(self, ids: Ids) -> tuple[Ids, npt.NDArray[np.float32]]:
        """Return what teaches a seed about the users of rows: the histories behind the rows, and random halves of them.

        A few hundred whole histories are too few and too much alike for a seed to tell one taste from another.

        Returns
        -------
        ids : int64 array, shape (n,)
            Of the lessons, ascending.
        x : float32 array, shape (n, items)
        """
        histories = self.inputs(ids)
        places = ids[:, None] * self.classes + np.arange(self.classes)
        kept = [uniforms(places, "lesson", part) < 0.5 for part in range(1, LESSONS)]
        x = np.stack([histories, *(histories * part for part in kept)], axis=1).reshape(-1, self.classes)
        return (ids[:, None] * LESSONS + np.arange(LESSONS)).reshape(-1), x.astype(np.float32)

    def metrics(self, ids: Ids, probabilities: npt.NDArray[np.floating]) -> dict[str, npt.NDArray[np.float64]]:
        """Return how high each row's item ranks among those outside its history, equal ones by number; each (len(ids),).

        ``accuracy`` is 1 where it is among the first ``top``, so that its mean is Recall@top; ``ndcg`` is ``1 / log2(rank + 1)`` there.
        """
        ranked = np.where(self.inputs(ids) > 0, -np.inf, probabilities)
        wanted = self.y[ids][:, None]
        score = np.take_along_axis(ranked, wanted, axis=1)
        before = (ranked > score).sum(axis=1) + ((ranked == score) & (np.arange(self.classes) < wanted)).sum(axis=1)
        right = (before < self.top).astype(np.float64)
        return {"accuracy": right, "ndcg": right / np.log2(before + 2)}


class Ratings(DatasetSpec):
    """A CSV table with a header and one rating a line, every rating counting as an interaction, whatever its value.

    ``reference`` and ``test`` count users, who are set aside with all their rows. A peer's answer is right if a test user's item, kept
    back, is among the ``top`` that rank highest.

    Parameters
    ----------
    path : str
        The CSV file, from the scenario's folder.
    user, item : str
        Columns that hold users' and items' numbers; numbers with large gaps are numbered anew.
    top : int
        How many of the highest ranked items count as answers.
    """

    published: ClassVar[bool] = True
    catalogue: ClassVar[str] = "which users and items there are, and how they are numbered"
    dataset: Literal["ratings"] = "ratings"
    path: str
    user: str = "uid"
    item: str = "iid"
    top: PositiveInt = 10

    @property
    def metrics(self) -> tuple[Metric, ...]:
        """Recall and NDCG among the ``top`` that rank highest; one item is looked for at a time, so Recall is also the hit rate.

        The ledger calls recall ``accuracy``, as its runs always have, since their digests depend on it; people read ``Recall@10``.
        """
        names = {"accuracy": f"Recall@{self.top}", "ndcg": f"NDCG@{self.top}"}
        return tuple(Metric(name, "mean", "share", "higher", label) for name, label in names.items())

    def load(self) -> Dataset:
        """Return one row an interaction, sorted by user, then item."""
        from clients.data.ratings import load_ratings
        from clients.data.scaling import existing

        data = load_ratings(existing(self.path, "CSV file"), self.user, self.item)
        if data.users > _EXACT:
            raise DataError(f"{self.path}: user {data.users - 1} is too large a number: number users from 0, without gaps")
        if self.top >= data.items:
            raise DataError(f"{self.path}: top = {self.top} of {data.items} items leaves nothing to miss: ask for fewer")
        labels = tuple(map(str, data.item_numbers.tolist()))
        users = tuple(data.user_numbers.tolist())
        x = data.user[:, None].astype(np.float32)
        return Interactions(x, data.item, labels, notes=_notes(data), published=True, top=self.top, user_numbers=users)


def _notes(data: Interacted) -> tuple[str, ...]:
    """Return what was done to a table of ratings."""
    catalogues = ((data.users, data.user_numbers, "users"), (data.items, data.item_numbers, "items"))
    renumbered = [
        f"{size} {what} with numbers up to {numbers[-1]} are numbered anew, 0 to {size - 1}; requests and reports keep the file's numbers"
        for size, numbers, what in catalogues
        if numbers[-1] != size - 1
    ]
    repeated = [f"{data.repeated} lines repeat a user's item and count once"] if data.repeated else []
    return (*renumbered, *repeated)


class ByUser(KeyedSpec):
    """Every peer holds a group of users with all their rows: users in random order, each to the peer with the fewest rows so far.

    In a keyed deal, the hash of what the source calls a user decides.
    """

    kind: Literal["users"] = "users"

    def deal(self, data: Dataset, ids: Ids, peers: int, seed: int) -> list[Ids]:
        """Return one ascending id array a peer; ``DataError`` where rows belong to no users, or there are fewer users than peers."""
        if data.users is None:
            raise DataError("the rows of this data set belong to no users: take another kind of partition, or dataset = 'ratings'")
        users, place, counts = np.unique(data.users[ids], return_inverse=True, return_counts=True)
        if len(users) < peers:
            raise DataError(f"{len(users)} users are left for {peers} peers: set peers.count to {len(users)} or less")
        if self.keyed and data.user_names is not None:
            by_hash = picked(data.user_names[ids], peers, seed)
            return self.checked([ids[by_hash == peer] for peer in range(peers)])
        owner, load = np.empty(len(users), np.int64), [0] * peers
        for user in order(users, seed, "deal"):
            owner[user] = min(range(peers), key=lambda peer: (load[peer], peer))
            load[owner[user]] += int(counts[user])
        return [ids[owner[place] == peer] for peer in range(peers)]
