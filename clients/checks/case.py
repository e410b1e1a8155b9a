"""One unlearner under test: its configuration and data, and when two models of it are the same."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy.typing as npt

from clients import wire
from clients.checks.material import Material
from clients.checks.suite import require
from clients.data.rows import Ids
from clients.unlearning.contract import Outcome, Unlearner, UnlearnerSpec

KEY = ("contract", 7)


@dataclass(frozen=True)
class Case:
    """A configuration small enough to fit dozens of times, and its training data."""

    spec: UnlearnerSpec
    of: Material

    @property
    def ids(self) -> Ids:
        """The ids of all data."""
        return self.of.ids

    def fit(self, data: Any = None, rounds: int | None = None) -> Unlearner[Any, Any]:
        """Return a model trained for ``rounds`` rounds (default: all) on ``data`` (default: all)."""
        model = self.spec.build(self.of.problem, KEY)
        model.begin(self.of.data if data is None else data)
        for _ in range(self.of.problem.rounds if rounds is None else rounds):
            model.advance()
        return model

    def without(self, ids: npt.ArrayLike) -> Any:
        """Return the data without some ids."""
        return self.of.without(self.of.data, ids)

    def forget(self, model: Unlearner[Any, Any], ids: npt.ArrayLike) -> Outcome:
        """Let a model forget some ids; return the outcome."""
        return model.forget(self.of.with_values(ids) if self.spec.needs_rows else self.of.request(ids))

    def group(self) -> Ids:
        """Return all ids that belong together with the first."""
        whole: Ids = self.ids[self.of.group == self.of.group[0]]
        return whole


def canonical(model: Unlearner[Any, Any]) -> bytes:
    """Return a settled model's state as bytes."""
    model.settle()
    return wire.to_bytes(model.state())


def require_same(case: Case, model: Unlearner[Any, Any], oracle: Unlearner[Any, Any]) -> None:
    """Require that two models are equal byte for byte, in state and predictions."""
    require(canonical(model) == canonical(oracle), "the states differ")
    answers = [one.predict_proba(case.of.asked).tobytes() for one in (model, oracle)]
    require(answers[0] == answers[1], "the states are equal, but the answers differ")
