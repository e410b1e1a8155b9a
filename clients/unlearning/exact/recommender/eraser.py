"""RecEraser: recommenders on shards of interactions that can be asked to forget interactions, users and items."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
import numpy.typing as npt
import scipy.sparse as sp

from clients.data.ratings import Ratings
from clients.data.rows import Ids
from clients.streams import Field
from clients.training import Arrays
from clients.unlearning.contract import Cost, Guarantee, Outcome, Problem, State, Stored, Unlearner, UnlearningError
from clients.unlearning.exact.position import checked_place, condition, stored_place
from clients.unlearning.exact.recommender import aggregation, bases, partition
from clients.unlearning.exact.recommender.requests import Removal, named
from clients.unlearning.exact.recommender.spec import RecEraser
from clients.unlearning.states import PROGRESS, Signed, fingerprint, fits, opened, same

Pair = tuple[bases.Vectors, bases.Vectors]


class RecEraserModel(Unlearner[Ratings, Removal | npt.ArrayLike]):
    """One recommender per shard, and an attention over them.

    Everything is trained in the first round. The attention is trained on all retained interactions, so it is trained anew after each
    request.

    Parameters
    ----------
    options : RecEraser
    problem : Problem
        ``classes`` is the number of items of the public catalogue.
    key : tuple
        Key of partition, initial vectors, orders and negative samples.
    """

    def __init__(self, options: RecEraser, problem: Problem, key: tuple[Field, ...]) -> None:
        self.options, self.key, self.rounds, self.items = options, key, problem.rounds, problem.classes
        self.guarantee: Guarantee = options.guarantee
        self.condition = condition(options.frozen)
        none = np.empty(0, np.int64)
        self.data = Ratings(none, none, 0, self.items)
        self.place = none
        self.progress = 0
        self.experts: dict[int, Pair] = {}
        self.weights: Arrays = {}
        self._scores: npt.NDArray[np.float32] | None = None

    def begin(self, data: Ratings, place: Ids | None = None) -> None:
        """Start anew on interactions; without any, all items are equally likely.

        Parameters
        ----------
        data : Ratings
        place : int64 array, shape (n,), optional
            The shard of each interaction: an existing partition instead of a new one.

        Raises
        ------
        UnlearningError
            If the interactions contradict the problem or the catalogues.
        """
        data = self._checked(data)
        given = None if place is None else checked_place(place, len(data), self.options.shards, "interactions")
        self.data, self.progress, self.experts, self.weights, self._scores = data, 0, {}, {}, None
        self.place = self._partition(data) if given is None else given

    def advance(self) -> int:
        """Train every shard and the attention in the first round; return the gradient steps taken."""
        self.progress += 1
        return self._train({}) if self.progress == 1 else 0

    def predict_proba(self, x: npt.ArrayLike) -> npt.NDArray[np.float32]:
        """Return the probability of each unseen item to come next, for each requested user, shape (len(x), items).

        Parameters
        ----------
        x : array-like of int, shape (n,), or array, shape (n, items)
            Users, in ``0 .. users - 1``; or the histories of other users, 1 for an item that was seen. Probabilities are the softmax of the
            scores over the items not seen; for a user who has seen all items they are uniform.
        """
        asked = np.asarray(x)
        if asked.ndim == 2:
            scores, seen = self.scores_of(asked).astype(np.float64), asked > 0
        else:
            users = asked.astype(np.int64).reshape(-1)
            scores, seen = self.scores(users).astype(np.float64), self.data.matrix()[users].toarray() > 0
        seen[seen.all(axis=1)] = False
        raised = np.where(seen, 0, np.exp(scores - scores.max(axis=1, keepdims=True)))
        shares: npt.NDArray[np.float32] = (raised / raised.sum(axis=1, keepdims=True)).astype(np.float32)
        return shares

    def scores_of(self, histories: npt.NDArray[Any]) -> npt.NDArray[np.float32]:
        """Return the score of every item, seen or not, for users known only by their history, shape (len(histories), items)."""
        if histories.shape[1] != self.items:
            raise UnlearningError(f"histories over {histories.shape[1]} items, not {self.items}: give one column an item")
        if not self.experts or not len(histories):
            return np.zeros(histories.shape, np.float32)
        seen = sp.csr_matrix(histories > 0, dtype=np.float32)
        return aggregation.scores(self.options, self._shards().seating(self.options, seen), self.weights)

    def scores(self, users: npt.ArrayLike) -> npt.NDArray[np.float32]:
        """Return the score of every item, seen or not, for each user, shape (len(users), items)."""
        asked = np.asarray(users, dtype=np.int64).reshape(-1)
        if len(strange := asked[(asked < 0) | (asked >= self.data.users)]):
            raise UnlearningError(f"user {strange[0]} is outside the catalogue 0 .. {self.data.users - 1}: ask about known users")
        if not self.experts:
            return np.zeros((len(asked), self.items), np.float32)
        if self._scores is None:
            self._scores = aggregation.scores(self.options, self._shards(), self.weights)
        return self._scores[asked]

    def recommend(self, users: npt.ArrayLike, k: int) -> Ids:
        """Return the k items most likely to come next, best first, shape (len(users), k); ties in the order of item numbers."""
        return np.argsort(-self.predict_proba(users), axis=1, kind="stable")[:, :k]

    def forget(self, request: Removal | npt.ArrayLike) -> Outcome:
        """Forget single interactions, or all of some users or items; an array of shape (m, 2) names interactions.

        Shards whose interactions change are retrained, and the attention is trained anew.
        """
        removal = request if isinstance(request, Removal) else Removal(request)
        gone = named(removal, self.data)
        if not gone.any():
            return Outcome(Cost(), self.guarantee)
        kept = self.data.keep(~gone)
        place = self.place[~gone] if self.options.frozen else self._partition(kept)
        before = {s: self.data.ids[self.place == s] for s in self.experts}
        self.data, self.place, self._scores = kept, place, None
        if not self.progress:
            return Outcome(Cost(), self.guarantee)
        reused = {s: pair for s, pair in self.experts.items() if np.array_equal(before[s], kept.ids[place == s])}
        steps = self._train(reused)
        return Outcome(Cost(gradient_steps=steps, parts=len(self.experts) - len(reused.keys() & self.experts.keys())), self.guarantee)

    def state(self) -> State:
        """Return progress, the partition, each shard's vectors ``shard/s/users`` and ``items``, and the attention."""
        state: State = {PROGRESS: np.array([self.progress]), "partition/ids": self.data.ids, "partition/shard": self.place}
        for s, (users, items) in self.experts.items():
            state |= {f"shard/{s}/users": users, f"shard/{s}/items": items}
        return Signed(state | {f"aggregation/{name}": array for name, array in self.weights.items()}, self._origin(self.data))

    def restore(self, state: Mapping[str, npt.NDArray[Any]], data: Ratings) -> None:
        """Restore the model from its ``state`` and its retained interactions ``data``.

        ``UnlearningError`` if the state has other interactions, names, dtypes or shapes, or belongs to another key or other settings. Key
        and settings are checked by the fingerprint, and by the vectors of users and items that a shard has never seen: these keep their
        keyed initial values.
        """
        kept = self._checked(data)
        arrays, progress = opened(state, self._origin(kept))
        place = stored_place(arrays, kept.ids, self.options.shards, "interactions")
        shards = [int(s) for s in np.unique(place)] if progress else []
        like: Arrays = {"partition/ids": kept.ids, "partition/shard": place}
        for s in shards:
            users, items = bases.untrained(kept, self.options.dim, (*self.key, "shard", s))
            like |= {f"shard/{s}/users": users, f"shard/{s}/items": items}
        if shards and self.options.aggregate == "attention":
            like |= {f"aggregation/{name}": array for name, array in aggregation.blank(self.options, len(shards)).items()}
        fits(arrays, like)
        for s in shards:
            for name, met in ((f"shard/{s}/users", kept.user[place == s]), (f"shard/{s}/items", kept.item[place == s])):
                never = np.setdiff1d(np.arange(len(like[name])), met)
                same({name: arrays[name][never]}, {name: like[name][never]}, "this key")
        self.data, self.place, self.progress, self._scores = kept, place, progress, None
        self.experts = {s: (arrays[f"shard/{s}/users"], arrays[f"shard/{s}/items"]) for s in shards}
        self.weights = {name.removeprefix("aggregation/"): array for name, array in arrays.items() if name.startswith("aggregation/")}

    def _origin(self, data: Ratings) -> str:
        return fingerprint(self.options.model_dump_json(), self.key, data.users, data.items, data.user, data.item)

    def stored(self) -> list[Stored]:
        """Return the partition, the shards' vectors and the attention, with the interactions that can have influenced them."""
        vectors = [Stored(f"shard {s}", self.data.ids[self.place == s]) for s in self.experts]
        attention = [Stored("aggregation", self.data.ids)] if self.weights else []
        return [Stored("partition", self.data.ids), *vectors, *attention]

    def _checked(self, data: Ratings) -> Ratings:
        """Return a copy of the interactions; ``UnlearningError`` if they contradict the problem or the catalogues."""
        if data.items != self.items:
            raise UnlearningError(
                f"interactions with a catalogue of {data.items} items, not {self.items}: give all peers the same catalogue"
            )
        if data.user.shape != data.item.shape or (np.diff(data.ids) <= 0).any():
            raise UnlearningError("interactions must be sorted by user and item, each once: make them with clients.data.ratings.ratings")
        for what, column, count in (("user", data.user, data.users), ("item", data.item, data.items)):
            if len(column) and not 0 <= column.min() <= column.max() < count:
                raise UnlearningError(f"a {what} is outside the catalogue 0 .. {count - 1}: number {what}s from 0")
        return Ratings(data.user.copy(), data.item.copy(), data.users, data.items)

    def _partition(self, data: Ratings) -> Ids:
        options, key = self.options, (*self.key, "partition")
        vectors = None if options.partition == "keyed" or not len(data) else partition.pretrained(data, options.dim, key)
        return partition.deal(options.partition, data, vectors, options.shards, options.slack, key)

    def _train(self, reused: dict[int, Pair]) -> int:
        """Train the shards that are not reused, then the attention; return the gradient steps taken."""
        steps = 0
        self.experts, old = {}, reused
        for s in (int(s) for s in np.unique(self.place)):
            if s in old:
                self.experts[s] = old[s]
                continue
            users, items, taken = bases.train(self.options.base, self.options.dim, self._shard(s), (*self.key, "shard", s))
            self.experts[s] = users, items
            steps += taken
        self.weights = {}
        if self.options.aggregate == "attention" and self.experts:
            self.weights, taken = aggregation.train(self.options, self._shards(), self.data, (*self.key, "aggregation"))
            steps += taken
        return steps

    def _shard(self, shard: int) -> Ratings:
        return self.data.keep(self.place == shard)

    def _shards(self) -> aggregation.Shards:
        return aggregation.Shards(list(self.experts.values()), [self._shard(s) for s in self.experts])
