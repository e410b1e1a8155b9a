"""Traces of forgotten rows in a model's memory: values in any form, codes that index tables, weights trained with the rows.

Both checks run after ``forget``. `traces` searches for known patterns: given the forms in which values may be stored, and earlier weights,
it names every place that holds them. `differences` needs no forms: if two models differed only in the forgotten values, all their bytes
must now be equal; any difference is a trace of the values.

Examples
--------
>>> import numpy as np
>>> class Leaky:
...     def __init__(self, rows):
...         self.spare = rows.astype(np.float64)[:, ::-1]
>>> row = np.array([0.1234, 0.5678], np.float32)
>>> traces(Leaky(row[None]), Secret.of(row[None]))
['model.spare: float64 values of a forgotten row']
"""

from __future__ import annotations

import pickle
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import numpy.typing as npt

from clients.unlearning.memory_walk import PACKAGES, Block, blocks

Array = npt.NDArray[Any]

_LEAST = 16
"""Smallest weight array in bytes that is searched for; shorter ones occur by chance."""

_RUN = 8
"""Smallest run of short numbers in bytes that is searched for."""


@dataclass(frozen=True)
class Secret:
    """The patterns that must not be found.

    Parameters
    ----------
    rows : float32 array, shape (n, p)
        The forgotten rows; no kept row equals one of them.
    forms : sequence of arrays, each of shape (n, k)
        The rows as they may be stored. Numbers of 4 or 8 bytes are searched for individually, shorter ones as whole rows, forwards and
        backwards.
    weights : sequence of arrays
        Weights trained with the rows; searched for as whole arrays.
    """

    rows: Array
    forms: Sequence[Array] = ()
    weights: Sequence[Array] = ()

    @classmethod
    def of(cls, rows: Array, forms: Iterable[Array] = (), weights: Iterable[Array] = ()) -> Secret:
        """Return the secret of rows (n, ...) in the usual number formats, and in further forms."""
        flat = _flat(np.asarray(rows, np.float32))
        usual = [flat, flat.astype(np.float64), flat.astype(np.float16), flat.astype(">f4"), flat.astype(">f8")]
        return cls(flat, [*usual, *(_flat(np.asarray(form)) for form in forms)], list(weights))


def _flat(rows: Array) -> Array:
    return rows.reshape(len(rows), -1) if rows.size else np.empty((0, 1), rows.dtype)


def everything(model: Any, packages: tuple[str, ...] = PACKAGES) -> Iterator[Block]:
    """Yield all memory of a model and of its state and, if it can be pickled, of its pickle and of the unpickled model."""
    yield from blocks(model, "model", packages)
    if hasattr(model, "state"):
        yield from blocks(model.state(), "state", packages)
    try:
        blob = pickle.dumps(model)
    except (pickle.PicklingError, TypeError, AttributeError):
        return
    yield Block("pickle", np.frombuffer(blob, np.uint8))
    yield from blocks(pickle.loads(blob), "unpickled", packages)


def traces(model: Any, secret: Secret, innocent: Any = None, packages: tuple[str, ...] = PACKAGES) -> list[str]:
    """Return the places where a model still holds traces of forgotten rows, one line each, sorted.

    Parameters
    ----------
    model : object
        Has a method ``state`` if it has artefacts.
    secret : Secret
    innocent : object, optional
        A model that never had the rows; patterns that it contains too are ignored.
    packages : tuple of str
        As in `clients.unlearning.memory_walk.blocks`.
    """
    known = _Patterns.of(secret)
    if innocent is not None:
        known = known.without(list(everything(innocent, packages)))
    places = list(everything(model, packages))
    found = {f"{block.path}: {what}" for block in places for what in known.found(block)}
    arrays = [block for block in places if block.array is not None]
    return sorted(found | _decoded(arrays, secret.rows))


def differences(first: Any, second: Any, packages: tuple[str, ...] = PACKAGES) -> list[str]:
    """Return the paths at which two models differ in any byte of memory, sorted; paths that only one of them has count too."""
    mine, theirs = ({block.path: block.raw.tobytes() for block in blocks(model, "model", packages)} for model in (first, second))
    return sorted(path for path in mine.keys() | theirs.keys() if mine.get(path) != theirs.get(path))


@dataclass(frozen=True)
class _Patterns:
    """Patterns by name of the form: sorted numbers as unsigned integers, runs of bytes; and arrays of weights."""

    numbers: dict[str, Array]
    runs: dict[str, set[bytes]]
    weights: set[bytes]

    @classmethod
    def of(cls, secret: Secret) -> _Patterns:
        numbers: dict[str, Array] = {}
        runs: dict[str, set[bytes]] = {}
        for form in secret.forms:
            name = form.dtype.str.lstrip("|=<").replace(">", "swapped ") if form.dtype.kind != "f" else _float_name(form.dtype)
            if form.dtype.itemsize in (4, 8):
                words = np.ascontiguousarray(form).view(f"u{form.dtype.itemsize}").ravel()
                numbers[name] = np.union1d(numbers.get(name, words[:0]), words[words != 0])
            else:
                both = [np.ascontiguousarray(row).tobytes() for each in form for row in (each, each[::-1])]
                runs.setdefault(name, set()).update(run for run in both if len(run) >= _RUN and len(set(run)) > 1)
        whole = {np.ascontiguousarray(array).tobytes() for array in secret.weights}
        return cls(numbers, runs, {blob for blob in whole if len(blob) >= _LEAST and len(set(blob)) > 1})

    def without(self, places: Sequence[Block]) -> _Patterns:
        """Return the patterns that occur in none of these blocks."""
        numbers = {name: self._unmet(words, places) for name, words in self.numbers.items()}
        blobs = [block.raw.tobytes() for block in places]
        runs = {name: {run for run in many if not any(run in blob for blob in blobs)} for name, many in self.runs.items()}
        return replace(self, numbers=numbers, runs=runs, weights={w for w in self.weights if not any(w in blob for blob in blobs)})

    @staticmethod
    def _unmet(words: Array, places: Sequence[Block]) -> Array:
        for block in places:
            for view in _views(block, words.dtype):
                words = words[~_met(words, view)]
        return words

    def found(self, block: Block) -> Iterator[str]:
        """Yield a description of each kind of pattern that a block contains."""
        for name, words in self.numbers.items():
            if any(_met(words, view).any() for view in _views(block, words.dtype)):
                yield f"{name} values of a forgotten row"
        blob = block.raw.tobytes() if self.weights or any(self.runs.values()) else b""
        for name, many in self.runs.items():
            if any(run in blob for run in many):
                yield f"{name} values of a forgotten row"
        if any(weights in blob for weights in self.weights):
            yield "weights trained with a forgotten row"


def _float_name(kind: np.dtype[Any]) -> str:
    return f"float{8 * kind.itemsize}" + (" (bytes swapped)" if kind.byteorder == ">" else "")


def _views(block: Block, kind: np.dtype[Any]) -> Iterator[Array]:
    """Yield a block as words of one size, from every offset at which a number may begin."""
    item = 1 if block.array is None else max(1, min(block.array.dtype.alignment, block.array.dtype.itemsize))
    for offset in range(0, kind.itemsize, min(item, kind.itemsize)):
        whole = (len(block.raw) - offset) // kind.itemsize * kind.itemsize
        if whole > 0:
            yield block.raw[offset : offset + whole].copy().view(kind)


def _met(words: Array, view: Array) -> npt.NDArray[np.bool_]:
    """Return which of the words, sorted and none of them zero, a view contains; it is not sorted, as it may be much larger."""
    met = np.zeros(len(words), np.bool_)
    view = view[view != 0]
    if len(words) and len(view):
        place = np.searchsorted(words[:-1], view)
        met[place[words[place] == view]] = True
    return met


def _decoded(places: Sequence[Block], rows: Array) -> set[str]:
    """Return the code arrays that index a forgotten row in a table, ``table[j, code[i, j]]``, per column or with a common table."""
    p, found = rows.shape[1], set()
    codes = [b for b in places if b.array is not None and b.array.dtype.kind in "iu" and b.array.ndim == 2 and p in b.array.shape]
    tables = [b for b in places if b.array is not None and b.array.dtype.kind == "f" and b.array.ndim in (1, 2) and b.array.size > 1]
    for held in codes:
        for turned in (held.array, held.array.T) if held.array is not None else ():
            if turned.shape[1] != p or not turned.size:
                continue
            for table in tables:
                if any(_reads(turned, values, rows) for values in _by_column(table.array, p)):
                    found.add(f"{held.path}: codes of a forgotten row into {table.path}")
    return found


def _by_column(table: Array | None, p: int) -> Iterator[Array]:
    """Yield a table as values (p, u), with one row per column of the data."""
    assert table is not None
    if table.ndim == 1:
        yield np.broadcast_to(table, (p, len(table)))
        return
    if table.shape[0] == p:
        yield table
    if table.shape[1] == p:
        yield table.T


def _reads(code: Array, values: Array, rows: Array) -> bool:
    """Return whether a row of the codes (n, p) decodes to one of the forgotten rows by the values (p, u)."""
    lines = code[((code >= 0) & (code < values.shape[1])).all(axis=1)].astype(np.int64)
    if not len(lines):
        return False
    left = np.ones((len(lines), len(rows)), np.bool_)
    for j in range(code.shape[1]):
        left &= values[j, lines[:, j]].astype(np.float32)[:, None] == rows[:, j]
        if not left.any():
            return False
    return True
