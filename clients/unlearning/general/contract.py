"""The contract of methods: from weights, forget set, retain set and key to new weights and an outcome.

A method that works on one network has an ``apply``, with which any network becomes a main model that can forget
(``peers.main = [{ kind = "approximate", base = {...}, method = {...} }]``). A method's work across a federation is implemented by the cell
(`simulator.tasks.contract.Cell`), whose ``methods`` lists the ones that events may name (``method = "retrain"``). A method may have either
form, or both.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import ClassVar

import numpy as np

from clients.data.rows import Rows
from clients.models import ModelSpec
from clients.models.network import Network
from clients.spec import Spec
from clients.streams import Field
from clients.training import Arrays, Training
from clients.unlearning.contract import COST_NOTE, Guarantee, Outcome, UnlearningError


def passes(gradients: int, rows: int) -> str:
    """Return the note on how many gradients of single rows a request took, as passes over all of so many rows; see `clients.passes`."""
    return f"{COST_NOTE}gradient passes: {gradients / max(rows, 1):.3g} over all rows, with two for each product with second derivatives"


@dataclass(frozen=True)
class Learning:
    """How the network was trained, so that a method can continue or repeat the training.

    Parameters
    ----------
    network : Network
        Architecture and loss of the model whose weights are changed.
    training : Training
        Epochs per round, batch size and optimiser.
    progress : int
        Rounds trained so far, at least 1.
    key : tuple
        Key of initial weights and row orders.
    validation : Rows, optional
        Public labelled rows, which nobody can ask to forget, for methods that must keep something measurable.
    complete : bool
        Whether every row that the network learns from is at hand; not so while members of a federation are away.
    """

    network: Network
    training: Training
    progress: int
    key: tuple[Field, ...]
    validation: Rows | None = None
    complete: bool = True

    def initial(self) -> Arrays:
        """Return the weights before any training."""
        return self.network.initial((*self.key, "init"))

    def train(self, weights: Arrays, rows: Rows, rounds: range, key: tuple[Field, ...] | None = None) -> tuple[Arrays, int]:
        """Return the weights after these rounds of training, counted from 0 since initialisation, and the gradient steps taken.

        ``key`` replaces the key of the row orders; with the model's own key, training again equals training for the first time.
        """
        epochs = range(rounds.start * self.training.epochs, rounds.stop * self.training.epochs)
        settings = {"epochs": epochs, "ids": rows.ids, "key": self.key if key is None else key, "settings": self.training}
        return self.network.train(weights, rows.x, rows.y, **settings)  # type: ignore[arg-type]


class MethodSpec(Spec):
    """Base class of methods in scenarios: ``method = "finetune"``, or ``method = { kind = "finetune", rounds = 2 }``.

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
    """Guarantee of the method; the outcome of each request states the one achieved."""
    summary: ClassVar[str]
    """One line for ``lethe methods``."""
    source: ClassVar[str]
    """Paper, year."""
    needs_validation: ClassVar[bool] = False
    """Whether it needs ``Learning.validation``; a scenario that sets no validation rows aside is refused."""

    by_peers: ClassVar[bool] = False
    """Whether an averaging server lets the peer that holds the rows carry the method out on the global model."""
    totals_suffice: ClassVar[bool] = False
    """Whether the change follows from the sums that `measure` returns, so that a federation carries it out once, whoever asks."""

    by_server: ClassVar[bool] = False
    """Whether an averaging server carries the method out on the global model, by `solve`, with sums over peers' rows that it asks for."""

    @classmethod
    def applies(cls) -> bool:
        """Return whether the method works on one network, and can therefore make any network a main model."""
        return cls.apply is not MethodSpec.apply

    @classmethod
    def unsuited(cls) -> str:
        """Return why the method makes no network a main model, where it does not; the line follows the method's name."""
        return "needs a federation, it works on no model of one peer"

    @classmethod
    def measures(cls) -> bool:
        """Return whether the method begins with sums over rows."""
        return cls.measure is not MethodSpec.measure

    def misfit(self, base: ModelSpec) -> str | None:
        """Return why it does not work on such a network, with the cure, or None; the line follows the method's name."""
        return None

    def beyond(self, layers: int | None, base: ModelSpec) -> str | None:
        """Return why a number of last layers is none of such a network, or None; a network that does not tell refuses later."""
        if layers is None or base.learned_layers is None or layers <= base.learned_layers:
            return None
        return f"has layers = {layers}, but {base.tag} has {base.learned_layers}: lower it"

    def unable(self, forget: int, retain: int) -> str | None:
        """Return why it cannot forget so many rows beside so many retained ones, with the cure, or None; see `misfit`."""
        return None

    def unshared(self) -> str | None:
        """Return why peers cannot carry it out on a global model with these settings, with the cure, or None; see `misfit`."""
        return None

    def apply(self, weights: Arrays, learning: Learning, forget: Rows, retain: Rows, key: tuple[Field, ...]) -> tuple[Arrays, Outcome]:
        """Return weights in which ``forget`` is forgotten, and the outcome; the arguments are not changed.

        Parameters
        ----------
        weights : mapping of str to array
            Parameters and buffers by name, as ``learning.network`` takes them.
        learning : Learning
        forget, retain : Rows
            Rows to forget, at least one, and rows to retain, possibly none; together they are those that the weights were last trained on.
        key : tuple
            Key of the method's own random choices, different for every request.

        Raises
        ------
        UnlearningError
            If the request cannot be carried out, in one line with the cure.
        """
        raise NotImplementedError

    def finite(self, work: Callable[[], tuple[Arrays, Outcome]]) -> tuple[Arrays, Outcome]:
        """Return the weights that the method's work leads to, and its outcome; all who take its weights take them from here.

        Raises
        ------
        UnlearningError
            If the method refuses, an entry is not finite, as no later training would make it so again, or a number is too large for its
            type; the message names the method.
        """
        try:
            weights, outcome = work()
        except UnlearningError as error:
            raise UnlearningError(str(error) if str(error).startswith(self.tag) else f"{self.tag}: {error}") from None
        except OverflowError as error:
            raise UnlearningError(f"{self.tag}: a number is too large for its type ({error.args[-1]}): take smaller settings") from None
        for name, array in weights.items():
            if not np.isfinite(array).all():
                raise UnlearningError(f"{self.tag}: leaves entries of {name!r} that are not finite: take settings that move weights less")
        return weights, outcome

    def measure(self, weights: Arrays, learning: Learning, forget: Rows, retain: Rows) -> Arrays:
        """Return what the method must know of the rows as sums, by name, which a server adds over peers; empty if it needs none."""
        return {}

    def carry_out(
        self, weights: Arrays, learning: Learning, forget: Rows, retain: Rows, key: tuple[Field, ...], totals: Arrays
    ) -> tuple[Arrays, Outcome]:
        """Do what ``apply`` does, with the sums that `measure` returned of all peers' rows."""
        return self.apply(weights, learning, forget, retain, key)

    def answer(self, weights: Arrays, learning: Learning, forget: Rows, retain: Rows, question: Arrays) -> Arrays:
        """Return the sums over these rows that a server's `solve` asks a peer for; rows that are corrected are among both."""
        raise NotImplementedError

    def solve(
        self, weights: Arrays, learning: Learning, ask: Callable[[Arrays], Arrays], start: Arrays, key: tuple[Field, ...]
    ) -> tuple[Arrays, Outcome]:
        """Do what ``apply`` does, at a server that has no rows.

        Parameters
        ----------
        weights, learning, key
            As of `apply`.
        ask : callable
            Returns the sums over peers of what `answer` returns to a question.
        start : mapping of str to array
            The weights before any training, if no row is kept.
        """
        raise NotImplementedError
