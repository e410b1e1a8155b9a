"""A hash of a set of rows from which rows can be taken out without the others.

Rows' hashes are added up, so that the sum after a removal is that of the rows that are kept (Bellare and Micciancio, Eurocrypt 1997). It
never leaves its learner but within a hash over everything else, like other fingerprints (`clients.unlearning.states`).
"""

from __future__ import annotations

import hashlib

import numpy as np

from clients.data.rows import Rows

_WIDTH = 32
"""Bytes of the sum."""


def digest(rows: Rows) -> int:
    """Return the sum of the hashes of these rows, of id, inputs and label each."""
    total = 0
    for i in range(len(rows)):
        parts = np.ascontiguousarray(rows.ids[i]), np.ascontiguousarray(rows.x[i]), np.ascontiguousarray(rows.y[i])
        found = hashlib.blake2b(b"".join(part.tobytes() for part in parts), digest_size=_WIDTH)
        total += int.from_bytes(found.digest(), "little")
    return total % (1 << 8 * _WIDTH)


def without(total: int, rows: Rows) -> int:
    """Return the sum without these rows."""
    return (total - digest(rows)) % (1 << 8 * _WIDTH)
