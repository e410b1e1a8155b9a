"""Keyed negative items: the negative of an interaction depends on the interaction, the epoch and the positives in the data."""

from __future__ import annotations

import numpy as np

from clients.data.ratings import Ratings
from clients.data.rows import Ids
from clients.streams import Field, hashes

_TRIES = 64


class Negatives:
    """Draws, for each interaction, an item its user has not interacted with.

    Candidates are the items that occur in ``data``, so that an item without interactions is never trained.

    Parameters
    ----------
    data : Ratings
    key : tuple
    """

    def __init__(self, data: Ratings, key: tuple[Field, ...]) -> None:
        self.data, self.key = data, key
        self.candidates = np.unique(data.item)

    def draw(self, epoch: int) -> Ids:
        """Return one item per interaction, shape (n,): the first of a keyed sequence that is not a positive; -1 if none was found."""
        item = np.full(len(self.data), -1, dtype=np.int64)
        open_ = np.arange(len(self.data))
        for turn in range(_TRIES):
            if not len(open_):
                break
            ids, users = self.data.ids, self.data.user
            draws = hashes(ids[open_], *self.key, "negative", epoch, turn) % np.uint64(len(self.candidates))
            found = self.candidates[draws.astype(np.int64)]
            codes = users[open_] * self.data.items + found
            fresh = ids[np.minimum(np.searchsorted(ids, codes), len(ids) - 1)] != codes
            item[open_[fresh]] = found[fresh]
            open_ = open_[~fresh]
        return item
