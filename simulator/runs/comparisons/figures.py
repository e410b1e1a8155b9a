"""Figures of one run among those of a comparison of methods: how far it is from retraining, and what its models know."""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from statistics import fmean
from typing import Any

import numpy as np
import numpy.typing as npt

from clients import data, wire
from clients.data.rows import Ids
from server.audit.differences import max_abs_difference, relative_distance, total_variation
from server.audit.intervals import wilson
from simulator.audits.contract import Branch
from simulator.scenarios.plan import Plan
from simulator.tasks.contract import cell_of

Arrays = Mapping[str, npt.NDArray[Any]]


@dataclass(frozen=True)
class Judged:
    """What a comparison looks at, the same in all its runs.

    Parameters
    ----------
    peers : tuple of int
        Peers whose models may retain a trace; one peer stands for all where they share a model.
    forget : mapping of int to int64 array
        Ids of the rows to forget on which each of these peers is asked.
    retain : mapping of int to int64 array
        Ids of the rows that remain, likewise.
    """

    peers: tuple[int, ...]
    forget: Mapping[int, Ids]
    retain: Mapping[int, Ids]


def figures(plan: Plan, branch: Branch, retrained: Branch, judged: Judged) -> dict[str, Any]:
    """Return the figures of a run.

    ``equal`` says whether all parameters of the judged peers' main models and of the server's models are those of the retrained run, bit
    for bit, and is None if neither run has any; ``parameters`` is their distance, relative to the norm of the retrained ones, and None if
    it is no finite number, too (arrays differ in name or shape); ``predictions`` is the mean share of probability that lies on other
    classes of the test rows, and None if there is nothing to compare. ``forget``, ``retain`` and ``test`` are accuracies (the data set's
    first metric), each with the number ``n`` of rows and the ends ``low`` and ``high`` of its 95 % interval.
    """
    test = np.asarray(plan.configs[0].test, dtype=np.int64)
    return {
        **_parameters(branch, retrained, judged.peers),
        "predictions": _predictions(branch, retrained, judged.peers),
        "forget": _accuracy(plan, branch, judged.forget),
        "retain": _accuracy(plan, branch, judged.retain),
        "test": _accuracy(plan, branch, dict.fromkeys(judged.peers, test)),
    }


def _parameters(branch: Branch, retrained: Branch, peers: Sequence[int]) -> dict[str, Any]:
    both = [peer for peer in peers if peer in branch.peers and peer in retrained.peers]
    mine, theirs = _weights(branch, both), _weights(retrained, both)
    if not mine and not theirs:
        return {"equal": None, "parameters": None}
    apart = relative_distance(mine, theirs)
    return {"equal": max_abs_difference(mine, theirs) == 0, "parameters": apart if math.isfinite(apart) else None}


def _weights(branch: Branch, peers: Iterable[int]) -> Arrays:
    """Return the floating-point arrays of peers' main models, and of the server's models without the state of its optimizer."""
    blobs = {f"peer {peer}": branch.peers[peer].main_blob for peer in peers}
    for (name,) in branch.store.rows("select distinct name from models where name != 'memory' order by name"):
        sha256 = branch.store.model(name)
        blobs |= {} if sha256 is None else {name: branch.store.artefact(sha256)}
    arrays = {f"{of}/{name}": array for of, blob in blobs.items() for name, array in wire.from_bytes(blob).items()}
    return {name: array for name, array in arrays.items() if np.issubdtype(array.dtype, np.floating)}


def _predictions(branch: Branch, retrained: Branch, peers: Sequence[int]) -> float | None:
    """Return the mean total variation of final predictions of the test rows."""
    pairs = [(_final(branch, peer), _final(retrained, peer)) for peer in peers]
    apart = [total_variation(a, b) for a, b in pairs if a is not None and b is not None and len(a)]
    return fmean(apart) if apart else None


def _final(branch: Branch, peer: int) -> npt.NDArray[np.float64] | None:
    rows = branch.store.rows("select sha256 from probabilities where peer = ?", (peer,))
    return wire.from_bytes(branch.store.artefact(rows[0][0]))["probabilities"].astype(np.float64) if rows else None


def _accuracy(plan: Plan, branch: Branch, asked: Mapping[int, Ids]) -> dict[str, Any] | None:
    """Return the mean of the data set's first metric over rows, of which each counts once, whoever is asked; None without answers."""
    first, found = plan.configs[0].data.metrics[0], list[tuple[Ids, npt.NDArray[np.float64]]]()
    for peer, ids in asked.items():
        answers = cell_of(plan).answers(plan, branch, peer, ids) if peer in branch.peers and len(ids) else None
        if answers is not None:
            source = data.load(plan.configs[0].data)
            found.append((ids, source.metrics(ids, answers)[first.name]))
    if not found:
        return None
    ids, place = np.unique(np.concatenate([ids for ids, _ in found]), return_inverse=True)
    values = np.bincount(place, np.concatenate([values for _, values in found])) / np.bincount(place)
    mean = float(values.mean())
    low, high = wilson(mean, len(ids))
    return {"accuracy": mean, "n": len(ids), "low": low, "high": high}
