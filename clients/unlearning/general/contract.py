"""The contract of methods: weights, forget set, retain set and key in; weights and an outcome out.

A method that works on one network has an ``apply``; with it any network becomes a main model that can be asked to forget
(``peers.main = [{ kind = "approximate", base = {...}, method = {...} }]``). What a method does across a federation belongs to the cell
(`simulator.tasks.contract.Cell`), which says by ``methods`` what events may name (``method = "retrain"``). A method may have either form,
or both.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

from clients.data.rows import Rows
from clients.models.network import Network
from clients.spec import Spec
from clients.streams import Field
from clients.training import Arrays, Training
from clients.unlearning.contract import Guarantee, Outcome


@dataclass(frozen=True)
class Learning:
    """How the network to forget in was trained, so that a method can train it on, or again.

    Parameters
    ----------
    network : Network
    training : Training
        Epochs a round, batch size and optimiser.
    progress : int
        Rounds trained so far, at least 1.
    key : tuple
        What initial weights and row orders were keyed by.
    """

    network: Network
    training: Training
    progress: int
    key: tuple[Field, ...]

    def initial(self) -> Arrays:
        """Return the weights before any training."""
        return self.network.initial((*self.key, "init"))

    def train(self, weights: Arrays, rows: Rows, rounds: range, key: tuple[Field, ...] | None = None) -> tuple[Arrays, int]:
        """Return the weights after these rounds of training, counted from 0 over the model's life, and the gradient steps taken.

        ``key`` replaces the key of the row orders: with the model's own, training again is training for the first time.
        """
        epochs = range(rounds.start * self.training.epochs, rounds.stop * self.training.epochs)
        settings = {"epochs": epochs, "ids": rows.ids, "key": self.key if key is None else key, "settings": self.training}
        return self.network.train(weights, rows.x, rows.y, **settings)  # type: ignore[arg-type]


class MethodSpec(Spec):
    """How a scenario names a method: ``method = "finetune"``, or ``method = { kind = "finetune", rounds = 2 }``.

    A new one is a subclass in a file of its own, with a ``kind`` and an ``apply``, registered under ``lethe.methods``:

    >>> class Keep(MethodSpec):
    ...     guarantee = "approximate"
    ...     summary = "does nothing"
    ...     source = "a negative control"
    ...     kind: Literal["keep"] = "keep"
    ...
    ...     def apply(self, weights, learning, forget, retain, key):
    ...         return weights, Outcome(Cost(), self.guarantee)
    """

    guarantee: ClassVar[Guarantee]
    """What it promises; each request's outcome says what was kept of it."""
    summary: ClassVar[str]
    """One line for ``lethe methods``."""
    source: ClassVar[str]
    """Paper, year."""

    @classmethod
    def applies(cls) -> bool:
        """Return whether it works on one network, and so can make any network a main model."""
        return cls.apply is not MethodSpec.apply

    def apply(self, weights: Arrays, learning: Learning, forget: Rows, retain: Rows, key: tuple[Field, ...]) -> tuple[Arrays, Outcome]:
        """Return the weights in which ``forget`` is forgotten, and the outcome; neither set is changed, nor are the weights given.

        Parameters
        ----------
        weights : mapping of str to array
            Parameters and buffers by name, as ``learning.network`` takes them.
        learning : Learning
        forget, retain : Rows
            What must go, at least one row, and what stays, which may be none; together they are what the weights were last trained on.
        key : tuple
            What random choices of the method's own are keyed by; another one for every request.

        Raises
        ------
        UnlearningError
            If it cannot be carried out, in one line with the cure.
        """
        raise NotImplementedError
