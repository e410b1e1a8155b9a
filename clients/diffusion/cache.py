"""Trained models on disk, under the hash of everything that determines them."""

from __future__ import annotations

import hashlib
import json
import os
import tempfile
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

from torch import Tensor, nn

VERSION = 1
"""Raised when the training code changes what a configuration gives."""


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
    folder.mkdir(parents=True, exist_ok=True)
    handle, temporary = tempfile.mkstemp(dir=folder, suffix=".part")
    os.close(handle)
    try:
        save_file({name: tensor.detach().contiguous() for name, tensor in model.state_dict().items()}, temporary)
        Path(temporary).replace(path)  # never half a file under the final name
    finally:
        Path(temporary).unlink(missing_ok=True)
    return False
