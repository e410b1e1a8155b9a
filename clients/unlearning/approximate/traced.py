"""A network whose weights keep traces of rows that it has forgotten."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
import numpy.typing as npt

from clients.data.rows import Ids, Rows
from clients.training import Arrays
from clients.unlearning.contract import State, Stored
from clients.unlearning.plain import Plain
from clients.unlearning.states import Signed, opened, seen_ids


class Traced(Plain):
    """Keeps count of every row that its weights have seen, forgotten or not: they cannot be untangled."""

    seen: Ids = np.empty(0, np.int64)

    def begin(self, data: Rows) -> None:
        """Start anew on ``data``."""
        super().begin(data)
        self.seen = data.ids[:0]

    def continue_from(self, weights: Arrays, progress: int) -> None:
        """Go on from weights that have seen all present rows."""
        super().continue_from(weights, progress)
        self.seen = self.rows.ids.copy()

    def advance(self) -> int:
        """Train the next round's epochs; return the gradient steps taken."""
        self.seen = np.union1d(self.seen, self.rows.ids)
        return super().advance()

    def state(self) -> State:
        """Return progress, weights, and the ids that the weights have seen."""
        return Signed({"seen": self.seen, **super().state()}, self._origin(self.rows))

    def restore(self, state: Mapping[str, npt.NDArray[Any]], data: Rows) -> None:
        """Restore the model from its ``state`` and its retained rows ``data``, all of which it must have seen."""
        arrays, progress = opened(state, self._origin(self.table.shaped(data)))
        seen = seen_ids(arrays, data.ids, progress)
        super().restore(arrays, data)
        self.seen = seen

    def stored(self) -> list[Stored]:
        """List the weights under the ids of all rows they have ever seen."""
        return [Stored("model", self.seen.copy())]
