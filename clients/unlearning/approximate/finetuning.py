"""A network that forgets by further training only."""

from __future__ import annotations

from clients.data.rows import Ids
from clients.unlearning.approximate.traced import Traced
from clients.unlearning.contract import Cost, Outcome
from clients.unlearning.requests import named_rows


class Finetuned(Traced):
    """Continues training without the rows that it was asked to forget."""

    def forget(self, request: Ids) -> Outcome:
        """Drop the rows and train one more round's epochs on the rest; before the first round, only drop them."""
        ids = named_rows(request, self.rows.ids)
        if not len(ids):
            return Outcome(Cost(), "approximate")
        self.rows = self.rows.without(ids)
        if not self.progress:
            return Outcome(Cost(), "approximate")
        return Outcome(Cost(gradient_steps=self._train((*self.key, "finetune")), parts=1), "approximate")
