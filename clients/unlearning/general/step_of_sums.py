"""Base class of methods that take a step made of sums over rows, which one place has, or which a server asks peers for."""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, ClassVar

from clients.data.rows import Rows
from clients.passes import Meter
from clients.streams import Field
from clients.training import Arrays
from clients.unlearning.contract import COST_NOTE, Cost, Outcome
from clients.unlearning.general.contract import Learning, MethodSpec, passes

if TYPE_CHECKING:
    from clients.unlearning.general.curvature import Curvature
    from clients.unlearning.general.derivatives import Asked, Local


class StepOfSums(MethodSpec):
    """Moves the parameters by sums over rows: alike with all rows in one place, and at a server that adds up the sums of peers.

    The server receives the sums of each peer by themselves, so that who forgets or corrects one row tells it that row's gradient.
    """

    by_server: ClassVar[bool] = True

    @abstractmethod
    def step(self, curvature: Curvature, rows: Asked, learning: Learning, key: tuple[Field, ...]) -> Sequence[str]:
        """Move the parameters; return notes.

        Parameters
        ----------
        curvature : Curvature
            Has the parameters.
        rows : Asked
            Answers for the rows to forget and to retain.
        learning, key
            As of `apply`.
        """

    def curvature(self, weights: Arrays, learning: Learning) -> Curvature:
        """Return the parameters that may move, with the loss's derivatives."""
        from clients.unlearning.general.curvature import Curvature

        return Curvature(learning.network, weights, learning.training)

    def local(self, curvature: Curvature, forget: Rows, retain: Rows) -> Local:
        """Return the derivatives of rows that are here."""
        from clients.unlearning.general.derivatives import Local

        return Local(curvature, forget, retain)

    def reply(self, rows: Local, learning: Learning, key: tuple[Field, ...], question: Arrays) -> Arrays:
        """Return the sums over rows that are here which a step asks for; ``key`` is that of own random choices."""
        return rows.answer(question)

    def apply(self, weights: Arrays, learning: Learning, forget: Rows, retain: Rows, key: tuple[Field, ...]) -> tuple[Arrays, Outcome]:
        """Return the weights after the step; those before any training, which is exact, if no row is kept."""
        from clients.unlearning.general.derivatives import Asked

        if not len(retain):
            return learning.initial(), Outcome(Cost(parts=1), "exact")
        curvature = self.curvature(weights, learning)
        rows = self.local(curvature, forget, retain)
        with Meter() as meter:
            told = self.step(curvature, Asked(curvature, lambda asked: self._replied(rows, learning, key, asked)), learning, key)
        cost = passes(meter.rows, len(retain) + len(forget.without(retain.ids)))  # rows that are corrected are among both
        return curvature.weights(), Outcome(Cost(parts=1), self.guarantee, notes=(*told, cost))

    def answer(self, weights: Arrays, learning: Learning, forget: Rows, retain: Rows, question: Arrays) -> Arrays:
        """Return the sums over these rows that a server asks for."""
        rows = self.local(self.curvature(weights, learning), forget, retain)
        return self._replied(rows, learning, (*learning.key, self.tag, learning.progress), question)

    def _replied(self, rows: Local, learning: Learning, key: tuple[Field, ...], question: Arrays) -> Arrays:
        """Return the sums over rows that are here, and numbers of rows, at the parameters that the question names."""
        import torch

        from clients.unlearning.general.derivatives import AT

        rows.curvature.put(torch.from_numpy(question[AT]))
        return self.reply(rows, learning, key, question) | rows.counts()

    def solve(
        self, weights: Arrays, learning: Learning, ask: Callable[[Arrays], Arrays], start: Arrays, key: tuple[Field, ...]
    ) -> tuple[Arrays, Outcome]:
        """Do what ``apply`` does with sums over peers: one exchange for each question."""
        from clients.unlearning.general.derivatives import Asked

        curvature = self.curvature(weights, learning)
        rows = Asked(curvature, ask)
        told = self.step(curvature, rows, learning, key)
        found = curvature.weights() if rows.retained else start
        return found, Outcome(Cost(parts=1), self.guarantee, notes=(*told, f"{COST_NOTE}{rows.exchanges} exchanges with peers"))
