"""Reading of single tensors from safetensors files, and writing them back in place; all other bytes of a file stay unchanged."""

from __future__ import annotations

import json
import math
import os
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from simulator.checkpoints.places import shown
from simulator.errors import LetheError

if TYPE_CHECKING:
    from torch import Tensor

_LONGEST_HEADER = 100 << 20
"""Limit of the format, in bytes."""
_LONGEST_NAME = 1000
_BITS = {
    **dict.fromkeys(("F4",), 4),
    **dict.fromkeys(("F6_E2M3", "F6_E3M2"), 6),
    **dict.fromkeys(("BOOL", "U8", "I8", "F8_E4M3", "F8_E5M2", "F8_E8M0", "F8_E4M3FNUZ", "F8_E5M2FNUZ"), 8),
    **dict.fromkeys(("I16", "U16", "F16", "BF16"), 16),
    **dict.fromkeys(("I32", "U32", "F32"), 32),
    **dict.fromkeys(("I64", "U64", "F64", "C64"), 64),
}
"""Bits of one value, by the format's name of the dtype."""


@dataclass(frozen=True)
class Entry:
    """A tensor in a file: safetensors dtype, shape, and offsets of its first byte and of the byte after its last in the file."""

    dtype: str
    shape: tuple[int, ...]
    first: int
    after: int


@dataclass(frozen=True)
class Header:
    """The tensors of a file."""

    path: Path
    tensors: dict[str, Entry]


def read_header(path: Path) -> Header:
    """Return the tensors of a file; ``LetheError`` if it is not a complete safetensors file, or sizes, dtypes and offsets are inconsistent.

    Only the header is read, so that no memory is allocated for missing data.
    """
    size = path.stat().st_size
    with path.open("rb") as file:
        length = int.from_bytes(file.read(8), "little")
        raw = file.read(length) if length <= min(_LONGEST_HEADER, size - 8) else b""
    try:
        table = json.loads(raw)
        table.pop("__metadata__", None)
        tensors = {name: Entry(*_checked(path, name, entry, 8 + length)) for name, entry in table.items()}
        whole = max(entry.after for entry in tensors.values()) == size
    except (ValueError, KeyError, TypeError, IndexError, AttributeError, RecursionError):
        whole = False
    if not whole:
        raise LetheError(f"{path}: is no complete safetensors file (cut short, or a pointer in its place); fetch it again")
    _check_places(path, tensors, 8 + length)
    return Header(path, tensors)


def _checked(path: Path, name: str, entry: dict[str, Any], start: int) -> tuple[str, tuple[int, ...], int, int]:
    """Return dtype, shape and offsets of a tensor; ``LetheError`` for impossible values, other exceptions for a malformed entry."""
    dtype, shape, (first, after) = entry["dtype"], tuple(entry["shape"]), entry["data_offsets"]
    if not name.isprintable() or len(name) > _LONGEST_NAME:
        raise LetheError(f"{path}: holds a tensor named {shown(repr(name))}; names are printable and at most {_LONGEST_NAME} characters")
    if not all(type(one) is int and one >= 0 for one in (*shape, first, after)):
        raise LetheError(f"{path}: {shown(name)} has the shape {shown(shape)} and the place {shown((first, after))}; fetch the file again")
    if dtype not in _BITS:
        raise LetheError(f"{path}: {shown(name)} is of the type {shown(repr(dtype))}, which is not known; fetch the file again")
    if math.prod(shape) * _BITS[dtype] != 8 * (after - first):
        what = f"is said to be {dtype} {shown(list(shape))}, which does not fill its {after - first} bytes"
        raise LetheError(f"{path}: {shown(name)} {what}; fetch the file again")
    return dtype, shape, start + first, start + after


def _check_places(path: Path, tensors: dict[str, Entry], start: int) -> None:
    """Raise ``LetheError`` unless the tensors follow each other without gaps or overlaps, from the first byte on."""
    here = start
    for name, entry in sorted(tensors.items(), key=lambda one: (one[1].first, one[1].after)):
        if entry.first != here:
            raise LetheError(f"{path}: {shown(name)} overlaps another tensor, or follows a gap; fetch the file again")
        here = entry.after


def read(path: Path, name: str) -> Tensor:
    """Return one tensor in its stored dtype; nothing else of the file is read."""
    from safetensors import SafetensorError, safe_open

    try:
        with safe_open(path, framework="pt") as file:
            tensor: Tensor = file.get_tensor(name)
    except SafetensorError as error:
        raise LetheError(f"{path}: {name} cannot be read ({shown(error)}); fetch the file again") from None
    return tensor


def read_all(header: Header) -> Iterator[tuple[str, Tensor]]:
    """Yield every tensor of a file with its name, in its stored dtype, one at a time.

    The file is opened for each anew, as all that was read of an open one stays in memory.
    """
    for name in header.tensors:
        yield name, read(header.path, name)


def write(path: Path, entry: Entry, tensor: Tensor) -> None:
    """Overwrite an entry with a tensor of its dtype and shape, and sync it to disk."""
    import torch

    data = tensor.contiguous().view(torch.uint8).numpy().tobytes()
    if len(data) != entry.after - entry.first:
        raise ValueError(f"{path}: {len(data)} bytes do not fill a place of {entry.after - entry.first}")
    with path.open("r+b") as file:
        file.seek(entry.first)
        file.write(data)
        file.flush()
        os.fsync(file.fileno())
