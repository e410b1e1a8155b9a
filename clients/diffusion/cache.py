"""Trained models, and other results of pure functions, on disk under the hash of everything that determines them.

The cache belongs to whoever simulates, not to any peer: it may hold what a peer has long forgotten, and deleting it changes nothing but the
time that a run takes.
"""

from __future__ import annotations

import hashlib
import json
import os
import tempfile
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import numpy.typing as npt
from torch import Tensor, nn

from clients import wire

VERSION = 1
"""Raised when the training code changes what a configuration gives."""


def folder() -> Path:
    """Return where simulations keep their cache: what ``LETHE_CACHE`` names, else ``~/.cache/lethe/diffusion``."""
    return Path(os.environ.get("LETHE_CACHE") or "~/.cache/lethe/diffusion").expanduser()


def configuration_hash(configuration: Mapping[str, Any]) -> str:
    """Return the hash of a configuration of plain values, and of the version of the training code."""
    text = json.dumps({"version": VERSION, **configuration}, sort_keys=True, separators=(",", ":"))
    return hashlib.sha256(text.encode()).hexdigest()


def data_hash(*tensors: Tensor | None) -> str:
    """Return the hash of tensors' types, shapes and bytes, to stand for data in a configuration."""
    digest = hashlib.sha256()
    for tensor in tensors:
        if tensor is not None:
            digest.update(f"{tensor.dtype}{tuple(tensor.shape)}".encode())
            digest.update(tensor.detach().cpu().contiguous().numpy().tobytes())
    return digest.hexdigest()


def load_or_train(folder: Path, configuration: Mapping[str, Any], model: nn.Module, train: Callable[[nn.Module], None]) -> bool:
    """Fill the model with cached weights, or train it and cache what it has become; return whether the cache had it.

    Parameters
    ----------
    folder : Path
        Made if missing. A file in it that cannot be read, or does not fit the model, is trained and written anew.
    configuration : mapping
        All that determines the weights: plain values, with data by its hash.
    model : torch module
        Untrained.
    train : callable
        Trains the model in place.
    """
    from safetensors import SafetensorError
    from safetensors.torch import load_file, save_file

    path = folder / f"{configuration_hash(configuration)}.safetensors"
    if path.is_file():
        try:
            model.load_state_dict(load_file(path))
        except (SafetensorError, RuntimeError):
            path.unlink()
        else:
            return True
    train(model)
    _write(path, lambda temporary: save_file({n: tensor.detach().contiguous() for n, tensor in model.state_dict().items()}, temporary))
    return False


def remembered(configuration: Mapping[str, Any], make: Callable[[], Mapping[str, npt.NDArray[Any]]]) -> dict[str, npt.NDArray[Any]]:
    """Return the arrays that a pure function makes, from the cache where it has them.

    Parameters
    ----------
    configuration : mapping
        All that determines the arrays: plain values, with data by its hash.
    make : callable
        Called where the cache has no readable file of that configuration.
    """
    from safetensors import SafetensorError

    path = folder() / f"{configuration_hash(configuration)}.safetensors"
    if path.is_file():
        try:
            return wire.from_bytes(path.read_bytes())
        except SafetensorError:
            path.unlink()
    made = dict(make())
    _write(path, lambda temporary: Path(temporary).write_bytes(wire.to_bytes(made)))
    return made


def _write(path: Path, save: Callable[[str], object]) -> None:
    """Write a file whole or not at all."""
    path.parent.mkdir(parents=True, exist_ok=True)
    handle, temporary = tempfile.mkstemp(dir=path.parent, suffix=".part")
    os.close(handle)
    try:
        save(temporary)
        Path(temporary).replace(path)  # never half a file under the final name
    finally:
        Path(temporary).unlink(missing_ok=True)
