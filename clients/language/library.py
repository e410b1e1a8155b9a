"""The optional library transformers."""

from __future__ import annotations

from importlib.util import find_spec

from clients.data import DataError


def check_library() -> None:
    """Raise ``DataError`` if transformers is not installed."""
    if find_spec("transformers") is None:
        raise DataError("needs the library transformers, which is missing: pip install 'lethe-federated[checkpoints]'")
