"""A network that forgets by retraining."""

from __future__ import annotations

from clients.data.rows import Ids
from clients.unlearning.contract import Cost, Outcome
from clients.unlearning.plain import Plain
from clients.unlearning.requests import named_rows


class Retrained(Plain):
    """Exact because initial weights and row orders are keyed, so that retraining equals training for the first time."""

    def forget(self, request: Ids) -> Outcome:
        """Retrain from scratch on the kept rows for as many rounds as before."""
        ids = named_rows(request, self.rows.ids)
        if not len(ids):
            return Outcome(Cost(), "exact")
        progress = self.progress
        self.begin(self.rows.without(ids))
        return Outcome(Cost(gradient_steps=sum(self.advance() for _ in range(progress)), parts=1 if progress else 0), "exact")
