"""A network that forgets by a method."""

from __future__ import annotations

from clients.data.rows import Ids
from clients.streams import Field
from clients.unlearning.approximate.approximate import Approximate
from clients.unlearning.approximate.traced import Traced
from clients.unlearning.contract import Cost, Outcome, Problem
from clients.unlearning.general.contract import Learning
from clients.unlearning.requests import named_rows


class Approximated(Traced):
    """Forgets by applying a method to the current weights.

    Parameters
    ----------
    spec : Approximate
    problem : Problem
    key : tuple
        Key of initial weights, row orders and the method's random choices.
    """

    def __init__(self, spec: Approximate, problem: Problem, key: tuple[Field, ...]) -> None:
        super().__init__(spec, problem, key)
        self.method = spec.method

    def forget(self, request: Ids) -> Outcome:
        """Forget the rows by the method; before the first round, only drop them, which is exact as nothing has been learned."""
        ids = named_rows(request, self.rows.ids)
        if not len(ids):
            return Outcome(Cost(), "exact")
        gone, kept = self.rows.only(ids), self.rows.without(ids)
        if not self.progress:
            self.rows = kept
            return Outcome(Cost(), "exact")
        learning = Learning(self.network, self.settings, self.progress, self.key, self.problem.validation)
        asked = dict(self.weights), learning, gone, kept, (*self.key, "forget", ids.tobytes())
        self.weights, outcome = self.method.finite(lambda: self.method.apply(*asked))
        self.rows = kept
        if outcome.guarantee == "exact":
            self.seen = kept.ids.copy()
        return outcome
