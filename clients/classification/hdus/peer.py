"""A peer of HDUS: its private rows, main model, seed model, the neighbours' seeds it holds, and its operations.

Heterogeneous decentralised unlearning (HDUS) with seed-model distillation: Ye, Chen, Nguyen, Yin, arXiv 2308.13269 (2023). Loss,
temperature and ensemble weightings are this project's reading.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, replace
from typing import Any

import numpy as np
import numpy.typing as npt

from clients import data, wire
from clients.bookkeeping import CELLS, LABELS, VALUES
from clients.classification.hdus.config import HdusConfig, method
from clients.classification.hdus.distillation import distil
from clients.classification.hdus.ensemble import Member, combine
from clients.corrections import Correction, Corrections
from clients.data.rows import Ids, Rows
from clients.models.network import Network
from clients.participant import EDGES, ROWS, Neighbour, Record, Update
from clients.streams import Field
from clients.unlearning.contract import Cost, Outcome, Problem, Unlearner
from clients.unlearning.states import PROGRESS

COUNTS = "counts"
"""Name, in a seed artefact, of the owner's class histogram, int64 ``(classes,)``."""


@dataclass(repr=False)
class Peer(Neighbour):
    """A peer that classifies; see also `clients.participant.Participant`.

    Parameters
    ----------
    config : HdusConfig
    main : Unlearner
        The main model, initialised on the peer's rows.
    rows : Rows
        The rows the peer still has, as they have been corrected.
    edges : int64 array, shape (m,)
        Ids of the edges among them that the peer still has, ascending.
    corrections : Corrections
        What rows hold otherwise than in the data set, those that have yet to arrive included.
    """

    config: HdusConfig
    main: Unlearner[Any, Any]
    rows: Rows
    edges: Ids
    stream: tuple[Field, ...]
    update: Update | None = None
    held: dict[int, Update] = field(default_factory=dict)
    corrections: Corrections = field(default_factory=Corrections)

    @classmethod
    def new(cls, config: HdusConfig, stream: tuple[Field, ...] | None = None) -> Peer:
        """Return an untrained peer with all its rows; ``stream`` replaces the peer's own key (a negative control)."""
        source, ids = data.load(config.data), np.asarray(config.rows, dtype=np.int64)
        edges = np.setdiff1d(source.edges_among(ids), config.absent_edges)
        key, corrections = stream or config.stream, Corrections().joined(config.corrections)
        main = unlearner(config, key)
        main.begin(_taught(config, source, ids, edges, corrections))
        return cls(config, main, corrections.applied(source.rows(ids)), edges, key, corrections=corrections)

    @classmethod
    def restored(cls, config: HdusConfig, main: bytes, stream: tuple[Field, ...] | None = None) -> Peer:
        """Return the peer whose main artefact has these bytes; it has no seed yet, neither its own nor neighbours'."""
        arrays = wire.from_bytes(main)
        source, ids = data.load(config.data), arrays.pop(ROWS)
        edges = arrays.pop(EDGES) if EDGES in arrays else source.edges_among(ids)
        key, corrections = stream or config.stream, _corrected(config, arrays)
        model = unlearner(config, key)
        model.restore(arrays, _taught(config, source, ids, edges, corrections))
        return cls(config, model, corrections.applied(source.rows(ids)), edges, key, corrections=corrections)

    @property
    def main_blob(self) -> bytes:
        """The main artefact: the unlearner's canonical state, the ids of its rows, of its edges if it learns from them, and corrections."""
        whole = len(self.edges) == len(data.load(self.config.data).edges_among(self.rows.ids))
        kept = {ROWS: self.rows.ids, **({} if whole else {EDGES: self.edges}), **self.corrections.of(self.rows.ids).arrays()}
        return wire.to_bytes({**self.main.state(), **kept})

    @property
    def counts(self) -> npt.NDArray[np.int64]:
        """Class histogram of the rows the peer still has, int64 ``(classes,)``."""
        return np.bincount(self.rows.y, minlength=data.load(self.config.data).classes).astype(np.int64)

    def receive(self, payload: Mapping[str, Record], now: int) -> None:
        """Receive this round's server records: none, for this role."""

    def arrive(self, ids: Iterable[int]) -> Outcome:
        """Take own rows in: the main model adds them, or is trained anew on all rows if it cannot; histogram and seed follow.

        Either way it then is as if it had been given the rows before its first round.
        """
        source, new = data.load(self.config.data), np.asarray(sorted(ids), dtype=np.int64)
        held, spec = np.union1d(self.rows.ids, new), method(self.config)
        edges = np.setdiff1d(source.edges_among(held), [*source.edges_among(self.rows.ids), *self.config.absent_edges])
        self.rows, self.edges = self.corrections.applied(source.rows(held)), np.union1d(self.edges, edges)
        if spec.adds:
            return self.main.add(_taught(self.config, source, new, self.edges, self.corrections))
        return Outcome(self._train_anew(), "exact")

    def correct(self, corrections: Iterable[Correction]) -> Outcome:
        """Correct own rows: the main model replaces them, or is trained anew on all rows if it cannot; histogram and seed follow.

        Trained anew it is as if it had been given the corrected rows before its first round; that claims no more than its method does,
        because what it forgot before would be forgotten in another way.
        """
        told, spec = tuple(corrections), method(self.config)
        self.corrections = self.corrections.joined(told)
        touched = np.isin(self.rows.ids, [row for one in told for row in one.rows])
        self.rows = self.corrections.applied(self.rows)
        if not touched.any():
            return Outcome(Cost(), "exact")
        if spec.corrects:
            return self.main.correct(self.rows.keep(touched))
        return Outcome(self._train_anew(), "exact" if spec.guarantee == "exact" else "approximate")

    def _train_anew(self) -> Cost:
        """Train a new main model on the present rows and edges, for as many rounds as the present one; return the cost."""
        rounds = int(self.main.state()[PROGRESS][0])
        self.main = unlearner(self.config, self.stream)
        self.main.begin(_taught(self.config, data.load(self.config.data), self.rows.ids, self.edges, self.corrections))
        return Cost(sum(self.main.advance() for _ in range(rounds)), 1 if rounds else 0)

    def forget(self, ids: Iterable[int]) -> Outcome:
        """Forget own rows and edges by id: the main model forgets them; histogram and seed follow when the seed is next distilled."""
        source, gone = data.load(self.config.data), np.asarray(sorted(ids), dtype=np.int64)
        request = method(self.config).to_request(source, gone)
        outcome = self.main.forget(self.corrections.applied(request) if isinstance(request, Rows) else request)
        self.rows = self.rows.without(gone)
        self.edges = np.setdiff1d(np.intersect1d(self.edges, source.edges_among(self.rows.ids)), gone)
        return outcome

    def train(self) -> int:
        """Train the main model for one round; return the gradient steps."""
        return self.main.advance()

    def distil(self) -> int:
        """Distil a new own seed from the main model on the reference set; return the gradient steps.

        The key does not name the round, so a seed depends on the main model and the reference set only.
        """
        ids, x, asked = self._lessons()
        key, answers = (*self.stream, "seed"), self.main.predict_proba(asked)
        weights, steps = distil(self.seed_network, x, ids, answers, key, self.config.distillation)
        version = self.update.version + 1 if self.update else 1
        self.update = Update(version, wire.to_bytes({**weights, COUNTS: self.counts}))
        return steps

    def _lessons(self) -> tuple[Ids, npt.NDArray[np.float32], Any]:
        """Return ids of the reference rows, the seed's inputs, and the main model's inputs for the same rows."""
        config, source = self.config, data.load(self.config.data)
        if config.synthetic is not None:
            x = config.synthetic.inputs(source.shape, source.columns, config.run_seed)
            return np.arange(len(x)), x, x
        return method(config).distillation_inputs(source, np.asarray(config.reference, dtype=np.int64))

    def answers(self, ids: Ids) -> npt.NDArray[np.float32]:
        """Return the main model's class probabilities for public rows by id, with their edges, float32 ``(n, classes)``."""
        return self.main.predict_proba(method(self.config).inference_inputs(data.load(self.config.data), ids))

    def shard_answers(self, ids: Ids) -> list[npt.NDArray[np.float32]]:
        """Return likewise the probabilities of each isolated model that the main model joins; none if it is one model."""
        return self.main.predict_shards(method(self.config).inference_inputs(data.load(self.config.data), ids))

    def predict_main(self, x: npt.NDArray[np.float32]) -> npt.NDArray[np.float32]:
        """Return the main model's class probabilities, float32 ``(n, classes)``."""
        return self.main.predict_proba(x)

    def predict_proba(self, x: npt.NDArray[np.float32]) -> npt.NDArray[np.float64]:
        """Return the neighbourhood ensemble's class probabilities, float64 ``(n, classes)``."""
        return self.together(self.predict_main(x), x)

    def together(self, answers: npt.NDArray[np.float32], x: npt.NDArray[np.float32]) -> npt.NDArray[np.float64]:
        """Return the ensemble's probabilities, given the main model's."""
        own, *seeds = self.members(answers, x)
        return combine(self.config.ensemble, own, seeds)

    def members(self, answers: npt.NDArray[np.float32], x: npt.NDArray[np.float32]) -> list[Member]:
        """Return the ensemble's members: the main model, given its answers, and the held seeds, asked for the seeds' inputs."""
        seeds = [self._seed_member(owner, seed, x) for owner, seed in sorted(self.held.items())]
        return [Member(self.config.peer, answers, self.counts), *seeds]

    @property
    def seed_network(self) -> Network:
        """The common architecture of seed models, without weights."""
        source = data.load(self.config.data)
        return Network(self.config.seed, source.shape, source.classes, source.columns, self.config.compute.device)

    def _seed_member(self, owner: int, seed: Update, x: npt.NDArray[np.float32]) -> Member:
        weights = wire.from_bytes(seed.blob)
        counts = weights.pop(COUNTS)
        return Member(owner, self.seed_network.probabilities(weights, x), counts)

    def evaluate(self) -> tuple[dict[str, float], npt.NDArray[np.float64]]:
        """Return the data set's metrics in [0, 1] and the ensemble's probabilities on the test rows, float64 ``(n_test, classes)``.

        ``global`` is a metric's mean over test rows; ``local`` re-weights the classes to the peer's own distribution.
        """
        source = data.load(self.config.data)
        test = np.asarray(self.config.test, dtype=np.int64)
        own = self.answers(test)
        ensemble = self.together(own, source.inputs(test))
        scores: dict[str, float] = {}
        for name, probabilities in (("main", own), ("ensemble", ensemble)):
            for metric, values in source.metrics(test, probabilities).items():
                scores[f"{metric}.global.{name}"] = float(values.mean())
                scores[f"{metric}.local.{name}"] = mixed(values, source.classes_of(test), self.counts)
        return scores, ensemble


def mixed(values: npt.NDArray[np.float64], y: npt.NDArray[np.int64], counts: npt.NDArray[np.int64]) -> float:
    """Return the mean under a class distribution: class means weighted by ``counts``, over the classes among the test rows."""
    seen = np.bincount(y, minlength=len(counts))
    sums = np.bincount(y, weights=values, minlength=len(counts))
    weights = np.where(seen > 0, counts, 0)
    if not weights.sum():
        return float(values.mean())
    return float((weights * sums / np.maximum(seen, 1)).sum() / weights.sum())


def _having(source: data.Dataset, edges: Ids) -> data.Dataset:
    """Return the data with only the edges that have these ids."""
    return replace(source, edges=source.ends(edges)) if len(source.edges) else source


def _corrected(config: HdusConfig, arrays: dict[str, npt.NDArray[Any]]) -> Corrections:
    """Take the corrections out of a main artefact, and return them after those that the peer began with."""
    kept = {name: arrays.pop(name) for name in (LABELS, CELLS, VALUES) if name in arrays}
    return Corrections().joined(config.corrections).followed_by(Corrections.read(kept))


def _taught(config: HdusConfig, source: data.Dataset, ids: Ids, edges: Ids, corrections: Corrections) -> Any:
    """Return what a main model learns of the rows with these ids: as they have been corrected, with these edges."""
    found = method(config).training_data(_having(source, edges), ids)
    return corrections.applied(found) if isinstance(found, Rows) else found


def unlearner(config: HdusConfig, key: tuple[Field, ...]) -> Unlearner[Any, Any]:
    """Return the untrained main model of a config."""
    source = data.load(config.data)
    settings = config.rounds, source.columns, config.training, config.compute.device
    validation = source.rows(np.asarray(config.validation, dtype=np.int64)) if config.validation else None
    problem = Problem(source.shape, source.classes, *settings, validation)
    return method(config).build(problem, (*key, "main"))
