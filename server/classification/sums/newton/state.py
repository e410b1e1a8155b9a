"""What the server of Newton's method keeps between rounds."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Self

import numpy as np
import torch
from torch import Tensor

from clients.unlearning.contract import State
from clients.unlearning.convex.learner import WEIGHTS


@dataclass(frozen=True)
class Kept:
    """The server's state.

    Parameters
    ----------
    weights : float64 tensor, shape (d, K)
    members : tuple of (int, int)
        Peers whose rows the model is of, with their generations; none before it was made.
    draw : int
        Perturbations drawn before the present one.
    divisor : int
        Shares that suffice: each has the standard deviation sigma / sqrt(divisor).
    bound : float
        Bound on the residual.
    commitment : str
        Hash over the rows of all members, in hexadecimal.
    """

    weights: Tensor
    members: tuple[tuple[int, int], ...] = ()
    draw: int = 0
    divisor: int = 1
    bound: float = 0.0
    commitment: str = ""

    def proof(self) -> State:
        """Return all but the parameters as arrays by name."""
        return {
            "members": np.array(self.members, np.int64).reshape(-1, 2),
            "numbers": np.array([self.draw, self.divisor], np.int64),
            "bound": np.array([self.bound]),
            "commitment": np.frombuffer(bytes.fromhex(self.commitment), np.uint8).copy(),
        }

    @classmethod
    def read(cls, weights: State, proof: State) -> Self:
        """Return the state that was written as these arrays."""
        draw, divisor = proof["numbers"].tolist()
        members = tuple((int(peer), int(generation)) for peer, generation in proof["members"])
        told = bytes(proof["commitment"].tobytes()).hex()
        return cls(torch.tensor(weights[WEIGHTS]), members, draw, divisor, float(proof["bound"][0]), told)
