"""Opening a ledger so that nothing is written, not even beside it."""

from __future__ import annotations

import fcntl
import os
import shutil
import sqlite3
import tempfile
from collections.abc import Iterator
from contextlib import closing, contextmanager
from pathlib import Path
from urllib.parse import quote

from simulator.storage.store import RunStore


@contextmanager
def reading(folder: Path) -> Iterator[RunStore]:
    """Open the store of a run directory, which may be read-only, for reading only; see `connected`."""
    with connected(folder / "run.sqlite") as db:
        yield RunStore(folder, db)


@contextmanager
def connected(path: Path) -> Iterator[sqlite3.Connection]:
    """Connect to a ledger so that no byte of its folder changes and no file appears there.

    Without a log (``-wal``) nobody is writing, and the file is read as it stands. The log of a process that is at work is read together
    with its index, which is there too. What a killed process left is read from a copy: SQLite would take the log up where it lies.
    """
    log = path.with_name(f"{path.name}-wal")
    if not log.exists():
        with closing(_open(path, "mode=ro&immutable=1")) as db:
            yield db
    elif _at_work(path.parent):
        with closing(_open(path, "mode=ro")) as db:
            yield db
    else:
        with tempfile.TemporaryDirectory(prefix="lethe-") as there:
            copy = Path(there) / path.name
            for one in (path, log):
                shutil.copyfile(one, copy.with_name(one.name))
            with closing(_open(copy, "mode=rw")) as db:
                yield db


def _open(path: Path, how: str) -> sqlite3.Connection:
    where = f"file:{quote(os.fsencode(path.resolve()))}?{how}"
    return sqlite3.connect(where, uri=True, isolation_level=None, timeout=30, check_same_thread=False)


def _at_work(folder: Path) -> bool:
    """Return whether a process holds this run directory; see `simulator.runs.directory.only_one`."""
    handle = os.open(folder, os.O_RDONLY)
    try:
        fcntl.flock(handle, fcntl.LOCK_SH | fcntl.LOCK_NB)
    except BlockingIOError:
        return True
    finally:
        os.close(handle)
    return False
