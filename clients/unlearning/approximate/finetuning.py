"""A network that only trains on."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
import numpy.typing as npt

from clients.data.rows import Ids, Rows
from clients.unlearning.contract import Cost, Outcome, State, Stored
from clients.unlearning.plain import Plain
from clients.unlearning.requests import named_rows


class Finetuned(Plain):
    """Keeps count of every row that its weights have seen, forgotten or not: they cannot be untangled."""

    seen: Ids = np.empty(0, np.int64)

    def begin(self, data: Rows) -> None:
        """Start anew on ``data``."""
        super().begin(data)
        self.seen = data.ids[:0]

    def advance(self) -> int:
        """Train the next round's epochs; return the gradient steps taken."""
        self.seen = np.union1d(self.seen, self.rows.ids)
        return super().advance()

    def forget(self, request: Ids) -> Outcome:
        """Drop the rows and train one more round's epochs on the rest; before the first round, drop them only."""
        ids = named_rows(request, self.rows.ids)
        if not len(ids):
            return Outcome(Cost(), "approximate")
        self.rows = self.rows.without(ids)
        if not self.progress:
            return Outcome(Cost(), "approximate")
        return Outcome(Cost(gradient_steps=self._train((*self.key, "finetune")), parts=1), "approximate")

    def state(self) -> State:
        """Return progress, weights, and the ids that the weights have seen."""
        return {"seen": self.seen, **super().state()}

    def restore(self, state: Mapping[str, npt.NDArray[Any]], data: Rows) -> None:
        """Become the model whose ``state`` this is and whose retained rows are ``data``."""
        super().restore(state, data)
        self.seen = state["seen"]

    def stored(self) -> list[Stored]:
        """List the weights under the ids of all rows they have ever seen."""
        return [Stored("model", self.seen)]
