"""Export and import of learners' states: as copies, and refused if they belong to another model.

The arrays of a trained network imply neither the rows, nor the key, nor all settings that it was trained with. These are told by a
fingerprint, one hash over all of them, which a state bears in memory and, as long as it is written by `clients.wire` as it was given out,
in a file. Artefacts of a run hold further arrays and no fingerprint, since a run's digest is made of their bytes; there the ledger answers
for the data.

The fingerprint is over all retained rows at once and never over one: a hash of each row would give away rows of few possible values, one
by one, to whoever can guess them. Of the hash over all, a guess can only be tried by somebody who has every other row, the key and the
settings, and who could as well train the model again and compare its arrays: so it tells nothing that they do not. It is made anew
whenever a state is given out, so that forgotten rows have no part in it.
"""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from typing import Any

import numpy as np
import numpy.typing as npt
import scipy.sparse as sp

from clients import wire
from clients.data.rows import Ids
from clients.streams import key_hash
from clients.unlearning.contract import State, UnlearningError

Like = Mapping[str, npt.NDArray[Any]]

PROGRESS = "progress"
"""Name of the rounds done, int64 (1,), in every state."""


class Signed(wire.Signed):
    """A copy of a state with the fingerprint of its rows, key and settings."""

    def __init__(self, arrays: Like, fingerprint: str) -> None:
        super().__init__({name: np.array(array) for name, array in arrays.items()}, fingerprint)


def fingerprint(*parts: object) -> str:
    """Return a hash of arrays, sparse matrices, and values that keys can contain."""
    digest = hashlib.blake2b(digest_size=16)
    for part in parts:
        if sp.issparse(part):
            arrays = [part.data, part.indices, part.indptr]  # type: ignore[attr-defined]
        elif isinstance(part, np.ndarray):
            arrays = [part]
        else:
            arrays = [np.array([key_hash(part)], dtype=np.uint64)]  # type: ignore[arg-type]
        for array in arrays:
            digest.update(f"{array.dtype.str}{array.shape}".encode())
            digest.update(np.ascontiguousarray(array).data)
    return digest.hexdigest()


def opened(state: object, wanted: str) -> tuple[State, int]:
    """Return copies of a state's arrays, and the rounds done.

    Parameters
    ----------
    state : mapping of str to array
    wanted : str
        The expected fingerprint of rows, key and settings.

    Raises
    ------
    UnlearningError
        If it is not a mapping of names to numeric arrays, has another fingerprint, or lacks the number of rounds done.
    """
    if not isinstance(state, Mapping):
        raise UnlearningError(f"state: it is a {type(state).__name__}, not arrays by name: give what state() returned")
    for name, array in state.items():
        if not isinstance(name, str) or not isinstance(array, np.ndarray) or array.dtype.kind not in "biuf":
            raise UnlearningError(f"state: {str(name)[:40]!r} is no array of numbers under a name: give what state() returned")
    if getattr(state, "fingerprint", wanted) != wanted:
        cure = "give the rows that were held, the same key and settings"
        raise UnlearningError(f"state: it is of other rows, another key or other settings: {cure}")
    done = state.get(PROGRESS)
    if done is None or done.shape != (1,) or done.dtype != np.int64 or done[0] < 0:
        raise UnlearningError(f"state: {PROGRESS} is not one int64 from 0: give what state() returned")
    return {name: np.array(array) for name, array in state.items()}, int(done[0])


def seen_ids(state: State, held: Ids, progress: int) -> Ids:
    """Take out of a state, and return, the ids of all rows that trained parameters have seen; the held ones must be among them."""
    seen = state.pop("seen", np.empty(0))
    if seen.dtype != np.int64 or seen.ndim != 1 or (seen[1:] <= seen[:-1]).any():
        raise UnlearningError("state: seen is not ascending int64 ids: give the whole state of such a model")
    if progress and len(strangers := held[~np.isin(held, seen)]):
        raise UnlearningError(f"state: its parameters have never seen row {strangers[0]}: give the rows that were held")
    return seen


def fits(state: State, like: Like) -> None:
    """Raise ``UnlearningError`` naming an array that is missing, unexpected, or of another dtype or shape; progress was checked before."""
    known = state.keys() - {PROGRESS}
    if missing := sorted(like.keys() - known):
        raise UnlearningError(f"state: {missing[0]} is missing: give the whole state, the rows that were held and the same settings")
    if surplus := sorted(known - like.keys()):
        raise UnlearningError(f"state: {surplus[0][:80]} is no part of it: give the rows that were held, the same settings")
    for name, array in like.items():
        if state[name].dtype != array.dtype or state[name].shape != array.shape:
            found, own = (f"{each.dtype} {each.shape}" for each in (state[name], array))
            raise UnlearningError(f"state: {name} is {found}, not {own}: give the rows that were held, the same settings")


def same(state: State, like: Like, of: str) -> None:
    """Raise ``UnlearningError`` if an array differs, in any byte, from the one that rows and key imply."""
    fits(state, like)
    for name, array in like.items():
        if state[name].tobytes() != array.tobytes():
            raise UnlearningError(f"state: it is not that of {of}, {name} differs: give the rows that were held, the same key and settings")
