"""The data that a run was played on: their hash, and whether what is loaded now is still the same."""

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
"""Under this key of the ledger's table meta stands the hash of what was loaded."""


@dataclass(frozen=True)
class Comparison:
    """What came of loading the data once more.

    Parameters
    ----------
    changed : str, optional
        One line, if they are not what was loaded for the run.
    absent : str, optional
        One line, if they are not here, so that nothing can be said.
    """

    changed: str | None = None
    absent: str | None = None


def fingerprint(found: Dataset) -> str:
    """Return the hash of all that a data set gives to a run: inputs, labels and their names, edges, ids, and whose each row is."""
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
    """Return what a plan's peers load, read once a process unless it is to be read afresh; ``LetheError`` if it cannot be."""
    if fresh:
        data.load.cache_clear()
    try:
        return data.load(plan.configs[0].data)
    except DataError as error:
        raise LetheError(f"data: {error}") from error


def dataset_of(plan: Plan, store: RunStore) -> Dataset:
    """Return the data that a run was played on; ``LetheError`` if those are not here."""
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
