"""A hash over rows, made again after a removal at a cost that does not grow with their width."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from clients.data.rows import Ids, Rows
from clients.unlearning.states import fingerprint

_BYTES = 16


@dataclass(frozen=True)
class Commitment:
    """Hashes of rows, one by one, which stay beside the rows; what is given out is a hash over all of them.

    A row of few possible values could be guessed from its own hash, but not from that over all by who lacks the others.

    Parameters
    ----------
    ids : int64 array, shape (n,)
    hashes : uint8 array, shape (n, 16)
    """

    ids: Ids
    hashes: npt.NDArray[np.uint8]

    @classmethod
    def of(cls, rows: Rows) -> Commitment:
        """Return the hashes of inputs and labels."""
        kind = f"{rows.x.dtype.str}{rows.x.shape[1:]}{rows.y.dtype.str}".encode()
        hashes = np.empty((len(rows), _BYTES), np.uint8)
        x, y = np.ascontiguousarray(rows.x), np.ascontiguousarray(rows.y)
        for i in range(len(rows)):
            digest = hashlib.blake2b(kind, digest_size=_BYTES)
            digest.update(x[i].data)
            digest.update(y[i].tobytes())
            hashes[i] = np.frombuffer(digest.digest(), np.uint8)
        return cls(rows.ids, hashes)

    def without(self, ids: Ids) -> Commitment:
        """Return the hashes without those of these rows."""
        stays = ~np.isin(self.ids, ids)
        return Commitment(self.ids[stays], self.hashes[stays])

    def told(self) -> str:
        """Return the hash over all rows."""
        return fingerprint(self.ids, self.hashes)
