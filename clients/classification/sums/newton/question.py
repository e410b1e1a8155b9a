"""The question of a server to a peer: the sums of derivatives at these parameters, or what the model answers with them."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import torch
from flwr.app import ArrayRecord, ConfigRecord
from torch import Tensor

from clients import wire
from clients.participant import Record
from clients.unlearning.convex.learner import WEIGHTS

QUESTION = "question"
"""Name of the record with what is asked."""


@dataclass(frozen=True)
class Question:
    """What a server asks.

    Parameters
    ----------
    weights : float64 tensor, shape (d, K)
    draw : int
        Perturbations drawn before the one whose share the peer adds.
    scale : float
        Standard deviation of the share.
    final : bool
        Whether the parameters are those of the model, to be evaluated, and no sums are asked for.
    alone : bool
        Whether the exchange is for the sums alone: the peer neither trains its own model nor is measured.
    """

    weights: Tensor
    draw: int = 0
    scale: float = 0.0
    final: bool = False
    alone: bool = True

    def records(self) -> dict[str, ArrayRecord | ConfigRecord]:
        """Return the question as records of a message."""
        told = ConfigRecord({"draw": self.draw, "scale": self.scale, "final": int(self.final), "alone": int(self.alone)})
        return {QUESTION: told, WEIGHTS: wire.pack(wire.to_bytes({WEIGHTS: self.weights.contiguous().numpy()}))}

    @classmethod
    def read(cls, payload: Mapping[str, Record]) -> Question | None:
        """Return the question that a message has, or None."""
        told, weights = payload.get(QUESTION), payload.get(WEIGHTS)
        if not isinstance(told, ConfigRecord) or not isinstance(weights, ArrayRecord):
            return None
        at = torch.tensor(wire.from_bytes(wire.unpack(weights))[WEIGHTS])
        flags = bool(told["final"]), bool(told["alone"])
        return cls(at, wire.integer(told, "draw"), float(told["scale"]), *flags)  # type: ignore[arg-type]
