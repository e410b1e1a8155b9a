"""What a file may ask for: sizes that a header declares are checked before memory is taken for them."""

from __future__ import annotations

from pathlib import Path

from clients.data.errors import DataError

_SHARE = 0.5
"""Of the memory that is free: loading holds what was read beside what is made of it."""


def afford(path: Path | str, size: int, what: str) -> None:
    """Raise ``DataError`` if so many bytes do not fit into half of the free memory of this machine.

    Parameters
    ----------
    path : Path or str
    size : int
        Bytes, 0 or more, computed in Python integers so that no product overflows.
    what : str
        What would take them, for the message.
    """
    import psutil

    free = psutil.virtual_memory().available
    if size > _SHARE * free:
        raise DataError(
            f"{path}: {what} would take {size / 2**30:.1f} GiB, more than half of the {free / 2**30:.1f} GiB that are free: "
            "fetch the file again if it should be smaller, or save fewer rows"
        )
