"""What an adversary sees of a federation before a request and after it, and what it recovers from the two."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np

from clients import data, streams, wire
from clients.classification.averaging.config import AveragedClassifierConfig
from clients.classification.averaging.peer import GLOBAL
from clients.classification.hdus.config import HdusConfig
from clients.classification.hdus.peer import COUNTS
from clients.classification.sums.config import SumsConfig
from clients.classification.sums.peer import learner
from clients.config import PeerConfig
from clients.data.rows import Ids, Rows
from clients.language.config import WordsConfig
from clients.models.network import Network
from clients.models.spiking import Spiking
from clients.streams import Field
from clients.training import Arrays
from clients.unlearning.exact.statistical.moment_learner import MomentLearner
from server.audit.inversion import labels_of, matched, row_of, rows_of_sums
from server.audit.margins import Floats
from server.timeline import Erasure
from simulator.audits.contract import Branch, NotJudgedError

CANDIDATES = 99
"""Test rows, which nobody held, among which a forgotten row must come first."""
MOST = 16
"""Rows that are recovered at once by gradient matching, at most; each forgotten row is compared with the nearest."""
_SEES = {
    "server": "a server of networks, or of sums that ridge adds up",
    "outsider": "a federation that averages networks",
    "neighbour": "classifiers that exchange seeds",
}


@dataclass(frozen=True)
class View:
    """What was recovered, ``found`` (m, d); the forgotten rows, ``truth`` (n, d), ``kept`` rows and ``candidates`` likewise.

    ``labels`` is the share of the forgotten rows whose classes were recovered.
    """

    found: Floats
    truth: Floats
    kept: Floats
    candidates: Floats
    labels: float


@dataclass(frozen=True)
class _Released:
    """A network whose weights an adversary sees twice."""

    network: Network
    before: Arrays
    after: Arrays


def view(adversary: str, erasure: Erasure, gone: Rows, before: Branch, after: Branch) -> View | None:
    """Return what an adversary recovers from two states of a federation; None if they do not differ, or give no single row away.

    Raises
    ------
    NotJudgedError
        If the adversary sees no two models of such a federation, or none of the peer.
    """
    some: Any = next(iter(before.peers.values()))
    if wrong := unseen(adversary, some.config):
        raise NotJudgedError(wrong)
    key = (*some.config.stream, "inversion", erasure.index)
    if isinstance(some.config, SumsConfig):
        return _of_sums(erasure.peer, gone, before, after, key)
    if adversary == "neighbour":
        network, models = some.seed_network, [_seed(erasure.peer, one) for one in (before, after)]
    else:
        network, models = some.config.network, [wire.from_bytes(one.store.artefact(_global(one))) for one in (before, after)]
    return _of_network(gone, _Released(network, *models), _public(before, key), key)


def unseen(adversary: str, config: PeerConfig) -> str | None:
    """Return why an adversary sees no two models of such peers, or none that can be inverted, with the cure; None if it does."""
    if isinstance(config, WordsConfig):
        return "rows of text are words, which no gradient step finds, and inversion is of numbers: remove the audit"
    if isinstance(config, SumsConfig) and adversary == "server":
        model = learner(config)
        if isinstance(model, MomentLearner) and model.problem.classes > 1:
            return None
        return f"sums of products of columns, by class, are inverted, of which {config.main.kind} has none: take ridge"
    if isinstance(config, AveragedClassifierConfig) and adversary != "neighbour":
        spec = config.main
    elif isinstance(config, HdusConfig) and adversary == "neighbour":
        spec = config.seed
    else:
        return f'adversary = "{adversary}" sees no two models here: it is for {_SEES[adversary]}'
    if isinstance(spec, Spiking):
        return 'networks of kind = "spiking" exchange spikes, through which no gradient is matched: take linear, mlp or cnn'
    if any(column.categories for column in data.load(config.data).columns):
        return "rows have categories, which no gradient step finds, and inversion is of numbers: remove the audit"
    return None


def _global(branch: Branch) -> str:
    sha256 = branch.store.model(GLOBAL)
    assert sha256 is not None
    return sha256


def _seed(peer: int, branch: Branch) -> Arrays:
    """Return the weights of a peer's seed."""
    owner = branch.peers.get(peer)
    if owner is None or owner.update is None:
        raise NotJudgedError("the peer is away or gone, and a neighbour sees no two seeds of it")
    return {name: array for name, array in wire.from_bytes(owner.update.blob).items() if name != COUNTS}


def _public(branch: Branch, key: tuple[Field, ...]) -> tuple[Rows, Rows]:
    """Return the candidates, drawn by key from the test rows, and the rows that peers hold."""
    configs = [peer.config for peer in branch.peers.values()]
    source, test = data.load(configs[0].data), np.asarray(configs[0].test, np.int64)
    drawn: Ids = np.sort(test[streams.order(test, *key, "candidates")[:CANDIDATES]])
    held = np.unique(np.concatenate([np.asarray(config.rows, np.int64) for config in configs]))
    return source.rows(drawn), source.rows(held)


def _of_network(gone: Rows, seen: _Released, public: tuple[Rows, Rows], key: tuple[Field, ...]) -> View | None:
    """Invert the way from one model to the next, which points along the gradient of the forgotten rows."""
    network, (candidates, held) = seen.network, public
    gradient = {name: seen.after[name].astype(np.float64) - seen.before[name] for name in network.initial(("shell",))}
    if not any(array.any() for array in gradient.values()):
        return None
    arrays = list(gradient.values())
    if arrays[-1].shape != (network.classes,) or arrays[1].ndim != 1:
        raise NotJudgedError("the first and the last layer of the network have no biases, by which it is inverted")
    count = min(len(gone), MOST)
    if count == 1 and arrays[0].ndim == 2:
        found = row_of(arrays[0], arrays[1])[None]
    else:
        found = matched(network, seen.before, gradient, labels_of(arrays[-1], count), candidates.x.mean(axis=0), key)
    flat = [rows.x.reshape(len(rows), -1).astype(np.float64) for rows in (gone, held.without(gone.ids), candidates)]
    return View(found.reshape(count, -1), flat[0], flat[1], flat[2], _overlap(labels_of(arrays[-1], len(gone)), gone.y))


def _of_sums(peer: int, gone: Rows, before: Branch, after: Branch, key: tuple[Field, ...]) -> View | None:
    """Subtract what a peer sends from what it sent: the mean of a class of which a single row went is that row."""
    owner: Any = before.peers.get(peer)
    later: Any = after.peers.get(peer)
    if owner is None:
        raise NotJudgedError("the peer was away before the request")
    model = learner(owner.config)
    assert isinstance(model, MomentLearner)
    model.adopt({name: array - (later.main.sums[name] if later else 0) for name, array in owner.main.sums.items()})
    if not model.count:
        return None
    if model.count != len(gone):
        raise NotJudgedError(f"{model.count} rows are in the difference, of which {len(gone)} were forgotten: others came or went, too")
    found, labels = rows_of_sums(*model.class_means(model.gram()))
    if not len(found):
        return None
    candidates, held = _public(before, key)
    parts = [model.design.expand(model.design.table.rows(rows).x) for rows in (gone, held.without(gone.ids), candidates)]
    return View(found, parts[0], parts[1], parts[2], _overlap(labels, gone.y))


def _overlap(found: Ids, truth: Ids) -> float:
    """Return the share of classes, counted as often as they occur, that were recovered."""
    most = int(max(found.max(), truth.max())) + 1
    return float(np.minimum(np.bincount(found, minlength=most), np.bincount(truth, minlength=most)).sum() / len(truth))
