"""A run with a pinned vector level, taken up by a process that was started with it."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

from clients.compute import Level
from simulator.errors import LetheError, StoppedError
from simulator.levels import environment


def resume_at(level: Level, folder: Path) -> None:
    """Let a fresh process take up a run; its progress comes on this one's standard error. Raises what stopped it, as `simulator.resume`."""
    paths = os.pathsep.join(filter(None, sys.path))
    command = [sys.executable, "-m", "simulator.cli", "resume", str(folder)]
    fresh = {**os.environ, **environment(level), "PYTHONPATH": paths}
    with subprocess.Popen(command, env=fresh, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True) as process:
        last = ""
        try:
            for line in process.stderr or ():
                last = line.strip()
                if not last.startswith(("lethe: ", "verdict: ")):
                    print(last, file=sys.stderr, flush=True)
        except BaseException:
            process.terminate()
            raise
    told = last.removeprefix("lethe: ") if last.startswith("lethe: ") else ""
    if process.returncode == 3:
        raise StoppedError(told.partition("; nothing committed is lost")[0])
    if process.returncode == 2 and told:
        raise LetheError(told)
    if process.returncode not in (0, 1):  # killed, or ended by a signal: what it said last is progress
        raise StoppedError(f"{folder}: the process with compute.level = {level!r} ended with {process.returncode}")
