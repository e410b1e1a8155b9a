"""The data of a run: their hash, and the comparison with the data loaded now."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from clients import data
from clients.data import DataError, Dataset
from simulator.errors import LetheError
from simulator.scenarios.plan import Plan
from simulator.storage.store import RunStore

KEY = "data"
"""Key, in the ledger's table meta, of the hash of the data."""


@dataclass(frozen=True)
class Comparison:
    """The result of loading the data again.

    Parameters
    ----------
    changed : str, optional
        One line, if they differ from those of the run.
    absent : str, optional
        One line, if they are not on this machine, so that they cannot be compared.
    """

    changed: str | None = None
    absent: str | None = None


def fingerprint(found: Dataset) -> str:
    """Return the SHA-256 of everything in a data set that a run uses: inputs, labels and their names, edges, ids, and users of rows."""
    digest = hashlib.sha256()
    for array in (found.x, found.y, found.edges, found.users, found.user_names):
        if array is None:
            digest.update(b"none\n")
            continue
        plain = np.ascontiguousarray(array)
        digest.update(f"{plain.dtype.str} {plain.shape}\n".encode())
        digest.update(plain.data)
    digest.update(repr(found.labels).encode())
    if found.numbers is not None:
        digest.update(np.ascontiguousarray(found.numbers).data)
    return digest.hexdigest()


def dataset(plan: Plan, fresh: bool = False) -> Dataset:
    """Return the data of a plan's peers, read once per process unless ``fresh``; ``LetheError`` if they cannot be read."""
    if fresh:
        data.load.cache_clear()
    try:
        return data.load(plan.configs[0].data)
    except DataError as error:
        raise LetheError(f"data: {error}") from error


def dataset_of(plan: Plan, store: RunStore) -> Dataset:
    """Return the data of a run; ``LetheError`` if they are absent or changed."""
    found = compare(plan, store, fresh=False)
    if wrong := found.changed or found.absent:
        raise LetheError(wrong)
    return dataset(plan)


def compare(plan: Plan, store: RunStore, fresh: bool = True) -> Comparison:
    """Load the data and compare them with the hash in the ledger."""
    path = getattr(plan.configs[0].data, "path", None)
    if isinstance(path, str) and not Path(path).expanduser().exists():
        return Comparison(absent=f"the data that were loaded: {path} is not here; put it back to have it compared")
    try:
        found = fingerprint(dataset(plan, fresh))
    except LetheError as error:
        reason = error.__cause__
        if isinstance(reason, DataError) and isinstance(reason.__context__, ImportError):  # an extra that is not installed here
            return Comparison(absent=f"the data that were loaded: {reason}")
        return Comparison(changed=f"{error}; this run was played on data that could be read")
    if found != store.meta(KEY):
        what = path or plan.configs[0].data.tag
        return Comparison(changed=f"data: {what} has changed since the run began: bring back what was there, or run the scenario again")
    return Comparison()
