"""What the tests of both kinds of forest need."""

from __future__ import annotations

from typing import Any, TypeVar

from clients import wire
from clients.data.rows import Rows
from clients.unlearning.contract import Problem, Unlearner, UnlearnerSpec

Forest = TypeVar("Forest", bound="Unlearner[Any, Any]")


def grown(kind: type[Forest], spec: UnlearnerSpec, rows: Rows, problem: Problem, key: tuple[int | str, ...]) -> Forest:
    """Return the forest of a spec, grown from the rows."""
    model = spec.build(problem, key)
    model.fit(rows)
    assert isinstance(model, kind)
    return model


def blob(model: Unlearner[Any, Any]) -> bytes:
    return wire.to_bytes(model.state())
