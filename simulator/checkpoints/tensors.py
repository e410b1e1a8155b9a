"""Reading single tensors out of safetensors files, and writing them back in place: all other bytes of a file stay as they are."""

from __future__ import annotations

import json
import os
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from simulator.errors import LetheError

if TYPE_CHECKING:
    from torch import Tensor

_LONGEST_HEADER = 100 << 20
"""What the format allows, in bytes."""


@dataclass(frozen=True)
class Entry:
    """A tensor in a file: safetensors type, shape, first byte and the one after the last, counted from the file's start."""

    dtype: str
    shape: tuple[int, ...]
    first: int
    after: int


@dataclass(frozen=True)
class Header:
    """What a file holds."""

    path: Path
    tensors: dict[str, Entry]


def read_header(path: Path) -> Header:
    """Return what a file holds; ``LetheError`` if it is no complete safetensors file."""
    with path.open("rb") as file:
        length = int.from_bytes(file.read(8), "little")
        raw = file.read(length) if length <= _LONGEST_HEADER else b""
    try:
        table = json.loads(raw)
        table.pop("__metadata__", None)
        start = 8 + length
        ends = {n: (e["dtype"], tuple(e["shape"]), start + e["data_offsets"][0], start + e["data_offsets"][1]) for n, e in table.items()}
        tensors = {name: Entry(*end) for name, end in ends.items()}
        whole = max(entry.after for entry in tensors.values()) == path.stat().st_size
    except (ValueError, KeyError, TypeError, IndexError, AttributeError):
        whole = False
    if not whole:
        raise LetheError(f"{path}: is no complete safetensors file (cut short, or a pointer in its place); fetch it again")
    return Header(path, tensors)


def read(path: Path, name: str) -> Tensor:
    """Return one tensor in its stored type; nothing else of the file is read."""
    from safetensors import SafetensorError, safe_open

    try:
        with safe_open(path, framework="pt") as file:
            tensor: Tensor = file.get_tensor(name)
    except SafetensorError as error:
        raise LetheError(f"{path}: {name} cannot be read ({error}); fetch the file again") from None
    return tensor


def write(path: Path, entry: Entry, tensor: Tensor) -> None:
    """Put a tensor of the entry's type and shape in its place, and see it to the disk."""
    import torch

    data = tensor.contiguous().view(torch.uint8).numpy().tobytes()
    if len(data) != entry.after - entry.first:
        raise ValueError(f"{path}: {len(data)} bytes do not fill a place of {entry.after - entry.first}")
    with path.open("r+b") as file:
        file.seek(entry.first)
        file.write(data)
        file.flush()
        os.fsync(file.fileno())
