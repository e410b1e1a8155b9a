"""The part of ``lethe check`` on data: classes, columns, duplicate rows, and facts that only rows to be forgotten determine."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from hashlib import blake2b

import numpy as np
import numpy.typing as npt

from clients.data import Dataset, load
from clients.data.errors import DataError
from clients.data.facts import OTHER
from server.timeline import Erasure
from simulator.scenarios.plan import Plan

_MOST = 20
"""Maximum number of classes, categories or columns that are named."""

PUBLIC = ("reference", "test", "validation")
"""Sets of public rows."""


@dataclass(frozen=True)
class Holdings:
    """The holder of each row.

    Parameters
    ----------
    holder : int64 array, shape (n,)
        Peer of each row, by its position in the data set; ``peers`` for reference, ``peers + 1`` for test and ``peers + 2`` for
        validation rows, -1 for rows without holder.
    peers : int
        Number of peers.
    whole : Dataset
        The same rows, encoded by facts of all rows, so that nothing is clipped.
    """

    holder: npt.NDArray[np.int64]
    peers: int
    whole: Dataset

    @classmethod
    def of(cls, plan: Plan, data: Dataset) -> Holdings:
        """Return the holder of each row at the start of a plan."""
        holder = np.full(len(data), -1, np.int64)
        for config in plan.configs:
            holder[data.at(config.rows)] = config.peer
        peers = len(plan.configs)
        for place, name in enumerate(PUBLIC):
            holder[data.at(getattr(plan.configs[0], name))] = peers + place
        return cls(holder, peers, _whole(plan, data))

    def dealt(self) -> npt.NDArray[np.bool_]:
        """Return which rows a peer holds, bool (n,)."""
        return (self.holder >= 0) & (self.holder < self.peers)


def _whole(plan: Plan, data: Dataset) -> Dataset:
    """Return the data encoded by facts of all rows, or unchanged if a private cell is too large for a scale."""
    try:
        return load(plan.configs[0].data.by_all_rows())
    except DataError:
        return data


def classes(data: Dataset, held: Holdings) -> Iterator[tuple[str, ...]]:
    """Yield for each class its name and how many rows there are in all, with peers, and in the reference, test and validation sets."""
    parts = [np.ones(len(data), bool), held.dealt(), *(held.holder == held.peers + place for place in range(len(PUBLIC)))]
    counts = [np.bincount(data.y[part], minlength=data.classes) for part in parts]
    for label in range(min(data.classes, _MOST)):
        yield data.labels[label], *(str(count[label]) for count in counts)
    if data.classes > _MOST:
        yield f"... {data.classes - _MOST} more", *(str(count[_MOST:].sum()) for count in counts)


def columns(data: Dataset) -> Iterator[tuple[str, str]]:
    """Yield the kinds of columns in words: the numeric ones by name, each categorical one with its categories and their counts."""
    numeric = [column.name for column in data.columns if not column.categories]
    if numeric:
        yield f"{len(numeric)} numeric", ", ".join(numeric[:_MOST]) + (", ..." if len(numeric) > _MOST else "")
    for place, column in enumerate(data.columns):
        if column.categories:
            counts = np.bincount(data.x[:, place].astype(np.int64), minlength=column.categories)
            known = [code for code in range(column.categories) if category(data, place, code) != OTHER]
            largest = sorted(known, key=lambda code: (-counts[code], code))
            some = ", ".join(f"{category(data, place, code)} {counts[code]}" for code in largest[:_MOST])
            others = int(counts.sum() - counts[known].sum())
            rest = (", ..." if len(known) > _MOST else "") + (f"; {others} rows in {OTHER}" if others else "")
            yield column.name, f"{len(known)} categories: {some}{rest}"


def category(data: Dataset, place: int, code: int) -> str:
    """Return the name of a category of a column."""
    names = data.categories[place] if data.categories else ()
    return (names[code] or "(empty)") if names else f"category {code}"


def remarks(data: Dataset, held: Holdings) -> Iterator[str]:
    """Yield remarks: the range of inputs, duplicate rows, and notes of the loader."""
    if data.users is None:
        numeric = [place for place, column in enumerate(data.columns) if not column.categories]
        numbers = data.x[:, numeric] if data.columns else data.x
        if numbers.size:
            which = "numeric inputs" if len(numeric) < len(data.columns) else "inputs"
            yield f"{which} range from {numbers.min():g} to {numbers.max():g}"
        yield _equal_rows(held, _twins(held.whole))
    yield from data.notes


def warnings(plan: Plan, data: Dataset, held: Holdings) -> Iterator[str]:
    """Yield a line for each column of ids, and for each request whose rows alone determine a fact, or have duplicates that stay."""
    for column in held.whole.columns:
        if column.categories > _MOST and 2 * column.categories > len(data):
            yield f"column {column.name} has {column.categories} categories in {len(data)} rows, as names, dates and ids have: leave it out"
    twins = _twins(held.whole) if data.users is None else np.zeros(len(data), np.int64)
    for request in dict.fromkeys(one.request for one in plan.timeline.erasures):
        erasures = [one for one in plan.timeline.erasures if one.request == request and one.kind != "edges"]
        rows = np.unique(np.asarray([row for one in erasures for row in one.rows], dtype=np.int64))
        if not len(rows):
            continue
        who, gone = _who(erasures, rows), data.at(rows)
        if decided := list(_decided(held.whole, gone)):
            some = "; ".join(decided[:_MOST]) + (f"; {len(decided) - _MOST} more" if len(decided) > _MOST else "")
            yield f"{who}: only what is to be forgotten has {some}{_kept(plan)}"
        staying = np.setdiff1d(np.flatnonzero(held.holder >= 0), gone)
        if data.users is None and (left := int(np.isin(twins[gone], twins[staying]).sum())):
            yield f"{who}: {left} of {len(gone)} rows have a byte-equal twin that stays with somebody"


def _kept(plan: Plan) -> str:
    """Return the consequence for facts that only rows to be forgotten determine, in words."""
    if plan.scenario.data.facts == "all":
        return '; facts = "all" keeps that when the rows are gone: leave facts out, or declare columns and labels'
    return "" if plan.configs[0].data.columns is None else "; what no public row has counts as a bound, or as other"


def _who(erasures: list[Erasure], gone: npt.NDArray[np.int64]) -> str:
    """Return round, peers and rows of a request, in words."""
    peers = ", ".join(str(one.peer) for one in erasures[:_MOST])
    rows = f"row {gone[0]}" if len(gone) == 1 else f"{len(gone)} rows"
    return f"round {erasures[0].round}, peer {peers}, {rows}"


def _decided(data: Dataset, gone: npt.NDArray[np.int64]) -> Iterator[str]:
    """Yield the facts of the data that would differ without these rows."""
    kept = np.ones(len(data), bool)
    kept[gone] = False
    if not kept.any():
        return
    for label in np.setdiff1d(data.y[gone], data.y[kept]):
        yield f"the class {data.labels[label]}"
    for place, column in enumerate(data.columns):
        values = data.x[:, place]
        if column.categories:
            for code in np.setdiff1d(values[gone], values[kept]):
                yield f"the category {category(data, place, int(code))} of column {column.name}"
            continue
        if values[gone].min() < values[kept].min():
            yield f"the lowest value of column {column.name}"
        if values[gone].max() > values[kept].max():
            yield f"the highest value of column {column.name}"


def _twins(data: Dataset) -> npt.NDArray[np.int64]:
    """Return a number for each row, int64 (n,), equal for rows with byte-equal inputs and labels."""
    flat = np.ascontiguousarray(data.x).reshape(len(data), -1)
    keys: dict[bytes, int] = {}
    rows = (row.tobytes() + int(label).to_bytes(8, "little") for row, label in zip(flat, data.y, strict=True))
    hashed = (blake2b(row, digest_size=16).digest() for row in rows)
    return np.fromiter((keys.setdefault(key, len(keys)) for key in hashed), np.int64, len(data))


def _equal_rows(held: Holdings, twins: npt.NDArray[np.int64]) -> str:
    """Return how many rows are byte-equal to one of another holder, in words."""
    rows = np.flatnonzero(held.holder >= 0)
    places = np.unique(np.stack([twins[rows], held.holder[rows]], axis=1), axis=0)
    shared = np.isin(twins[rows], np.flatnonzero(np.bincount(places[:, 0]) > 1))
    if not shared.any():
        return f"no row is byte-equal to one of another peer, the reference set or the test set ({len(rows)} rows)"
    whose = held.holder[rows][shared]
    public = [(int((whose == held.peers + place).sum()), name) for place, name in enumerate(PUBLIC)]
    told = ", ".join(f"{count} {name} rows" for count, name in public if count or name != "validation")
    head = f"{int(shared.sum())} of {len(rows)} rows are byte-equal to one that somebody else holds: "
    return f"{head}{int((whose < held.peers).sum())} with peers, {told}"
