"""Training that diverges: weights that are not finite are told where they arise, since no later training makes them so again."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

import numpy as np

from clients import wire
from clients.bookkeeping import BOOKKEEPING


class DivergedError(ValueError):
    """Training, distillation or aggregation has left numbers that are not finite; the message is one line with the cure."""


def check_finite(what: str, blob: bytes) -> None:
    """Raise ``DivergedError`` if a floating-point array of an artefact, bookkeeping left out, has entries that are not finite.

    Parameters
    ----------
    what : str
        What the artefact comes from, for the message: ``"training"``.
    blob : bytes
        A safetensors file.
    """
    for name, array in wire.from_bytes(blob).items():
        if array.dtype.kind == "f" and not name.startswith(BOOKKEEPING) and not np.isfinite(array).all():
            raise _diverged(what, f"entries of {name!r} are not finite")


@contextmanager
def overflow_told(what: str) -> Iterator[None]:
    """Raise ``DivergedError`` where a number, such as a step of the optimiser, is too large for its type."""
    try:
        yield
    except (OverflowError, RuntimeError) as error:
        if isinstance(error, RuntimeError) and "without overflow" not in str(error):  # torch has no class of its own for it
            raise
        raise _diverged(what, "a number is too large for its type") from None


def _diverged(what: str, how: str) -> DivergedError:
    return DivergedError(f"{what} has diverged, {how}: lower the learning rate")
