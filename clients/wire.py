"""Arrays in messages and on disk: one serialisation and therefore one hash everywhere.

A set of arrays is sent as a Flower ``ArrayRecord`` with a single ``Array`` whose ``stype`` says that its bytes are a safetensors file.
The run store writes the same bytes, so that an artefact's name, a receipt and a message contain the same hash.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any, cast

import numpy as np
import numpy.typing as npt
from safetensors.numpy import load, save

if TYPE_CHECKING:  # a scenario is checked without any message
    from flwr.app import ArrayRecord, ConfigRecord

_NAME = "safetensors"
_FINGERPRINT = "fingerprint"
"""Key of a fingerprint in the metadata of a safetensors file."""


class Signed(dict[str, npt.NDArray[Any]]):
    """Arrays with a fingerprint of what they were made from, which is written and read with them; a plain dictionary of them has none."""

    def __init__(self, arrays: Mapping[str, npt.NDArray[Any]], fingerprint: str) -> None:
        super().__init__(arrays)
        self.fingerprint = fingerprint


def to_bytes(arrays: Mapping[str, npt.NDArray[Any]]) -> bytes:
    """Return the arrays as the bytes of a safetensors file; equal arrays, and equal fingerprints if they have any, give equal bytes."""
    told = {_FINGERPRINT: arrays.fingerprint} if isinstance(arrays, Signed) else None
    return save({name: np.asarray(arrays[name], order="C") for name in sorted(arrays)}, told)


def from_bytes(blob: bytes) -> dict[str, npt.NDArray[Any]]:
    """Return the arrays of a safetensors file, sorted by name; `Signed` if they were."""
    found = load(blob)
    arrays = {name: found[name] for name in sorted(found)}
    header = json.loads(blob[8 : 8 + int.from_bytes(blob[:8], "little")])
    told = header.get("__metadata__", {}).get(_FINGERPRINT)
    return arrays if told is None else Signed(arrays, told)


def sha256(blob: bytes) -> str:
    """Return the SHA-256, in hexadecimal, that identifies these bytes in receipts, pointers and file names."""
    return hashlib.sha256(blob).hexdigest()


def pack(blob: bytes) -> ArrayRecord:
    """Return a record that contains the bytes of a safetensors file."""
    from flwr.app import Array, ArrayRecord

    return ArrayRecord({_NAME: Array(dtype="uint8", shape=(len(blob),), stype=_NAME, data=blob)})


def unpack(record: ArrayRecord) -> bytes:
    """Return the bytes of the safetensors file in a record."""
    return bytes(record[_NAME].data)


def integers(record: ConfigRecord, name: str) -> list[int]:
    """Return the list of integers that a record holds under a name."""
    return cast(list[int], record[name])


def strings(record: ConfigRecord, name: str) -> list[str]:
    """Return the list of strings that a record holds under a name."""
    return cast(list[str], record[name])


def integer(record: ConfigRecord, name: str) -> int:
    """Return the integer that a record holds under a name."""
    return cast(int, record[name])
