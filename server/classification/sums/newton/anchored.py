"""What the server of statistics keeps between rounds."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Self

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor

from clients.spec import Spec
from clients.unlearning.approximate.statistics.spec import InfinitesimalJackknife
from clients.unlearning.approximate.statistics.statistics import FixedInverse, RemainingHessian, Statistics
from clients.unlearning.contract import State
from clients.unlearning.convex.sums import ObjectiveSums

Pairs = tuple[tuple[int, int], ...]


@dataclass(frozen=True)
class Anchored:
    """The server's state.

    Parameters
    ----------
    anchor, weights : float64 tensor, shape (d, K)
        The optimum on all rows of the training, and the parameters after the step, before noise.
    matrix : float64 tensor, shape (blocks, side, side)
        What is kept of the Hessian of the training.
    members : tuple of (int, int)
        Peers of the training, with their generations.
    trained : int
        Rows of the training.
    releases : int
        Number of the present release, of whose noise it is the key.
    present : tuple of (int, int)
        Peers whose entries are in the sums.
    entries : tuple of (int, str)
        Peers and hashes of their entries.
    sums : ObjectiveSums, optional
        Of all entries; None before the first step.
    commitment : str
        Hash over the rows of all entries, in hexadecimal.
    """

    anchor: Tensor
    weights: Tensor
    matrix: Tensor
    members: Pairs
    trained: int
    releases: int
    present: Pairs = ()
    entries: tuple[tuple[int, str], ...] = ()
    sums: ObjectiveSums | None = None
    commitment: str = ""

    def statistics(self, takes: type[Statistics]) -> Statistics:
        """Return the statistics of the rows in the sums."""
        assert self.sums is not None
        matrix = self.sums.hessian if takes is RemainingHessian else self.matrix
        return takes(self.anchor, self.sums.gradient, matrix, self.trained, self.sums.rows, self.sums.rounding, 0.0)

    def proof(self) -> State:
        """Return the state as arrays by name."""
        assert self.sums is not None
        return {
            "anchor": self.anchor.contiguous().numpy(),
            "weights": self.weights.contiguous().numpy(),
            "matrix": self.matrix.contiguous().numpy(),
            "numbers": np.array([self.trained, self.releases]),
            "members": np.array(self.members, np.int64).reshape(-1, 2),
            "present": np.array(self.present, np.int64).reshape(-1, 2),
            "owners": np.array([peer for peer, _ in self.entries], np.int64),
            "hashes": _bytes("".join(sha256 for _, sha256 in self.entries)),
            "commitment": _bytes(self.commitment),
            **{f"sums/{name}": array for name, array in self.sums.arrays().items()},
        }

    @classmethod
    def read(cls, proof: State) -> Self:
        """Return the state that was written as these arrays."""
        trained, releases = proof["numbers"].tolist()
        digits, owners = proof["hashes"].tobytes().hex(), proof["owners"].tolist()
        entries = tuple((int(peer), digits[64 * place : 64 * place + 64]) for place, peer in enumerate(owners))
        sums = ObjectiveSums.read({name.removeprefix("sums/"): array for name, array in proof.items() if name.startswith("sums/")})
        anchor, weights, matrix = (torch.tensor(proof[name]) for name in ("anchor", "weights", "matrix"))
        members, present = (tuple((int(a), int(b)) for a, b in proof[name]) for name in ("members", "present"))
        commitment = proof["commitment"].tobytes().hex()
        return cls(anchor, weights, matrix, members, trained, releases, present, entries, sums, commitment)


def taken(table: Spec) -> type[Statistics]:
    """Return which statistics the table of a model asks for."""
    return FixedInverse if isinstance(table, InfinitesimalJackknife) else RemainingHessian


def _bytes(digits: str) -> npt.NDArray[np.uint8]:
    return np.frombuffer(bytes.fromhex(digits), np.uint8).copy()
