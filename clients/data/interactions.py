"""Ratings as a data set, in which a row is the interaction of a user with an item."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, ClassVar, Literal

import numpy as np
import numpy.typing as npt
from pydantic import PositiveInt

from clients.data import DataError, Dataset, DatasetSpec
from clients.data.partition import KeyedSpec, whole
from clients.data.rows import Ids
from clients.metrics import Metric
from clients.streams import uniforms

if TYPE_CHECKING:
    from clients.data.ratings import Ratings as Interacted

LESSONS = 8
"""Training inputs of a seed model for each reference row."""

_EXACT = 1 << 24  # float32 holds every whole number up to here


@dataclass(frozen=True)
class Interactions(Dataset):
    """Interactions of users with items, sorted by user, then item, each pair once; ``x`` (n, 1) holds users, ``y`` items (the classes).

    The input of a prediction for a row is the *history* of its user: 1 for every other item of the user, else 0. A model therefore
    predicts for users that it was not trained on (*strong generalisation*), and public rows are evaluated by leave-one-out.

    Parameters
    ----------
    top : int
        A prediction is correct if the row's item is among the ``top`` highest ranked, without those of the history.
    user_numbers : tuple of int
        The source's own number of each user.
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
        """The source's own number of the user of each row, int64 (n,)."""
        return np.asarray(self.user_numbers, dtype=np.int64)[self.users]

    def inputs(self, ids: Ids) -> npt.NDArray[np.float32]:
        """Return the history of each row, without the row itself, float32 (len(ids), items)."""
        users, asked = self.users, np.asarray(ids, dtype=np.int64)
        first, last = (np.searchsorted(users, users[asked], side) for side in ("left", "right"))
        histories = np.zeros((len(asked), self.classes), np.float32)
        for i, (row, a, b) in enumerate(zip(asked, first, last, strict=True)):
            histories[i, self.y[a:b]] = 1
            histories[i, self.y[row]] = 0
        return histories

    def lessons(self, ids: Ids) -> tuple[Ids, npt.NDArray[np.float32]]:
        """Return the inputs on which a seed model is distilled: the history of each row, and random halves of it.

        A few hundred whole histories are too few and too similar for a seed model to learn the preferences of different users.

        Returns
        -------
        ids : int64 array, shape (n,)
            Ids of the inputs, ascending; n is ``LESSONS * len(ids)``.
        x : float32 array, shape (n, items)
            Histories.
        """
        histories = self.inputs(ids)
        places = ids[:, None] * self.classes + np.arange(self.classes)
        kept = [uniforms(places, "lesson", part) < 0.5 for part in range(1, LESSONS)]
        x = np.stack([histories, *(histories * part for part in kept)], axis=1).reshape(-1, self.classes)
        return (ids[:, None] * LESSONS + np.arange(LESSONS)).reshape(-1), x.astype(np.float32)

    def metrics(self, ids: Ids, probabilities: npt.NDArray[np.floating]) -> dict[str, npt.NDArray[np.float64]]:
        """Return metrics of the rank of each row's item among those outside its history, ties by number; float64 (len(ids),) each.

        ``accuracy`` is 1 if the rank is at most ``top``, else 0; its mean is Recall@top. ``ndcg`` is ``1 / log2(rank + 1)`` or 0
        respectively (Järvelin and Kekäläinen 2002, with one relevant item).
        """
        ranked = np.where(self.inputs(ids) > 0, -np.inf, probabilities)
        wanted = self.y[ids][:, None]
        score = np.take_along_axis(ranked, wanted, axis=1)
        before = (ranked > score).sum(axis=1) + ((ranked == score) & (np.arange(self.classes) < wanted)).sum(axis=1)
        right = (before < self.top).astype(np.float64)
        return {"accuracy": right, "ndcg": right / np.log2(before + 2)}


class Ratings(DatasetSpec):
    """A CSV table with a header and one rating per line; every rating counts as an interaction, whatever its value.

    ``reference`` and ``test`` are numbers of users, who are held out with all their rows. A peer's prediction for a test user is correct
    if the item that the history leaves out is among the ``top`` highest ranked.

    Parameters
    ----------
    path : str
        The CSV file, relative to the scenario's folder.
    user, item : str
        Columns of the users' and items' numbers; numbers with large gaps are renumbered.
    top : int
        Number of highest ranked items that count as predicted.
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
        """Recall and NDCG among the ``top`` highest ranked items; with one relevant item, Recall equals the hit rate.

        The ledger calls recall ``accuracy``, because digests of runs depend on that name; reports call it ``Recall@10``.
        """
        names = {"accuracy": f"Recall@{self.top}", "ndcg": f"NDCG@{self.top}"}
        return tuple(Metric(name, "mean", "share", "higher", label) for name, label in names.items())

    def load(self) -> Dataset:
        """Return one row per interaction, sorted by user, then item; ``DataError`` if the table cannot be read, or ``top`` is too large."""
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
    """Return one line for each change to a table of ratings."""
    catalogues = ((data.users, data.user_numbers, "users"), (data.items, data.item_numbers, "items"))
    renumbered = [
        f"{size} {what} with numbers up to {numbers[-1]} are numbered anew, 0 to {size - 1}; requests and reports keep the file's numbers"
        for size, numbers, what in catalogues
        if numbers[-1] != size - 1
    ]
    repeated = [f"{data.repeated} lines repeat a user's item and count once"] if data.repeated else []
    return (*renumbered, *repeated)


class ByUser(KeyedSpec):
    """Every peer holds users with all their rows: users in random order, each to the peer with the fewest rows so far.

    In a keyed partition, the hash of the source's number of a user decides.
    """

    kind: Literal["users"] = "users"

    def deal(self, data: Dataset, ids: Ids, peers: int, seed: int) -> list[Ids]:
        """Return each peer's ids, ascending; ``DataError`` if rows belong to no users, or there are fewer users than peers."""
        if data.users is None:
            raise DataError("the rows of this data set belong to no users: take another kind of partition, or dataset = 'ratings'")
        names = data.users if data.user_names is None else data.user_names
        return whole(self, data.users[ids], names[ids], ids, peers, seed, "users")
