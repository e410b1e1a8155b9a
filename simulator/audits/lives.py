"""Shadow models that live as a peer's main model did: they train, are asked to forget the same rows, and train on.

Main models of peers with neighbourhood ensembles learn from private rows alone, so that shadows of one need no federation around it.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from typing import Any, Self

import numpy as np
import numpy.typing as npt

from clients import data, streams
from clients.cache import data_hash, remembered
from clients.classification.hdus.config import method
from clients.data.rows import Ids, Rows
from clients.models.shadows import halves, shadows, tensors
from clients.models.stacked import Members, Stack, StackError
from clients.progress import told
from clients.streams import Field
from clients.training import Arrays
from clients.unlearning.contract import Problem, UnlearnerSpec, UnlearningError
from clients.unlearning.exact.retraining import Retrained
from clients.unlearning.plain import Plain
from server.audit.calibration import Pair, mixed, swapped
from server.audit.margins import Floats, margins
from server.timeline import Erasure
from simulator.audits.contract import AGAIN, NOTHING, ORIGINAL, RETRAINED, RUN, Branch, NotJudgedError, Row
from simulator.audits.shadowed import FEWEST, barred

Split = Callable[[Floats, Floats, tuple[Field, ...]], Iterator[Pair]]


@dataclass(frozen=True)
class Life:
    """What a main model went through.

    ``rows`` are all rows that it trained on, ``gone`` the ids of those that it had to forget after ``before`` rounds; ``after`` rounds
    followed. ``population`` are rows that nobody held.
    """

    spec: UnlearnerSpec
    problem: Problem
    rows: Rows
    population: Rows
    gone: Ids
    before: int
    after: int
    key: tuple[Field, ...]

    def rounds(self, first: int, last: int) -> list[range]:
        """Return the epochs of each of these rounds, ``last`` left out."""
        epochs = self.problem.training.epochs
        return [range(number * epochs, (number + 1) * epochs) for number in range(first, last)]


def life_of(erasure: Erasure, targets: Sequence[int], branch: Branch) -> Life:
    """Return the life of the main model that had to forget an erasure's rows.

    Raises
    ------
    NotJudgedError
        If no main model had to, if they were too few, or if such models cannot be stacked.
    """
    if reason := barred(erasure):
        raise NotJudgedError(reason)
    if erasure.peer not in targets:
        raise NotJudgedError("no main model that is left learned from the rows: exactness is compared byte by byte")
    peer: Any = branch.peers[erasure.peer]
    learner = getattr(peer, "main", None)
    if not isinstance(learner, Plain):
        raise NotJudgedError(f"cannot be stacked: {_kind(peer)} is not one network that learns from its own rows")
    if type(learner)._train is not Plain._train:
        raise NotJudgedError(f"cannot be stacked: {_kind(peer)} trains in a way of its own")
    if peer.corrections or len(np.setdiff1d(peer.rows.ids, peer.config.rows)):
        raise NotJudgedError("rows of the peer were corrected or arrived late: shadow models do not live through that")
    source, config, gone = data.load(peer.config.data), peer.config, np.unique(np.asarray(erasure.rows, np.int64))
    if len(peer.rows.ids) < FEWEST:
        raise NotJudgedError(f"the peer kept {len(peer.rows.ids)} rows, of which shadow models learn half: at least {FEWEST} must stay")
    trained = "select count(distinct round) from states where peer = ? and generation = ? and round between ? and ?"
    ((after,),) = branch.store.rows(trained, (erasure.peer, branch.store.states()[erasure.peer].generation, erasure.round, config.rounds))
    before = learner.progress - after
    if before < 1:
        raise NotJudgedError("the rows were deleted before the first round of training, when there was nothing to forget")
    rows, population = source.rows(np.union1d(peer.rows.ids, gone)), source.rows(np.asarray(config.test, np.int64))
    key = (config.run_seed, erasure.peer, "shadows", erasure.index)
    return Life(method(config), learner.problem, rows, population, gone, before, after, key)


def _kind(peer: Any) -> str:
    main = getattr(getattr(peer, "config", None), "main", None)
    return f"a main model of kind {main.tag!r}" if main is not None else f"the model of peers of the role {type(peer).__name__}"


@dataclass(frozen=True)
class Outputs:
    """Margins of stacked models, float64 (models, rows): on the forgotten rows, on the kept ones, and on the population.

    ``accuracies`` are mean shares of right answers on the kept rows and on the population.
    """

    gone: Floats
    kept: Floats
    population: Floats
    accuracies: tuple[float, float] = (float("nan"), float("nan"))

    @property
    def _parts(self) -> tuple[Floats, Floats, Floats]:
        return self.gone, self.kept, self.population

    def exchanged(self, other: Self, split: Split, key: tuple[Field, ...]) -> Iterator[tuple[Self, Self]]:
        """Yield pairs of outputs in which models of both are exchanged; see `server.audit.calibration`."""
        ends = np.cumsum([part.shape[1] for part in self._parts])[:2]
        for pair in split(np.concatenate(self._parts, axis=1), np.concatenate(other._parts, axis=1), key):
            (gone, kept, population), (gone_too, kept_too, population_too) = (np.split(every, ends, axis=1) for every in pair)
            yield type(self)(gone, kept, population), type(self)(gone_too, kept_too, population_too)


class Shadows:
    """Shadow models of one life, ``count`` of each kind; each kind is trained when it is first asked for, and remembered.

    Parameters
    ----------
    life : Life
    count : int
    half : bool
        Whether each model gets a keyed half of the rows; else all of them, so that models differ by their keys alone.

    Raises
    ------
    NotJudgedError
        If such networks cannot be stacked.
    """

    def __init__(self, life: Life, count: int, *, half: bool) -> None:
        self.life, self.half = life, half
        self.key: tuple[Field, ...] = (*life.key, "half" if half else "whole")
        learner = life.spec.build(life.problem, self.key)
        assert isinstance(learner, Plain)
        try:
            self.stack = Stack(learner.network)
        except StackError as reason:
            raise NotJudgedError(f"cannot be stacked: {reason}") from None
        self.rows, self.population = (learner.table.shaped(rows) for rows in (life.rows, life.population))
        self.had: Members = halves(self.rows.ids, count, self.key) if half else np.ones((count, len(self.rows)), bool)
        self._gone = np.isin(self.rows.ids, life.gone)
        self._weights: dict[Row, Arrays] = {}

    @property
    def inside(self) -> Members:
        """Which of the forgotten rows each model had, bool (models, forgotten rows)."""
        return self.had[:, self._gone]

    @property
    def gone(self) -> Rows:
        """The forgotten rows, as the models learned them."""
        return self.rows.keep(self._gone)

    @property
    def kept(self) -> Rows:
        """The other rows."""
        return self.rows.keep(~self._gone)

    @property
    def held(self) -> Members:
        """Which of the kept rows each model had, bool (models, kept rows)."""
        return self.had[:, ~self._gone]

    @cached_property
    def unlearned(self) -> Outputs:
        """Models that were asked to forget, by the main model's method, and then trained on."""
        return self._outputs(self.weights(RUN))

    @cached_property
    def nothing(self) -> Outputs:
        """The same models if the request had been ignored."""
        return self._outputs(self.weights(NOTHING))

    @cached_property
    def never(self) -> Outputs:
        """Models with keys of their own that never had the rows."""
        return self._outputs(self.weights(RETRAINED))

    @cached_property
    def again(self) -> Outputs:
        """The same with other keys: retrained again."""
        return self._outputs(self.weights(AGAIN))

    def weights(self, row: Row) -> Arrays:
        """Return the weights of the models of a kind at the end, shape (models, ...); of the original ones just before the request."""
        if row not in self._weights:
            self._weights[row] = self._lived(row)
        return self._weights[row]

    @property
    def planted(self) -> Outputs:
        """Models that never had the rows, whose margins on those that they would have had are shifted by a standard deviation."""
        gone = self.never.gone
        return replace(self.never, gone=gone + np.where(self.inside, gone.std(axis=0, ddof=1), 0))

    def exchanges(self) -> Iterator[tuple[Outputs, Outputs]]:
        """Yield pairs of sets of models that never had the rows; with halves, model k is exchanged for one that has the same half."""
        yield from self.again.exchanged(self.never, swapped if self.half else mixed, self.key)

    @property
    def _kept(self) -> Members:
        """Which rows each model has once its part of the forgotten ones is gone."""
        return self.had & ~self._gone

    @property
    def _end(self) -> int:
        return self.life.before + self.life.after

    def from_request(self, row: Row, rounds: int) -> Iterator[Arrays]:
        """Yield the weights of the models of a kind just after the request, and after each of so many rounds of training on."""
        kind, members, weights = self._at_request(row)
        yield weights
        for number in range(self.life.before, self.life.before + rounds):
            weights = self._trained(kind, members, number, number + 1, weights)
            yield weights

    def _lived(self, row: Row) -> Arrays:
        if row == ORIGINAL:
            return self._trained("shadow", self.had, 0, self.life.before)
        kind, members, weights = self._at_request(row)
        return self._trained(kind, members, self.life.before, self._end, weights)

    def _at_request(self, row: Row) -> tuple[str, Members, Arrays]:
        """Return how the models of a kind are keyed, the rows on which they train on, and their weights just after the request."""
        if row == NOTHING:
            return "shadow", self.had, self.weights(ORIGINAL)
        if row == RUN and not issubclass(type(self.life.spec.build(self.life.problem, self.key)), Retrained):
            return "shadow", self._kept, self._forgotten()
        kind = {RUN: "shadow", AGAIN: "again", RETRAINED: "never"}[row]
        return kind, self._kept, self._trained(kind, self._kept, 0, self.life.before)

    def _trained(self, kind: str, members: Members, first: int, last: int, start: Arrays | None = None) -> Arrays:
        rounds, settings = self.life.rounds(first, last), self.life.problem.training
        return shadows(self.stack, self.rows, members, rounds=rounds, key=(*self.key, kind), settings=settings, start=start)

    def _outputs(self, weights: Arrays) -> Outputs:
        parts = (self.gone, self.kept, self.population)
        logits = [self.stack.logits(weights, rows.x) for rows in parts]
        try:
            gone, kept, population = (margins(found, rows.y) for found, rows in zip(logits, parts, strict=True))
        except ValueError as reason:
            raise NotJudgedError(f"shadow models: {reason}") from None
        right = [float((found.argmax(axis=-1) == rows.y).mean()) for found, rows in zip(logits[1:], parts[1:], strict=True)]
        return Outputs(gone, kept, population, (right[0], right[1]))

    def _forgotten(self) -> Arrays:
        """Return the original models after each has forgotten its part of the rows, one by one, by the method as it is."""
        parts = [self.life.spec.model_dump_json(), repr(self.life.problem), streams.key_hash(*self.key), self.life.before]
        original = self.weights(ORIGINAL)
        weights = [original[name] for name in sorted(original)]  # the cache gives them back in another order than training
        public = self.life.problem.validation  # which methods may learn from, and its repr leaves out
        tuning = () if public is None else (public.ids, public.x, public.y)
        arrays: list[npt.NDArray[Any]] = [self.rows.ids, self.rows.x, self.rows.y, self.had, self.life.gone, *weights, *tuning]
        configuration = {"what": "unlearned shadow models", "parts": parts, "data": data_hash(*tensors(*arrays))}
        numbers = told("shadow models: asked to forget", range(len(self.had)), len(self.had))
        return remembered(configuration, lambda: _stacked([self._forget(k) for k in numbers]))

    def _forget(self, k: int) -> Arrays:
        learner = self.life.spec.build(self.life.problem, (*self.key, "shadow", k))
        assert isinstance(learner, Plain)
        own = self.rows.keep(self.had[k])
        learner.begin(own)
        learner.continue_from({name: array[k] for name, array in self.weights(ORIGINAL).items()}, self.life.before)
        try:
            learner.forget(np.intersect1d(own.ids, self.life.gone))
        except UnlearningError as reason:
            raise NotJudgedError(f"shadow model {k} cannot forget: {reason}") from None
        return learner.weights


def _stacked(alone: Sequence[Arrays]) -> Arrays:
    return {name: np.stack([arrays[name] for arrays in alone]) for name in alone[0]}
