"""SISA: one network per shard, with a checkpoint before each slice."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
import numpy.typing as npt

from clients.data.rows import Ids, Rows
from clients.models import ModelSpec
from clients.models.network import Network
from clients.side_by_side import each
from clients.streams import Field
from clients.training import Arrays
from clients.unlearning.contract import Cost, Outcome, Problem, State, Stored, Unlearner, UnlearningError
from clients.unlearning.exact.placement import places
from clients.unlearning.exact.schedule import Schedule
from clients.unlearning.exact.votes import Rule, joined
from clients.unlearning.requests import named_rows, require_new
from clients.unlearning.states import PROGRESS, Signed, fingerprint, fits, opened, same
from clients.unlearning.tabular import Table

LATE = "late"
"""Name, in a state, of the ids of the held rows that were added after the start, int64, ascending; present only if there are any."""


class Sharded(Unlearner[Rows, Ids]):
    """Isolated networks, their checkpoints, and their training rows.

    A keyed hash of its id assigns a row to a shard and slice, and shards share neither data nor state: everything that a deletion does
    not touch equals, byte for byte, what it would be without the rows. Rows that are added later lie in the last slice of their shards,
    so that only its training is repeated. Each round and stage starts with a fresh optimiser, so a checkpoint consists of weights only.

    Parameters
    ----------
    base : ModelSpec
        Architecture of every shard's network.
    shards, slices : int
    aggregate : {"mean", "majority", "weighted", "median"}
        See `clients.unlearning.exact.votes.joined`.
    problem : Problem
    key : tuple
        Key of row assignment, initial weights and row orders.
    """

    def __init__(
        self, base: ModelSpec, shards: int, slices: int, aggregate: Rule, problem: Problem, key: tuple[Field, ...]
    ) -> None:
        self.rounds, self.problem = problem.rounds, problem
        self.network = Network(base, problem.shape, problem.classes, problem.columns, problem.device)
        self.table = Table(problem)
        self.schedule = Schedule(problem.rounds, problem.training.epochs, slices)
        self.settings = problem.training
        self.shards, self.slices, self.aggregate, self.key = shards, slices, aggregate, key
        self.rows = Rows(np.empty(0, np.int64), np.empty((0, *problem.shape), np.float32), np.empty(0, np.int64))
        self.late = np.empty(0, np.int64)
        self.progress = 0
        self.weights: list[Arrays] = []
        self.checkpoints: list[dict[int, Arrays]] = []

    def begin(self, data: Rows) -> None:
        """Start anew on ``data``; empty shards are allowed and are ignored in predictions."""
        self.rows, self.late, self.progress = self.table.shaped(data), np.empty(0, np.int64), 0
        self.weights = [self._initial(shard) for shard in range(self.shards)]
        self.checkpoints = [{} for _ in range(self.shards)]

    def advance(self) -> int:
        """Train the next round's epochs in every shard; return the gradient steps taken."""
        begin = self.schedule.reached(self.progress)
        self.progress += 1
        return self._train([(shard, begin) for shard in range(self.shards)])

    def places(self, ids: Ids, late: Ids | None = None) -> tuple[Ids, Ids]:
        """Return the shard and the slice of each id, counted from 0: functions of the key, the id, and whether it was added later.

        ``late`` are the ids of the rows that were added later, by default of those that are held.
        """
        shards, slices = places(ids, self.shards, self.slices, self.key)
        return shards, np.where(np.isin(ids, self.late if late is None else late), self.slices - 1, slices)

    def forget(self, request: Ids) -> Outcome:
        """Restart each touched shard once, from the checkpoint before the earliest slice touched, and replay up to this round."""
        ids = named_rows(request, self.rows.ids)
        shards, slices = self.places(ids)
        self.rows, self.late = self.rows.without(ids), np.setdiff1d(self.late, ids)
        return self._restarted(shards, slices)

    def add(self, data: Rows) -> Outcome:
        """Take rows with new ids into the last slice, and restart each touched shard from before it.

        ``UnlearningError`` if an id is held; nothing has changed then.
        """
        more = self.table.shaped(data)
        require_new(more.ids, self.rows.ids)
        self.rows, self.late = self.rows.joined(more), np.union1d(self.late, more.ids)
        return self._restarted(*self.places(more.ids))

    def correct(self, data: Rows) -> Outcome:
        """Replace rows where they lie, and restart each touched shard from before the earliest slice touched."""
        right = self.table.shaped(data)
        ids = named_rows(right.ids, self.rows.ids)
        self.rows = self.rows.without(ids).joined(right)
        return self._restarted(*self.places(ids))

    def _restarted(self, shards: Ids, slices: Ids) -> Outcome:
        """Restart each of these shards once, from before the earliest of the slices named with it, and replay up to this round."""
        restarts = []
        for shard in (int(touched) for touched in np.unique(shards)):
            stage = int(slices[shards == shard].min())
            if self.schedule.start(stage) >= self.schedule.reached(self.progress):
                continue  # training has not reached the slice yet
            self.weights[shard] = self.checkpoints[shard][stage] if stage else self._initial(shard)
            self.checkpoints[shard] = {k: kept for k, kept in self.checkpoints[shard].items() if k <= stage}
            restarts.append((shard, self.schedule.start(stage)))
        return Outcome(Cost(gradient_steps=self._train(restarts), parts=len(restarts)), "exact")

    def _initial(self, shard: int) -> Arrays:
        return self.network.initial((*self.key, "shard", shard, "init"))

    def _train(self, parts: list[tuple[int, int]]) -> int:
        """Train shards, each from its epoch, to the end of their rounds; return the gradient steps."""
        trained = each(self._trained, parts)
        for (shard, _), (weights, checkpoints, _) in zip(parts, trained, strict=True):
            self.weights[shard], self.checkpoints[shard] = weights, checkpoints
        return sum(steps for *_, steps in trained)

    def _trained(self, shard: int, begin: int) -> tuple[Arrays, dict[int, Arrays], int]:
        """Return a shard's weights after its training from epoch ``begin``, its checkpoints before slices, and the gradient steps."""
        shards, slices = self.places(self.rows.ids)
        weights, checkpoints, steps = self.weights[shard], dict(self.checkpoints[shard]), 0
        for stage, epochs in self.schedule.segments(begin, self.progress):
            if stage and epochs.start == self.schedule.start(stage):
                checkpoints[stage] = weights
            rows = self.rows.keep((shards == shard) & (slices <= stage))
            key = (*self.key, "shard", shard)
            weights, taken = self.network.train(weights, rows.x, rows.y, epochs=epochs, ids=rows.ids, key=key, settings=self.settings)
            steps += taken
        return weights, checkpoints, steps

    def predict_proba(self, x: npt.NDArray[Any]) -> npt.NDArray[np.float32]:
        """Return class probabilities, shape (len(x), classes); shards that have learned nothing are ignored."""
        answers = self.predict_shards(x)
        if not answers:
            return np.full((len(x), self.network.classes), 1 / self.network.classes, np.float32)
        return joined(answers, [rows for rows in self._sizes() if rows], self.aggregate)

    def predict_shards(self, x: npt.NDArray[Any]) -> list[npt.NDArray[np.float32]]:
        """Return the class probabilities of each shard that has learned from rows, shape (len(x), classes)."""
        features = self.table.features(x).reshape(len(x), *self.problem.shape)
        return [self.network.probabilities(weights, features) for weights, rows in zip(self.weights, self._sizes(), strict=True) if rows]

    def _sizes(self) -> list[int]:
        """Return the number of held rows that each shard has learned from."""
        return [len(self._learned(shard, self._stage())) for shard in range(self.shards)]

    def _stage(self) -> int:
        """Return the last stage that has been trained; -1 before the first."""
        return self.schedule.last(self.schedule.reached(self.progress))

    def _learned(self, shard: int, stage: int) -> Ids:
        """Return the ids that a shard has seen by the end of a stage."""
        shards, slices = self.places(self.rows.ids)
        return self.rows.keep((shards == shard) & (slices <= stage)).ids

    def state(self) -> State:
        """Return progress, weights ``shard/s/model/...``, checkpoints ``shard/s/before/k/...``, and ids of rows that were added later."""
        state: State = {PROGRESS: np.array([self.progress]), **({LATE: self.late} if len(self.late) else {})}
        for shard, weights in enumerate(self.weights):
            state |= {f"shard/{shard}/model/{name}": array for name, array in weights.items()}
            for stage, checkpoint in self.checkpoints[shard].items():
                state |= {f"shard/{shard}/before/{stage}/{name}": array for name, array in checkpoint.items()}
        return Signed(state, self._origin(self.rows, self.late))

    def restore(self, state: Mapping[str, npt.NDArray[Any]], data: Rows) -> None:
        """Restore the model from its ``state`` and its retained rows ``data``.

        ``UnlearningError`` if the state has other names, dtypes or shapes, or belongs to other rows, another key or other settings. Rows,
        key and settings are checked by the fingerprint: trained weights imply none of them, those of empty shards and slices only the key.
        """
        rows = self.table.shaped(data)
        late = _late(state, rows.ids)
        arrays, progress = opened(state, self._origin(rows, late))
        arrays.pop(LATE, None)
        shards, slices = self.places(rows.ids, late)
        begun = [stage for stage in range(self.slices) if self.schedule.start(stage) < self.schedule.reached(progress)]
        kept = (0, *begun[1:])  # 0 stands for the current network
        parts = {(s, k): f"shard/{s}/before/{k}/" if k else f"shard/{s}/model/" for s in range(self.shards) for k in kept}
        layout = self.network.layout()
        fits(arrays, {prefix + name: array for prefix in parts.values() for name, array in layout.items()})
        for (s, k), prefix in parts.items():
            if not ((shards == s) & (slices < (k or len(begun)))).any():
                named = {prefix + name: array for name, array in self._initial(s).items()}
                same({name: arrays[name] for name in named}, named, "these rows, of which a part has learned nothing")
        taken = {part: {name: arrays[prefix + name] for name in layout} for part, prefix in parts.items()}
        self.rows, self.late, self.progress = rows, late, progress
        self.weights = [taken[s, 0] for s in range(self.shards)]
        self.checkpoints = [{k: taken[s, k] for k in kept if k} for s in range(self.shards)]

    def _origin(self, rows: Rows, late: Ids) -> str:
        network, settings, added = repr(self.network), self.settings.model_dump_json(), (late,) if len(late) else ()
        return fingerprint("sisa", network, settings, self.rounds, self.slices, self.shards, self.key, rows.ids, rows.x, rows.y, *added)

    def stored(self) -> list[Stored]:
        """Return the networks and checkpoints, each with the ids of the rows it was trained on."""
        now = self._stage()
        networks = [Stored(f"shard {shard}", self._learned(shard, now)) for shard in range(self.shards)]
        return networks + [
            Stored(f"shard {shard} before slice {stage + 1}", self._learned(shard, stage - 1))
            for shard in range(self.shards)
            for stage in self.checkpoints[shard]
        ]


def _late(state: Mapping[str, npt.NDArray[Any]], held: Ids) -> Ids:
    """Return the ids of rows that were added later by a state; ``UnlearningError`` if they are none of the rows."""
    late = state.get(LATE) if isinstance(state, Mapping) else None
    if late is None:
        return np.empty(0, np.int64)
    if not isinstance(late, np.ndarray) or late.dtype != np.int64 or not len(late) or not np.array_equal(late, np.intersect1d(late, held)):
        raise UnlearningError(f"state: {LATE} does not name rows that were added: give the rows that were held, the same settings")
    return late.copy()
