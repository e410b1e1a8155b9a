"""Random labels: the rows to forget are learned again with wrong classes."""

from __future__ import annotations

from typing import TYPE_CHECKING, ClassVar, Literal

from clients.data.rows import Rows
from clients.training import Adam, Arrays, Optimizer
from clients.unlearning.deep.contract import Descending

if TYPE_CHECKING:
    from collections.abc import Callable

    from clients.unlearning.deep.student import Student


class Relabelling(Descending):
    """Base class of methods that train on all rows, those to forget with wrong classes.

    These are drawn once, by key and uniformly; the data set itself is left alone.
    """

    optimizer: Optimizer = Adam(lr=2e-3)

    def change(self, student: Student, forget: Rows, retain: Rows, totals: Arrays) -> None:
        """Train on the retained rows and the relabelled ones together."""
        gone = student.load("forget", wrongly_labelled(forget, student.network.classes, student))
        everything = student.joined(gone, student.load("retain", retain))
        with student.descent(self) as descent:
            after = self.masked(student, totals)
            for number in range(self.epochs):
                student.epoch(descent, number, everything, student.cross_entropy, after=after)

    def masked(self, student: Student, totals: Arrays) -> Callable[[], None] | None:
        """Return what to do after each step, or None."""
        return None


class RandomLabels(Relabelling):
    """Trains on all rows, those to forget with wrong classes, drawn once by key and uniformly; the data set itself is left alone."""

    summary: ClassVar[str] = "learns what must go with wrong labels, together with the rest"
    source: ClassVar[str] = "Golatkar et al., CVPR 2020, arXiv 1911.04933; Fan et al., ICLR 2024, arXiv 2310.12508"

    kind: Literal["random_labels"] = "random_labels"


def wrongly_labelled(rows: Rows, classes: int, student: Student) -> Rows:
    """Return the rows with classes drawn by key, uniformly from those that they are not of."""
    from clients.streams import uniforms

    shift = 1 + (uniforms(rows.ids, *student.key, "label") * (classes - 1)).astype(rows.y.dtype)
    return Rows(rows.ids, rows.x, (rows.y + shift) % classes)
