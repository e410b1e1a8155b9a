"""Interactions of users with items, and the loader of rating tables."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Self

import numpy as np
import numpy.typing as npt
import scipy.sparse as sp

from clients.data import DataError
from clients.data.rows import Ids
from clients.streams import Field, uniforms


@dataclass(frozen=True, eq=False)
class Ratings:
    """Who interacted with what (implicit feedback), each pair once.

    Parameters
    ----------
    user, item : int64 arrays, shape (n,)
        Users in ``0 .. users - 1`` and items in ``0 .. items - 1``; sorted by user, then item.
    users, items : int
        Sizes of the public catalogues.
    """

    user: Ids
    item: Ids
    users: int
    items: int

    def __len__(self) -> int:
        return len(self.user)

    @property
    def ids(self) -> Ids:
        """The lifelong id of each interaction, ``user * items + item``, ascending, int64 (n,)."""
        return self.user * self.items + self.item

    def keep(self, mask: npt.NDArray[np.bool_]) -> Self:
        """Return the interactions where the mask, shape (n,), is true."""
        return type(self)(self.user[mask], self.item[mask], self.users, self.items)

    def matrix(self) -> sp.csr_matrix:
        """Return the interactions as ones of a CSR matrix of float32, shape (users, items)."""
        return sp.csr_matrix((np.ones(len(self), np.float32), (self.user, self.item)), shape=(self.users, self.items))


def ratings(user: npt.ArrayLike, item: npt.ArrayLike, users: int, items: int) -> Ratings:
    """Return interactions in canonical form; repeated pairs count once."""
    codes = np.unique(np.asarray(user, dtype=np.int64) * items + np.asarray(item, dtype=np.int64))
    return Ratings(codes // items, codes % items, users, items)


def load_ratings(path: str | Path, user: str = "uid", item: str = "iid") -> Ratings:
    """Return the interactions of a CSV table with a header; every rating counts as an interaction, whatever its value.

    Parameters
    ----------
    path : str or Path
    user, item : str
        Names of the columns that hold users' and items' numbers, from 0; the catalogues end with the largest.

    Raises
    ------
    DataError
        If the file cannot be read, lacks a column, has no rows, or holds anything but numbers from 0.
    """
    try:
        with Path(path).open(encoding="utf-8-sig") as file:
            header = [name.strip() for name in file.readline().split(",")]
            if missing := [name for name in (user, item) if name not in header]:
                raise DataError(f"{path}: no column {missing[0]!r} among {', '.join(header)}; name the columns of users and items")
            table = np.loadtxt(file, delimiter=",", usecols=(header.index(user), header.index(item)), dtype=np.int64, ndmin=2)
    except (OSError, ValueError) as error:
        if isinstance(error, DataError):
            raise
        raise DataError(f"{path}: not a table of ratings ({error}); give a CSV file with whole numbers for users and items") from None
    if not len(table) or table.min() < 0:
        raise DataError(f"{path}: {'no rows' if not len(table) else 'a negative number'}; number users and items from 0")
    return ratings(table[:, 0], table[:, 1], int(table[:, 0].max()) + 1, int(table[:, 1].max()) + 1)


def split(data: Ratings, key: tuple[Field, ...], validation: float = 0.1, test: float = 0.1) -> tuple[Ratings, Ratings, Ratings]:
    """Return training, validation and test interactions, dealt by a keyed hash of each pair.

    Parameters
    ----------
    data : Ratings
    key : tuple
    validation, test : float
        Expected shares, in [0, 1], together less than 1.
    """
    place = uniforms(data.ids, *key, "split")
    held = validation + test
    return data.keep(place >= held), data.keep((place >= test) & (place < held)), data.keep(place < test)
