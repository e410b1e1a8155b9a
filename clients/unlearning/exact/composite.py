"""SISA over another unlearner: one on each shard of the rows."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
import numpy.typing as npt

from clients.data.rows import Ids, Rows
from clients.streams import Field
from clients.unlearning.contract import Cost, Outcome, Problem, State, Stored, Unlearner, UnlearnerSpec, UnlearningError
from clients.unlearning.exact.placement import places
from clients.unlearning.exact.votes import Rule, joined
from clients.unlearning.requests import named_rows, require_new
from clients.unlearning.states import PROGRESS, Signed, fingerprint, opened
from clients.unlearning.tabular import Table

AnyUnlearner = Unlearner[Any, Any]


class ShardedUnlearner(Unlearner[Rows, Ids]):
    """Isolated unlearners, each of the rows that a keyed hash of their ids assigns to it.

    A base that forgets exactly is asked to; any other is trained again without the rows, for as many rounds as before. In both cases a
    touched shard is byte for byte what it would be without them, and the others do not change. Shards without rows have no model.

    Parameters
    ----------
    base : UnlearnerSpec
    shards : int
    aggregate : {"mean", "majority", "weighted", "median"}
        See `clients.unlearning.exact.votes.joined`.
    problem : Problem
    key : tuple
        Key of the assignment; with the shard's number, that of its unlearner.
    """

    def __init__(self, base: UnlearnerSpec, shards: int, aggregate: Rule, problem: Problem, key: tuple[Field, ...]) -> None:
        self.base, self.shards, self.aggregate, self.problem, self.key = base, shards, aggregate, problem, key
        self.rounds, self.table = problem.rounds, Table(problem)
        self.rows = Rows(np.empty(0, np.int64), np.empty((0, *problem.shape), np.float32), np.empty(0, np.int64))
        self.progress = 0
        self.models: dict[int, AnyUnlearner] = {}

    def begin(self, data: Rows) -> None:
        """Start anew on ``data``; empty shards are allowed and are ignored in predictions."""
        rows = self.table.shaped(data)
        self.models = {shard: self._made(shard, self._held(rows, shard)) for shard in self._occupied(rows)}
        self.rows, self.progress = rows, 0

    def advance(self) -> int:
        """Train the next round in every shard; return the gradient steps taken."""
        self.progress += 1
        return sum(model.advance() for model in self.models.values())

    def forget(self, request: Ids) -> Outcome:
        """Let each touched shard forget its rows."""
        ids = named_rows(request, self.rows.ids)
        kept, shards = self.rows.without(ids), self._places(ids)
        steps = 0
        touched = [int(shard) for shard in np.unique(shards)]
        for shard in touched:
            left = self._held(kept, shard)
            if not len(left):
                del self.models[shard]
            elif self.base.guarantee == "exact":
                steps += self.models[shard].forget(ids[shards == shard]).cost.gradient_steps
            else:
                steps += self._trained_again(shard, kept)
        self.rows = kept
        return Outcome(Cost(gradient_steps=steps, parts=len(touched)), "exact")

    def add(self, data: Rows) -> Outcome:
        """Let each touched shard take rows with new ids in: its base adds them if it can, and is trained again if not.

        ``UnlearningError`` if an id is held; nothing has changed then.
        """
        more = self.table.shaped(data)
        require_new(more.ids, self.rows.ids)
        rows, steps = self.rows.joined(more), 0
        touched = self._occupied(more)
        for shard in touched:
            if self.base.adds and shard in self.models:
                steps += self.models[shard].add(self._held(more, shard)).cost.gradient_steps
            else:
                steps += self._trained_again(shard, rows)
        self.rows, self.models = rows, dict(sorted(self.models.items()))
        return Outcome(Cost(gradient_steps=steps, parts=len(touched)), "exact")

    def correct(self, data: Rows) -> Outcome:
        """Let each touched shard replace its rows: its base does so if it can, exactly, and is trained again if not."""
        right = self.table.shaped(data)
        ids = named_rows(right.ids, self.rows.ids)
        rows, steps = self.rows.without(ids).joined(right), 0
        touched = self._occupied(right)
        for shard in touched:
            if self.base.corrects and self.base.guarantee == "exact":
                steps += self.models[shard].correct(self._held(right, shard)).cost.gradient_steps
            else:
                steps += self._trained_again(shard, rows)
        self.rows = rows
        return Outcome(Cost(gradient_steps=steps, parts=len(touched)), "exact")

    def settle(self) -> None:
        """Carry out the shards' postponed repairs."""
        for model in self.models.values():
            model.settle()

    def predict_proba(self, x: npt.NDArray[Any]) -> npt.NDArray[np.float32]:
        """Return class probabilities, shape (len(x), classes); uniform before the first round and without rows."""
        answers = self.predict_shards(x)
        if not answers:
            return np.full((len(x), self.problem.classes), 1 / self.problem.classes, np.float32)
        return joined(answers, [len(self._held(self.rows, shard)) for shard in self.models], self.aggregate)

    def predict_shards(self, x: npt.NDArray[Any]) -> list[npt.NDArray[np.float32]]:
        """Return the class probabilities of each shard that has rows, shape (len(x), classes); none before the first round."""
        features = self.table.features(x).reshape(len(x), *self.problem.shape)
        return [model.predict_proba(features) for model in self.models.values()] if self.progress else []

    def state(self) -> State:
        """Return progress, and the state of each shard's unlearner: ``shard/s/...``."""
        state: State = {PROGRESS: np.array([self.progress])}
        for shard, model in self.models.items():
            state |= {f"shard/{shard}/{name}": array for name, array in model.state().items()}
        return Signed(state, self._origin(self.rows))

    def restore(self, state: Mapping[str, npt.NDArray[Any]], data: Rows) -> None:
        """Restore the model from its ``state`` and its retained rows ``data``.

        ``UnlearningError`` if the state has other names, dtypes or shapes, or belongs to other rows, another key or other settings.
        """
        rows = self.table.shaped(data)
        arrays, progress = opened(state, self._origin(rows))
        parts: dict[int, State] = {shard: {} for shard in self._occupied(rows)}
        for name, array in arrays.items():
            number, _, own = name.removeprefix("shard/").partition("/")
            if own and number.isdecimal() and int(number) in parts:
                parts[int(number)][own] = array
            elif name != PROGRESS:
                raise UnlearningError(f"state: {name[:80]} is no part of it: give the rows that were held, the same settings")
        models = {}
        for shard, part in parts.items():
            models[shard] = self.base.build(self.problem, (*self.key, "shard", shard))
            models[shard].restore(part, self._held(rows, shard))
        self.rows, self.progress, self.models = rows, progress, models

    def stored(self) -> list[Stored]:
        """Return what the shards store, each with the ids that can have influenced it."""
        return [Stored(f"shard {shard}: {one.name}", one.ids) for shard, model in self.models.items() for one in model.stored()]

    def _made(self, shard: int, rows: Rows) -> AnyUnlearner:
        """Return a shard's unlearner, untrained, on these rows."""
        model = self.base.build(self.problem, (*self.key, "shard", shard))
        model.begin(rows)
        return model

    def _trained_again(self, shard: int, rows: Rows) -> int:
        """Train a shard's unlearner anew on its part of these rows, for as many rounds as before; return the gradient steps."""
        self.models[shard] = self._made(shard, self._held(rows, shard))
        return sum(self.models[shard].advance() for _ in range(self.progress))

    def _places(self, ids: Ids) -> Ids:
        return places(ids, self.shards, 1, self.key)[0]

    def _occupied(self, rows: Rows) -> list[int]:
        return [int(shard) for shard in np.unique(self._places(rows.ids))]

    def _held(self, rows: Rows, shard: int) -> Rows:
        return rows.keep(self._places(rows.ids) == shard)

    def _origin(self, rows: Rows) -> str:
        settings = type(self.base).__name__, self.base.model_dump_json(), self.problem.training.model_dump_json()
        return fingerprint("sisa", *settings, self.rounds, self.shards, self.key, rows.ids, rows.x, rows.y)
