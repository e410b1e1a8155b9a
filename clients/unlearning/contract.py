"""The contract every unlearner obeys: fit, predict, forget, and say what is stored."""

from __future__ import annotations

import math
import re
from abc import ABC, abstractmethod
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, ClassVar, Generic, Literal, TypeVar, cast, get_args

import numpy as np
import numpy.typing as npt

from clients.data.rows import Column, Ids, Rows
from clients.spec import Spec, located
from clients.streams import Field
from clients.training import Training

if TYPE_CHECKING:
    from clients.data import Dataset

Guarantee = Literal["exact", "certified", "approximate", "behavioural"]
"""What is promised: bit-equal to never having had the data; close to it, proven; close to it, measured; weights unchanged."""

State = dict[str, npt.NDArray[Any]]


class UnlearningError(ValueError):
    """A request that cannot be carried out; the model is as it was before, byte for byte."""


@dataclass(frozen=True)
class Problem:
    """What a learner may know before it sees a private row.

    Parameters
    ----------
    shape : tuple of int
        Shape of one input, ``(64,)`` or ``(1, 28, 28)``.
    classes : int
        Number of classes; labels are ``0 .. classes - 1``. 1 for regression.
    rounds : int
        How many calls of ``advance`` make a full fit.
    columns : tuple of Column
        Public facts of tabular features; empty where the features are not columns.
    training : Training
        Epochs a round, batch size and optimiser, for what is trained by gradient descent.
    """

    shape: tuple[int, ...]
    classes: int
    rounds: int = 1
    columns: tuple[Column, ...] = ()
    training: Training = field(default_factory=Training)


@dataclass(frozen=True)
class Cost:
    """What one request cost: gradient steps (0 if none) and parts (shards, trees, nodes ...) rebuilt."""

    gradient_steps: int = 0
    parts: int = 0


def certified(epsilon: float, delta: float) -> str:
    """Return the guarantee of a certified removal as text: ``certified(1, 0.0001)``.

    ``ValueError`` unless epsilon is a finite number of at least 0 and delta lies in [0, 1).
    """
    if not (math.isfinite(epsilon) and epsilon >= 0 and 0 <= delta < 1):
        raise ValueError(f"certified({epsilon}, {delta}) promises nothing: epsilon must be finite and at least 0, delta in [0, 1)")
    return f"certified({', '.join(repr(float(bound)).removesuffix('.0') for bound in (epsilon, delta))})"


def family(guarantee: str) -> Guarantee:
    """Return what kind of promise a guarantee's text makes: ``certified`` of ``certified(1, 0.0001)``.

    ``ValueError`` for a text that is no guarantee: none of ``exact``, ``approximate``, ``behavioural``, ``certified(epsilon, delta)``.
    """
    if guarantee in ("exact", "approximate", "behavioural"):
        return cast(Guarantee, guarantee)
    if bounds := _CERTIFIED.fullmatch(guarantee):
        with suppress(ValueError):
            if certified(float(bounds[1]), float(bounds[2])) == guarantee:
                return "certified"
    raise ValueError(f"guarantee {guarantee!r} is unknown: take exact, approximate, behavioural, or what certified(epsilon, delta) returns")


_CERTIFIED = re.compile(r"certified\((\S+), (\S+)\)")


@dataclass(frozen=True)
class Outcome:
    """What carrying out one request led to. The guarantee is a fact of that request: a learner that is forced to retrain says ``exact``.

    >>> Outcome(Cost(gradient_steps=40, parts=1), certified(1, 1e-4), {"kind": "residual", "bound": 0.02}, ("budget half spent",))

    Parameters
    ----------
    cost : Cost
    guarantee : str
        ``exact``, ``approximate``, ``behavioural``, or ``certified(epsilon, delta)``; ``ValueError`` for anything else.
    certificate : mapping, optional
        The table of a registered certificate (`clients.unlearning.certificates`), plain values that JSON can say.
    notes : tuple of str
        One line each, for people.
    """

    cost: Cost
    guarantee: str
    certificate: Mapping[str, Any] | None = None
    notes: tuple[str, ...] = ()

    def __post_init__(self) -> None:
        family(self.guarantee)


@dataclass(frozen=True)
class Stored:
    """One stored artefact and the ids of all data that can have influenced it."""

    name: str
    ids: Ids


Data = TypeVar("Data")
Request = TypeVar("Request")


class Unlearner(ABC, Generic[Data, Request]):
    """A model that can be asked to forget.

    ``begin`` and ``advance`` train in rounds, as a peer does; ``fit`` is both at once. A model that trains in one go does so in the
    first ``advance`` and nothing in the later ones.
    """

    rounds: int = 1

    @abstractmethod
    def begin(self, data: Data) -> None:
        """Start anew on ``data``: untrained, no round done. ``UnlearningError`` on data that cannot be learned from."""

    @abstractmethod
    def advance(self) -> int:
        """Train the next round; return the gradient steps taken (0 where there are no gradients)."""

    def fit(self, data: Data) -> None:
        """Train on ``data`` from nothing, all rounds."""
        self.begin(data)
        for _ in range(self.rounds):
            self.advance()

    @abstractmethod
    def predict_proba(self, x: npt.NDArray[Any]) -> npt.NDArray[np.float32]:
        """Return class probabilities, shape (len(x), classes), rows summing to 1."""

    @abstractmethod
    def forget(self, request: Request) -> Outcome:
        """Forget what is named and return the outcome; on ``UnlearningError`` nothing has changed.

        Afterwards the model is at the same round as before, as if the data had never been there (to the extent of the guarantee).
        An empty request changes nothing. Unknown, repeated and already forgotten ids are errors that name the id.
        """

    def settle(self) -> None:
        """Carry out repairs that were put off; a no-op where nothing is lazy."""

    @abstractmethod
    def state(self) -> State:
        """Return the canonical state: arrays by name, no times, no log of deletions; caches are left out."""

    @abstractmethod
    def restore(self, state: Mapping[str, npt.NDArray[Any]], data: Data) -> None:
        """Become the model whose ``state`` this is and whose retained data is ``data``."""

    @abstractmethod
    def stored(self) -> list[Stored]:
        """List every artefact kept, with the ids that can have influenced it."""


class UnlearnerSpec(Spec):
    """How a scenario names an unlearner; ``build`` makes it."""

    implementation: ClassVar[str] = ""
    """The unlearner, as ``"module:Class"``, made from the spec, the problem and the key; a spec with a ``build`` of its own needs none."""
    guarantee: ClassVar[Guarantee]
    summary: ClassVar[str]
    """One line for ``lethe methods``."""
    source: ClassVar[str]
    """Paper, year."""
    unit: ClassVar[str] = "rows"
    """What a request names: rows, nodes and edges, interactions and users, a concept."""
    untouched: ClassVar[str] = ""
    """What it means that a request took no step and touched no part, where that needs saying; results note it."""
    classifier: ClassVar[bool] = True
    """Whether it is made to predict the rows' classes, as a peer's main model must."""
    regressor: ClassVar[bool] = False
    """Whether its unlearner, of a problem with one class, predicts numbers: ``predict(x)``, float64 (n,)."""
    adds: ClassVar[bool] = False
    """Whether its unlearner learns more rows by ``add(rows)``, after which it is as if it had always had them."""

    @classmethod
    def incomplete(cls) -> str | None:
        """Return what keeps the class from being registered, or None."""
        if cls.guarantee not in get_args(Guarantee):
            return f"has the guarantee {cls.guarantee!r}, which is none of {', '.join(get_args(Guarantee))}"
        if cls.build is UnlearnerSpec.build and not cls.implementation:
            return 'names no implementation = "module:Class", and has no build of its own'
        return None

    def check(self, problem: Problem, rows: Rows) -> str | None:
        """Return why it cannot learn these rows of a problem, in one line with the cure, or None; quick, and trains nothing."""
        return None

    def steps(self, training: Training, rows: int, progress: int) -> int:
        """Return how many gradient steps a round takes at most, or about, on so many rows and after ``progress`` rounds, told without data.

        0 where there are no gradients.
        """
        return 0

    def training_data(self, source: Dataset, ids: Ids) -> Any:
        """Return what it learns from where it is given the rows with these ids, ascending."""
        return source.rows(ids)

    def inference_inputs(self, source: Dataset, ids: Ids) -> Any:
        """Return what it is asked where it must predict the rows with these ids, ascending, none of them its own."""
        return source.inputs(ids)

    def distillation_inputs(self, source: Dataset, ids: Ids) -> tuple[Ids, npt.NDArray[np.float32], Any]:
        """Return how public rows with these ids, ascending, teach a seed to imitate it.

        That is the lessons' ids, what the seed is shown, shape (n, ...), and what it is asked itself.
        """
        return ids, source.inputs(ids), self.inference_inputs(source, ids)

    def to_request(self, source: Dataset, ids: Ids) -> Any:
        """Return the request to forget the rows, and the edges if it knows any, with these ids, ascending."""
        return ids

    def build(self, problem: Problem, key: tuple[Field, ...]) -> Unlearner[Any, Any]:
        """Return an untrained unlearner whose every random choice is keyed by ``key``; ``UnlearningError`` on a problem it cannot take."""
        built: Unlearner[Any, Any] = located(self.implementation)(self, problem, key)
        return built
