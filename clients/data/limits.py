"""Memory limits: sizes that a file's header declares are checked before memory is allocated."""

from __future__ import annotations

from pathlib import Path

from clients.data.errors import DataError

_SHARE = 0.5
"""Usable share of the free memory: while loading, the file's content and the data set exist together."""


def afford(path: Path | str, size: int, what: str) -> None:
    """Raise ``DataError`` if an allocation exceeds half of the free memory of this machine.

    Parameters
    ----------
    path : Path or str
        The file, for the message.
    size : int
        Bytes, at least 0, computed in Python integers so that no product overflows.
    what : str
        What needs the memory, for the message.
    """
    import psutil

    free = psutil.virtual_memory().available
    if size > _SHARE * free:
        raise DataError(
            f"{path}: {what} would take {size / 2**30:.1f} GiB, more than half of the {free / 2**30:.1f} GiB that are free: "
            "fetch the file again if it should be smaller, or save fewer rows"
        )
