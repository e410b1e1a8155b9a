"""On-disk cache of trained models and other results of pure functions, under the hash of everything that determines them.

The cache belongs to the simulator, not to any peer: it may hold results that a peer has forgotten since. Deleting it changes only the
time that a run takes.
"""

from __future__ import annotations

import hashlib
import json
import os
import tempfile
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Any

import numpy.typing as npt
from torch import Tensor, nn

from clients import machine, wire

VERSION = 1
"""Version of the training code; increase it when a configuration gives a different result."""


def folder() -> Path:
    """Return the folder of the cache: ``LETHE_CACHE`` if set, else ``~/.cache/lethe/diffusion``.

    Denoisers were its first content; the name stays, so that caches of earlier versions remain in use.
    """
    return Path(os.environ.get("LETHE_CACHE") or "~/.cache/lethe/diffusion").expanduser()


def remains() -> Iterator[str]:
    """Yield a line for users if the cache holds any training."""
    if count := len(list(folder().glob("*.safetensors"))):
        yield f"the simulator's cache, {folder()}: {count} files, among them trainings with what was forgotten; it may be deleted"


def configuration_hash(configuration: Mapping[str, Any]) -> str:
    """Return the SHA-256 of a configuration of plain values, of ``VERSION``, and of what of the machine decides bits."""
    text = json.dumps({"version": VERSION, "machine": machine.key(), **configuration}, sort_keys=True, separators=(",", ":"))
    return hashlib.sha256(text.encode()).hexdigest()


def data_hash(*tensors: Tensor | None) -> str:
    """Return the SHA-256 of tensors' dtypes, shapes and bytes, to represent data in a configuration."""
    digest = hashlib.sha256()
    for tensor in tensors:
        if tensor is not None:
            digest.update(f"{tensor.dtype}{tuple(tensor.shape)}".encode())
            digest.update(tensor.detach().cpu().contiguous().numpy().tobytes())
    return digest.hexdigest()


def load_or_train(folder: Path, configuration: Mapping[str, Any], model: nn.Module, train: Callable[[nn.Module], None]) -> bool:
    """Load cached weights into the model, or train it and cache its weights; return whether they were in the cache.

    Parameters
    ----------
    folder : Path
        Created if missing. If its file cannot be read or does not fit the model, the model is trained and the file replaced.
    configuration : mapping
        Everything that determines the weights: plain values, with data represented by its hash.
    model : torch module
        Untrained.
    train : callable
        Trains the model in place.
    """
    from safetensors import SafetensorError
    from safetensors.torch import load_file, save

    path = folder / f"{configuration_hash(configuration)}.safetensors"
    if path.is_file():
        try:
            model.load_state_dict(load_file(path))
        except (SafetensorError, RuntimeError):
            path.unlink()
        else:
            return True
    train(model)
    weights = {name: tensor.detach().cpu().contiguous() for name, tensor in model.state_dict().items()}
    _write(path, lambda temporary: Path(temporary).write_bytes(save(weights)))  # save_file would hide what is wrong with the disk
    return False


def remembered(configuration: Mapping[str, Any], make: Callable[[], Mapping[str, npt.NDArray[Any]]]) -> dict[str, npt.NDArray[Any]]:
    """Return the arrays of a pure function, from the cache if it has them.

    Parameters
    ----------
    configuration : mapping
        Everything that determines the arrays: plain values, with data represented by its hash.
    make : callable
        Called if the cache has no readable file for the configuration.
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
    """Write a file completely or not at all."""
    path.parent.mkdir(parents=True, exist_ok=True)
    handle, temporary = tempfile.mkstemp(dir=path.parent, suffix=".part")
    os.close(handle)
    try:
        save(temporary)
        Path(temporary).replace(path)  # atomic, so that no partial file has the final name
    finally:
        Path(temporary).unlink(missing_ok=True)
