"""A convex learner that forgets by solving again."""

from __future__ import annotations

from clients.data.rows import Ids
from clients.unlearning.contract import COST_NOTE, Cost, Outcome
from clients.unlearning.convex.learner import ConvexLearner
from clients.unlearning.requests import named_rows


class Solved(ConvexLearner):
    """Exact because a solve starts from zero and is a function of the rows alone."""

    def forget(self, request: Ids) -> Outcome:
        """Drop the rows; if there was a solve, solve again without them."""
        ids = named_rows(request, self.rows.ids)
        if not len(ids):
            return Outcome(Cost(), "exact")
        self.drop(ids)
        if not self.progress:
            return Outcome(Cost(), "exact")
        steps = self.solve()
        return Outcome(Cost(parts=1), "exact", notes=(f"{COST_NOTE}{steps} Newton steps",))
