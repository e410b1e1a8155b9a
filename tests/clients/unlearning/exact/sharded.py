"""What the tests of learners on shards share."""

from __future__ import annotations

from typing import Any, TypeVar

import numpy as np
import numpy.typing as npt

from clients import wire
from clients.unlearning.contract import Unlearner

M = TypeVar("M", bound=Unlearner[Any, Any])


def begun(model: M, data: Any, place: npt.NDArray[np.int64] | None) -> M:
    """Train a model for two rounds, on a given partition if there is one; without data, leave it as it is."""
    if data is not None:
        model.begin(data, place)  # type: ignore[call-arg]  # both take a partition
        model.advance()
        model.advance()
    return model


def digest(model: Unlearner[Any, Any]) -> str:
    return wire.sha256(wire.to_bytes(model.state()))


def kept_place(model: Any, held: npt.NDArray[np.int64], kept: npt.NDArray[np.int64]) -> npt.NDArray[np.int64] | None:
    """Return the partition of what is kept, of what is held with these ids, if the model's partition is frozen."""
    old = dict(zip(held.tolist(), model.place.tolist(), strict=True))
    return np.array([old[i] for i in kept.tolist()], dtype=np.int64) if model.options.frozen else None


class OldCheckpoints:
    """A fault to mix into a sharded learner: it retrains as it should, and keeps the old checkpoints."""

    checkpoints: list[dict[int, Any]]

    def forget(self, request: Any) -> Any:
        before = [dict(kept) for kept in self.checkpoints]
        outcome = super().forget(request)  # type: ignore[misc]
        self.checkpoints = before
        return outcome
