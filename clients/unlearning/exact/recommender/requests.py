"""Requests to recommenders, and their validation."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from clients.data.ratings import Ratings
from clients.data.rows import Ids
from clients.unlearning.contract import UnlearningError
from clients.unlearning.requests import whole_ids


@dataclass(frozen=True)
class Removal:
    """A request to forget interactions, shape (m, 2) of user and item, all interactions of users, and all interactions of items."""

    interactions: npt.ArrayLike = ()
    users: npt.ArrayLike = ()
    items: npt.ArrayLike = ()


def named(removal: Removal, held: Ratings) -> npt.NDArray[np.bool_]:
    """Return which of the held interactions are named, bool (n,).

    ``UnlearningError`` names the first id that is not an integer, is repeated, or is not held.
    """
    pairs = whole_ids(removal.interactions, "interaction", 2)
    users, items = whole_ids(removal.users, "user"), whole_ids(removal.items, "item")
    inside = ((pairs >= 0) & (pairs < (held.users, held.items))).all(axis=1)
    codes = np.where(inside, pairs[:, 0] * held.items + pairs[:, 1], -1)
    _check("interaction", codes, held.ids, pairs)
    _check("user", users, held.user, users)
    _check("item", items, held.item, items)
    return np.isin(held.ids, codes) | np.isin(held.user, users) | np.isin(held.item, items)


def _check(what: str, asked: Ids, held: Ids, shown: Ids) -> None:
    strangers = np.flatnonzero(~np.isin(asked, held))
    if len(strangers):
        raise UnlearningError(
            f"{what} {shown[strangers[0]].tolist()} is not held (never given, or already forgotten): name only what is held"
        )
    _, first, count = np.unique(asked, return_index=True, return_counts=True)
    if (count > 1).any():
        raise UnlearningError(f"{what} {shown[first[count > 1][0]].tolist()} is named twice in one request: name it once")
