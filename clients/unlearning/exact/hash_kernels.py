"""Keyed hashes inside compiled code: splitmix64, folded over the fields of a key."""

from __future__ import annotations

from typing import Any

import numpy as np

from clients.unlearning.exact.compiled import inner


@inner
def mix(z: Any) -> Any:
    """Return the splitmix64 finaliser of a 64-bit word."""
    z = np.uint64(z)
    z = (z ^ (z >> np.uint64(30))) * np.uint64(0xBF58476D1CE4E5B9)
    z = (z ^ (z >> np.uint64(27))) * np.uint64(0x94D049BB133111EB)
    return z ^ (z >> np.uint64(31))


@inner
def fold(key: Any, field: Any) -> Any:
    """Return the 64-bit hash of a key extended by one more field."""
    return mix((np.uint64(key) + np.uint64(0x9E3779B97F4A7C15)) ^ mix(np.uint64(field) + np.uint64(0x632BE59BD9B4E019)))
