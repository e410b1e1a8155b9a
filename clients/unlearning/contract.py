"""The interface of every unlearner: fit, predict, forget, and report what is stored."""

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

from clients.compute import Device
from clients.data.rows import Column, Ids, Rows
from clients.spec import Spec, located
from clients.streams import Field
from clients.training import Training

if TYPE_CHECKING:
    from clients.data import Dataset

Guarantee = Literal["exact", "certified", "approximate", "behavioural"]
"""Kinds of guarantee: bit-equal to never having had the data; provably close to it; measurably close to it; weights unchanged."""

State = dict[str, npt.NDArray[Any]]

COST_NOTE = "cost: "
"""How a note of an outcome begins that tells what a request cost: like costs, it has no part in the digest of a run."""


class UnlearningError(ValueError):
    """A request that cannot be carried out; the model is unchanged, byte for byte."""


@dataclass(frozen=True)
class Problem:
    """The public facts that a learner may know before it sees a private row.

    Parameters
    ----------
    shape : tuple of int
        Shape of one input, ``(64,)`` or ``(1, 28, 28)``.
    classes : int
        Number of classes; labels are ``0 .. classes - 1``. 1 for regression.
    rounds : int
        Number of calls of ``advance`` in a full fit.
    columns : tuple of Column
        Public facts of tabular features; empty if the features are not columns.
    training : Training
        Epochs per round, batch size and optimiser, for models trained by gradient descent.
    device : {"cpu", "cuda", "auto"}
        Where networks are trained and predict; arrays that come in and go out lie in main memory.
    validation : Rows, optional
        Public labelled rows that are set aside.
    """

    shape: tuple[int, ...]
    classes: int
    rounds: int = 1
    columns: tuple[Column, ...] = ()
    training: Training = field(default_factory=Training)
    device: Device = "cpu"
    validation: Rows | None = field(default=None, compare=False, repr=False)  # arrays have no truth value


@dataclass(frozen=True)
class Cost:
    """The cost of one request: gradient steps (0 if none) and rebuilt parts (shards, trees, nodes, ...)."""

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
    """Return the kind of a guarantee given as text: ``certified`` for ``certified(1, 0.0001)``.

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
    """The outcome of one request. The guarantee belongs to that request: a learner that has to retrain reports ``exact``.

    >>> Outcome(Cost(gradient_steps=40, parts=1), certified(1, 1e-4), {"kind": "residual", "bound": 0.02}, ("budget half spent",))

    Parameters
    ----------
    cost : Cost
    guarantee : str
        ``exact``, ``approximate``, ``behavioural``, or ``certified(epsilon, delta)``; ``ValueError`` for anything else.
    certificate : mapping, optional
        The table of a registered certificate (`clients.unlearning.certificates`), with values that JSON can represent.
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

    ``begin`` and ``advance`` train in rounds, as a peer does; ``fit`` does both. A model that is not trained in rounds does all its
    training in the first ``advance`` and nothing in later ones.
    """

    rounds: int = 1

    @abstractmethod
    def begin(self, data: Data) -> None:
        """Start anew on ``data``: untrained, no round done. ``UnlearningError`` on data that cannot be learned from."""

    @abstractmethod
    def advance(self) -> int:
        """Train the next round; return the gradient steps taken (0 if it uses no gradients)."""

    def fit(self, data: Data) -> None:
        """Train on ``data`` from scratch, for all rounds."""
        self.begin(data)
        for _ in range(self.rounds):
            self.advance()

    @abstractmethod
    def predict_proba(self, x: npt.NDArray[Any]) -> npt.NDArray[np.float32]:
        """Return class probabilities, shape (len(x), classes), rows summing to 1."""

    def predict_shards(self, x: npt.NDArray[Any]) -> list[npt.NDArray[np.float32]]:
        """Return the class probabilities of each isolated model that ``predict_proba`` joins, (len(x), classes); none if it is one."""
        return []

    @abstractmethod
    def forget(self, request: Request) -> Outcome:
        """Forget the named data and return the outcome; on ``UnlearningError`` nothing has changed.

        Afterwards the model is at the same round as before, as if it had never had the data (to the extent of the guarantee).
        An empty request changes nothing. Unknown, repeated and already forgotten ids are errors that name the id.
        """

    def add(self, data: Data) -> Outcome:
        """Learn more data, with ids never held before, and return the outcome; on ``UnlearningError`` nothing has changed.

        Afterwards the model is at the same round as before, as if it had been given the data before its first round. Only an unlearner
        whose spec says ``adds`` can do so; another is trained again.
        """
        raise UnlearningError(f"{type(self).__name__} cannot learn more data: train it again on all of them")

    def correct(self, data: Data) -> Outcome:
        """Replace held data by corrected ones with the same ids, and return the outcome; on ``UnlearningError`` nothing has changed.

        Afterwards the model is at the same round as before, as if it had been given the corrected data before its first round (to the
        extent of the guarantee). Only an unlearner whose spec says ``corrects`` can do so; another is trained again.
        """
        raise UnlearningError(f"{type(self).__name__} cannot correct data: train it again on the corrected ones")

    def settle(self) -> None:
        """Carry out postponed repairs; a no-op if the unlearner has none."""

    @abstractmethod
    def state(self) -> State:
        """Return the canonical state: arrays by name, without times, caches or a log of deletions."""

    @abstractmethod
    def restore(self, state: Mapping[str, npt.NDArray[Any]], data: Data) -> None:
        """Restore the model from its ``state`` and its retained ``data``."""

    @abstractmethod
    def stored(self) -> list[Stored]:
        """Return every stored artefact with the ids that can have influenced it."""


class UnlearnerSpec(Spec):
    """Base class of an unlearner in scenarios; ``build`` makes it."""

    implementation: ClassVar[str] = ""
    """The unlearner, as ``"module:Class"``, made from the spec, the problem and the key; a spec that overrides ``build`` needs none."""
    guarantee: ClassVar[Guarantee]
    summary: ClassVar[str]
    """One line for ``lethe methods``."""
    source: ClassVar[str]
    """Paper, year."""
    unit: ClassVar[str] = "rows"
    """What a request names: rows, nodes and edges, interactions and users, a concept."""
    untouched: ClassVar[str] = ""
    """Note in the results for a request that took no step and touched no part; empty if none is needed."""
    classifier: ClassVar[bool] = True
    """Whether it predicts the rows' classes, as a peer's main model must."""
    regressor: ClassVar[bool] = False
    """Whether its unlearner, of a problem with one class, predicts numbers: ``predict(x)``, float64 (n,)."""
    adds: ClassVar[bool] = False
    """Whether its unlearner can learn more rows by ``add(rows)``, and then equals one to which they were added before its first round."""
    corrects: ClassVar[bool] = False
    """Whether its unlearner can replace rows by corrected ones, by ``correct(rows)``."""
    needs_rows: ClassVar[bool] = False
    """Whether requests have to be the rows themselves (`Rows`) instead of their ids, because it has kept none of them."""
    late: ClassVar[str] = ""
    """How added rows differ from those that it began with; empty if they do not, so that it equals one that always had them."""

    @classmethod
    def incomplete(cls) -> str | None:
        """Return why the class cannot be registered, or None."""
        if cls.guarantee not in get_args(Guarantee):
            return f"has the guarantee {cls.guarantee!r}, which is none of {', '.join(get_args(Guarantee))}"
        if cls.build is UnlearnerSpec.build and not cls.implementation:
            return 'names no implementation = "module:Class", and has no build of its own'
        return None

    @property
    def claim(self) -> str:
        """What a request claims that has not been carried out yet, as in `Outcome`; a certified one overrides it, with its numbers."""
        return self.guarantee

    def check(self, problem: Problem, rows: Rows) -> str | None:
        """Return why it cannot learn these rows of a problem, in one line with a remedy, or None; fast, without training."""
        return None

    def steps(self, training: Training, rows: int, progress: int) -> int:
        """Return an upper bound or estimate of a round's gradient steps on this many rows after ``progress`` rounds, without the data.

        0 if it uses no gradients.
        """
        return 0

    def state_bytes(self, problem: Problem, rows: int) -> int | None:
        """Return the bytes of its state's arrays after a full fit on this many rows; None if they depend on more than the number."""
        return None

    def training_data(self, source: Dataset, ids: Ids) -> Any:
        """Return its training data for the rows with these ids, ascending."""
        return source.rows(ids)

    def inference_inputs(self, source: Dataset, ids: Ids) -> Any:
        """Return its inputs for predicting the rows with these ids, ascending, none of them its training rows."""
        return source.inputs(ids)

    def distillation_inputs(self, source: Dataset, ids: Ids) -> tuple[Ids, npt.NDArray[np.float32], Any]:
        """Return the data for distilling a seed on the public rows with these ids, ascending.

        These are the ids of the examples, the seed's inputs, shape (n, ...), and this model's inputs for the same examples.
        """
        return ids, source.inputs(ids), self.inference_inputs(source, ids)

    def to_request(self, source: Dataset, ids: Ids) -> Any:
        """Return the request to forget the rows, and the edges if it knows any, with these ids, ascending."""
        return source.rows(ids) if self.needs_rows else ids

    def build(self, problem: Problem, key: tuple[Field, ...]) -> Unlearner[Any, Any]:
        """Return an untrained unlearner whose every random choice is keyed by ``key``; ``UnlearningError`` on an unsuitable problem."""
        built: Unlearner[Any, Any] = located(self.implementation)(self, problem, key)
        return built


class ExactSpec(UnlearnerSpec):
    """Base class of unlearners that after every request are bit-equal to never having had the data."""

    guarantee: ClassVar[Guarantee] = "exact"
