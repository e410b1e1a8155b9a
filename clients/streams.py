"""Keyed randomness: every random choice is a pure function of a key that names its purpose.

Nothing here keeps state, so no draw depends on which peers are present or on earlier draws. Ye et al. 2023 describe this rule only
implicitly; it is what allows *exact* to mean bit-equal in this program.
"""

from __future__ import annotations

import hashlib
import struct
from collections.abc import Iterable
from typing import TYPE_CHECKING

import numpy as np
import numpy.typing as npt

if TYPE_CHECKING:
    import torch

Field = str | int | float | bytes | tuple["Field", ...]


def _encode(field: Field) -> bytes:
    """Return the field's bytes with type and length in front, so that no two keys collide by concatenation."""
    if isinstance(field, tuple):
        body, tag = b"".join(_encode(part) for part in field), b"t"
    elif isinstance(field, str):
        body, tag = field.encode(), b"s"
    elif isinstance(field, bytes):
        body, tag = field, b"b"
    elif isinstance(field, float):
        body, tag = struct.pack("<d", field), b"f"
    else:
        body, tag = str(int(field)).encode(), b"i"
    return tag + struct.pack("<I", len(body)) + body


def key_hash(*key: Field) -> int:
    """Return a 64-bit unsigned hash of the key (8-byte BLAKE2b digest, little endian)."""
    digest = hashlib.blake2b(b"".join(_encode(field) for field in key), digest_size=8).digest()
    return int.from_bytes(digest, "little")


def uniform(*key: Field) -> float:
    """Return a number in [0, 1) that depends on the key only."""
    return (key_hash(*key) >> 11) * 2.0**-53


def hashes(ids: npt.ArrayLike, *key: Field) -> npt.NDArray[np.uint64]:
    """Return one 64-bit hash per id, shape ``(n,)``: splitmix64 of the id, offset by the key's hash.

    A vectorised form of ``key_hash(*key, id)`` for many integer ids, with the same properties but other values.
    """
    with np.errstate(over="ignore"):
        z = np.asarray(ids).astype(np.uint64) * np.uint64(0x9E3779B97F4A7C15) + np.uint64(key_hash(*key))
        for _ in range(2):  # two rounds, so that adjacent ids under adjacent keys give unrelated hashes
            z = (z ^ (z >> np.uint64(30))) * np.uint64(0xBF58476D1CE4E5B9)
            z = (z ^ (z >> np.uint64(27))) * np.uint64(0x94D049BB133111EB)
            z = z ^ (z >> np.uint64(31))
    return z


def uniforms(ids: npt.ArrayLike, *key: Field) -> npt.NDArray[np.float64]:
    """Return one number in [0, 1) per id, shape ``(n,)`` float64."""
    return (hashes(ids, *key) >> np.uint64(11)).astype(np.float64) * 2.0**-53


def order(ids: npt.ArrayLike, *key: Field) -> npt.NDArray[np.intp]:
    """Return the positions that sort the ids by (hash, id): a shuffle in which removing an id does not reorder the others."""
    values = np.asarray(ids)
    return np.lexsort((values, hashes(values, *key)))


def bottom(k: int, ids: Iterable[int], *key: Field) -> list[int]:
    """Return the k ids with the smallest (hash, id): sampling without replacement, unaffected by the removal of other ids."""
    values = np.fromiter(ids, dtype=np.int64)
    return [int(i) for i in values[order(values, *key)[:k]]]


def generator(*key: Field) -> np.random.Generator:
    """Return a fresh NumPy generator for the key, for draws with a single purpose (an initialisation, a noise fill)."""
    return np.random.Generator(np.random.PCG64(key_hash(*key)))


def torch_generator(*key: Field) -> torch.Generator:
    """Return a fresh CPU torch generator for the key."""
    import torch

    return torch.Generator().manual_seed(key_hash(*key) >> 1)  # torch takes signed 64-bit seeds
