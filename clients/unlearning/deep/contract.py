"""What methods for networks have in common: settings, an empty retain set, and sums over rows that peers can add."""

from __future__ import annotations

from abc import abstractmethod
from typing import TYPE_CHECKING, ClassVar

from pydantic import PositiveInt

from clients.data.rows import Rows
from clients.iterations import IterationsFromZero
from clients.streams import Field
from clients.training import Adam, Arrays, Optimizer
from clients.unlearning.contract import Cost, Guarantee, Outcome
from clients.unlearning.general.contract import Learning, MethodSpec

if TYPE_CHECKING:
    from clients.unlearning.deep.student import Student


class Deep(MethodSpec):
    """Base class of approximate methods for networks; a subclass writes ``change``.

    A method that begins with sums over rows writes ``measure`` as well. In a federation every peer measures its own rows, and the server
    adds the sums (`server.averaging.unlearning`).
    """

    guarantee: ClassVar[Guarantee] = "approximate"
    by_peers: ClassVar[bool] = True

    def apply(self, weights: Arrays, learning: Learning, forget: Rows, retain: Rows, key: tuple[Field, ...]) -> tuple[Arrays, Outcome]:
        """Return the changed weights; those before any training, which is exact, if no row is kept."""
        if not len(retain):
            return learning.initial(), Outcome(Cost(parts=1), "exact")
        return self.carry_out(weights, learning, forget, retain, key, self.measure(weights, learning, forget, retain))

    def carry_out(
        self, weights: Arrays, learning: Learning, forget: Rows, retain: Rows, key: tuple[Field, ...], totals: Arrays
    ) -> tuple[Arrays, Outcome]:
        """Return the changed weights and the outcome, with ``totals`` as `measure` gives them, of these rows or of all peers' rows."""
        from clients.unlearning.deep.student import Student

        student = Student(weights, learning, key)
        for part in [name.removesuffix("/#") for name in totals if name.endswith("/#")]:
            student.passed(part, 1)
        self.change(student, forget, retain, totals)
        return student.weights(), student.outcome(self.guarantee)

    @abstractmethod
    def change(self, student: Student, forget: Rows, retain: Rows, totals: Arrays) -> None:
        """Change the student's weights."""


class Descending(Deep):
    """Base class of methods that take gradient steps.

    Parameters
    ----------
    epochs : int
        Passes over the rows.
    batch_size : int
        Rows per gradient step.
    optimizer : table
        ``adam`` or ``sgd``, as in ``[training]``.
    """

    epochs: IterationsFromZero = 5
    batch_size: PositiveInt = 32
    optimizer: Optimizer = Adam(lr=1e-3)
