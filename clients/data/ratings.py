"""Interactions of users with items, and the loader of rating tables."""

from __future__ import annotations

import re
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Self

import numpy as np
import numpy.typing as npt
import scipy.sparse as sp

from clients.data.delimited import TextTable, read_table
from clients.data.errors import DataError
from clients.data.rows import Ids
from clients.data.scaling import existing
from clients.streams import Field, uniforms

_NUMBER = re.compile(r"[0-9]{1,18}")  # int64 holds them all


@dataclass(frozen=True, eq=False)
class Ratings:
    """Interactions of users with items (implicit feedback), each pair once.

    Parameters
    ----------
    user, item : int64 arrays, shape (n,)
        Users in ``0 .. users - 1`` and items in ``0 .. items - 1``; sorted by user, then item.
    users, items : int
        Sizes of the public catalogues.
    user_numbers, item_numbers : int64 arrays, shapes (users,) and (items,)
        The source's own numbers of users and items.
    repeated : int
        Number of lines of the source that repeat a pair.
    """

    user: Ids
    item: Ids
    users: int
    items: int
    user_numbers: Ids = field(default_factory=lambda: np.empty(0, np.int64))
    item_numbers: Ids = field(default_factory=lambda: np.empty(0, np.int64))
    repeated: int = 0

    def __len__(self) -> int:
        return len(self.user)

    @property
    def ids(self) -> Ids:
        """The permanent id of each interaction, ``user * items + item``, ascending, int64 (n,)."""
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
        Names of the columns of users' and items' numbers, from 0; the largest ones determine the catalogues' sizes. If most numbers up to
        the largest are unused, the used ones are renumbered, ascending; ``user_numbers`` and ``item_numbers`` keep those of the file.

    Raises
    ------
    DataError
        If the file cannot be read, lacks a column or has it twice, has no rows, or contains anything but whole numbers from 0.
    """
    try:
        table = read_table(existing(str(path), "CSV file"))
        columns = [_numbers(table, name) for name in (user, item)]
    except DataError as error:
        raise DataError(f"{path}: not a table of ratings: {str(error).removeprefix(f'{path}: ')}") from None
    (users, user_numbers), (items, item_numbers) = map(_renumbered, columns)
    data = ratings(users, items, len(user_numbers), len(item_numbers))
    return replace(data, user_numbers=user_numbers, item_numbers=item_numbers, repeated=len(users) - len(data))


def _numbers(table: TextTable, name: str) -> Ids:
    """Return the whole numbers of a column, int64 (n,)."""
    places = [i for i, held in enumerate(table.first) if held == name]
    if not places:
        raise DataError(f"{table.path}: no column {name!r} among {', '.join(table.first[:20])}: name the columns of users and items")
    if len(places) > 1:
        raise DataError(f"{table.path}: columns {' and '.join(map(str, places))} are both called {name!r}: rename one")
    cells = table.column(places[0], header=True)
    if not cells:
        raise DataError(f"{table.path}: no rows: give one rating a line")
    if (row := next((i for i, cell in enumerate(cells) if not _NUMBER.fullmatch(cell)), None)) is not None:
        what = "a negative number" if _NUMBER.fullmatch(cells[row].removeprefix("-")) else "no whole number"
        raise DataError(f"{table.path}: {table.line(row, header=True)}: column {name} holds {cells[row]!r:.60}, {what}: number them from 0")
    return np.asarray(cells, dtype=np.int64)


def _renumbered(numbers: Ids) -> tuple[Ids, Ids]:
    """Return numbers without large gaps, and the original of each; unchanged if at least half of those up to the largest occur."""
    used, codes = np.unique(numbers, return_inverse=True)
    size = int(used[-1]) + 1
    return (numbers, np.arange(size)) if size <= 2 * len(used) else (codes.astype(np.int64).ravel(), used)


def split(data: Ratings, key: tuple[Field, ...], validation: float = 0.1, test: float = 0.1) -> tuple[Ratings, Ratings, Ratings]:
    """Return training, validation and test interactions, split by a keyed hash of each pair.

    Parameters
    ----------
    data : Ratings
        All interactions.
    key : tuple
        Key of the hash.
    validation, test : float
        Expected shares, in [0, 1], together less than 1.
    """
    place = uniforms(data.ids, *key, "split")
    held = validation + test
    return data.keep(place >= held), data.keep((place >= test) & (place < held)), data.keep(place < test)
