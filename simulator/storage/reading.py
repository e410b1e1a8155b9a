"""Opening of a ledger without writing anything, not even files beside it."""

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
    """Open the store of a run directory, which may be write-protected, for reading only; see `connected`."""
    with connected(folder / "run.sqlite") as db:
        yield RunStore(folder, db)


@contextmanager
def connected(path: Path) -> Iterator[sqlite3.Connection]:
    """Connect to a ledger without changing or creating any file in its folder.

    Without a write-ahead log (``-wal``) no process is writing, and the file is read directly. The log of a running process is read
    together with its shared index. The log of a killed process is read from a copy, because SQLite would recover it in place.
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
    """Return whether a process has locked this run directory; see `simulator.runs.directory.only_one`."""
    handle = os.open(folder, os.O_RDONLY)
    try:
        fcntl.flock(handle, fcntl.LOCK_SH | fcntl.LOCK_NB)
    except BlockingIOError:
        return True
    finally:
        os.close(handle)
    return False
