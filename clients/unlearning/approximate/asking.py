"""The queries of learners from statistical queries: gradients of single rows, in [-1, 1].

Products use ``einsum``, which does not call a BLAS, so that sums do not depend on its threads.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from typing import Any

import numpy as np
import numpy.typing as npt

from clients.streams import Field, generator
from clients.unlearning.exact.statistical.oracle import Query
from clients.unlearning.tabular import Floats


class Asking(ABC):
    """A model of parameters in one vector; inputs are ``(n, width)`` in [-1, 1], the last column 1.

    Parameters
    ----------
    width, classes : int
    """

    def __init__(self, width: int, classes: int) -> None:
        self.width, self.classes = width, classes

    @abstractmethod
    def initial(self, key: tuple[Field, ...]) -> Floats:
        """Return the parameters before any training, shape (k,)."""

    @abstractmethod
    def gradient(self, parameters: Floats) -> Query:
        """Return the query whose answer is the gradient of the mean loss, shape (k,)."""

    @abstractmethod
    def scores(self, parameters: Floats, x: Floats) -> Floats:
        """Return a score of each class, shape (n, classes), whose softmax gives the probabilities."""


class Logistic(Asking):
    """Softmax regression."""

    def initial(self, key: tuple[Field, ...]) -> Floats:
        """Return zeros."""
        return np.zeros(self.width * self.classes)

    def scores(self, parameters: Floats, x: Floats) -> Floats:
        """Return linear scores."""
        return np.asarray(np.einsum("nd,dc->nc", x, parameters.reshape(self.width, self.classes)))

    def gradient(self, parameters: Floats) -> Query:
        """Return the query: features times the error of the probabilities."""

        def xi(x: Floats, y: npt.NDArray[Any]) -> Floats:
            return self.outer(x, softmax(self.scores(parameters, x)) - np.eye(self.classes)[y])

        return xi

    @staticmethod
    def outer(left: Floats, right: Floats) -> Floats:
        """Return the outer product of each row, shape (n, a * b)."""
        return (left[:, :, None] * right[:, None, :]).reshape(len(left), left.shape[1] * right.shape[1])


class Support(Logistic):
    """Linear support vector machine, one class against the rest, trained by subgradients of the hinge loss."""

    def gradient(self, parameters: Floats) -> Query:
        """Return the query: negative signed features of rows that violate the margin, else zeros."""

        def xi(x: Floats, y: npt.NDArray[Any]) -> Floats:
            side = 2 * np.eye(self.classes)[y] - 1
            return self.outer(x, -side * (side * self.scores(parameters, x) < 1))

        return xi


class Perceptron(Logistic):
    """One hidden layer of tanh units; each row's gradient is clipped to [-1, 1], because a query must be bounded."""

    def __init__(self, width: int, classes: int, hidden: int) -> None:
        super().__init__(width, classes)
        self.hidden = hidden

    def initial(self, key: tuple[Field, ...]) -> Floats:
        """Return normal draws by the key, scaled by the square root of the number of inputs."""
        draw = generator(*key, "initial")
        first = draw.standard_normal((self.width, self.hidden)) / np.sqrt(self.width)
        second = draw.standard_normal((self.hidden + 1, self.classes)) / np.sqrt(self.hidden + 1)
        return np.concatenate([first.ravel(), second.ravel()])

    def scores(self, parameters: Floats, x: Floats) -> Floats:
        """Return linear scores of the units."""
        first, second = self._split(parameters)
        return np.asarray(np.einsum("nh,hc->nc", _units(x, first), second))

    def gradient(self, parameters: Floats) -> Query:
        """Return the query: the back-propagated gradient of every row, clipped."""
        first, second = self._split(parameters)

        def xi(x: Floats, y: npt.NDArray[Any]) -> Floats:
            units = _units(x, first)
            error = softmax(np.einsum("nh,hc->nc", units, second)) - np.eye(self.classes)[y]
            back = np.einsum("nc,hc->nh", error, second[:-1]) * (1 - units[:, :-1] ** 2)
            return np.asarray(np.clip(np.concatenate([self.outer(x, back), self.outer(units, error)], axis=1), -1, 1))

        return xi

    def _split(self, parameters: Floats) -> tuple[Floats, Floats]:
        """Return the hidden weights (width, hidden) and the output weights with a bias (hidden + 1, classes)."""
        cut = self.width * self.hidden
        return parameters[:cut].reshape(self.width, self.hidden), parameters[cut:].reshape(self.hidden + 1, self.classes)


def _units(x: Floats, weights: Floats) -> Floats:
    """Return the units' activations and a constant 1, shape (n, hidden + 1)."""
    return np.concatenate([np.tanh(np.einsum("nd,dh->nh", x, weights)), np.ones((len(x), 1))], axis=1)


def softmax(scores: Floats) -> Floats:
    """Return probabilities, shape (n, classes)."""
    grown = np.exp(scores - scores.max(axis=1, keepdims=True))
    return np.asarray(grown / grown.sum(axis=1, keepdims=True))
