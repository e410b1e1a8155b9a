"""A network that forgets by a method."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
import numpy.typing as npt

from clients.data.rows import Ids, Rows
from clients.streams import Field
from clients.unlearning.approximate.approximate import Approximate
from clients.unlearning.contract import Cost, Outcome, Problem, State, Stored
from clients.unlearning.general.contract import Learning
from clients.unlearning.plain import Plain
from clients.unlearning.requests import named_rows


class Approximated(Plain):
    """Keeps count of every row that its weights have seen: what an approximate method leaves behind cannot be untangled.

    Parameters
    ----------
    spec : Approximate
    problem : Problem
    key : tuple
        What initial weights, row orders and the method's choices are keyed by.
    """

    seen: Ids = np.empty(0, np.int64)

    def __init__(self, spec: Approximate, problem: Problem, key: tuple[Field, ...]) -> None:
        super().__init__(spec.base, problem, key)
        self.method = spec.method

    def begin(self, data: Rows) -> None:
        """Start anew on ``data``."""
        super().begin(data)
        self.seen = data.ids[:0]

    def advance(self) -> int:
        """Train the next round's epochs; return the gradient steps taken."""
        self.seen = np.union1d(self.seen, self.rows.ids)
        return super().advance()

    def forget(self, request: Ids) -> Outcome:
        """Forget the rows by the method; before the first round drop them only, which is exact: nothing has been learned."""
        ids = named_rows(request, self.rows.ids)
        if not len(ids):
            return Outcome(Cost(), "exact")
        gone, kept = self.rows.only(ids), self.rows.without(ids)
        if not self.progress:
            self.rows = kept
            return Outcome(Cost(), "exact")
        learning = Learning(self.network, self.settings, self.progress, self.key)
        weights, outcome = self.method.apply(dict(self.weights), learning, gone, kept, (*self.key, "forget", ids.tobytes()))
        self.rows, self.weights = kept, weights
        if outcome.guarantee == "exact":
            self.seen = kept.ids
        return outcome

    def state(self) -> State:
        """Return progress, weights, and the ids that the weights have seen."""
        return {"seen": self.seen, **super().state()}

    def restore(self, state: Mapping[str, npt.NDArray[Any]], data: Rows) -> None:
        """Become the model whose ``state`` this is and whose retained rows are ``data``."""
        super().restore(state, data)
        self.seen = state["seen"]

    def stored(self) -> list[Stored]:
        """List the weights under the ids of all rows they have seen."""
        return [Stored("model", self.seen)]
