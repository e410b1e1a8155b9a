"""Fuzz test with damaged files: each must be refused with error lines, or read with all of its rows.

``python -m experiments.campaigns.files --count 2000`` draws valid files, damages one, and runs ``lethe check`` on it in a process of its
own. It reports tracebacks, signals, warnings, hangs, and files that are read with another number of rows than an independent reader counts.
"""

from __future__ import annotations

import argparse
import io
import multiprocessing
import shutil
import sys
import tempfile
import time
import traceback
import warnings
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass
from multiprocessing.connection import Connection
from pathlib import Path
from typing import Any

import numpy as np

from experiments.campaigns.mutations import mutate
from experiments.campaigns.samples import SAMPLES

_BAD = ("traceback", "signal", "hang", "silent change", "warning", "untidy refusal")


@dataclass(frozen=True)
class Outcome:
    """The outcome for a file: ``what`` in one word, ``detail`` for users, ``rows`` if it was read."""

    what: str
    detail: str = ""
    rows: int = -1


def look(folder: Path) -> Outcome:
    """Return the outcome of ``lethe check`` for the scenario in a folder."""
    from rich.console import Console

    from clients.data import load
    from simulator.errors import LetheError
    from simulator.scenarios.resolution import resolve
    from simulator.scenarios.scenario import Scenario
    from simulator.terminal.check import describe

    load.cache_clear()
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        try:
            plan = resolve(Scenario.load(folder / "s.toml"))
            Console(file=io.StringIO()).print(describe(plan))
        except LetheError as error:
            told = getattr(error, "lines", (str(error),))
            tidy = all(line and "\n" not in line and len(line) < 1000 for line in told)
            return Outcome("refused" if tidy else "untidy refusal", str(error))
        except BaseException:
            return Outcome("traceback", traceback.format_exc())
    ours = [one for one in caught if not issubclass(one.category, DeprecationWarning)]
    if ours:
        return Outcome("warning", str(ours[0].message))
    return Outcome("read", rows=len(load(plan.configs[0].data)))


def _serve(pipe: Connection, looking: Callable[[Any], Any]) -> None:
    """Check one folder after another."""
    while folder := pipe.recv():
        pipe.send(looking(folder))


class Worker:
    """A process that checks files, and is replaced if a file crashes or hangs it."""

    def __init__(self, limit: float, looking: Callable[[Any], Any] = look) -> None:
        self.limit, self.looking = limit, looking
        self._start()

    def _start(self) -> None:
        context = multiprocessing.get_context("spawn")
        self.pipe, theirs = context.Pipe()
        self.process = context.Process(target=_serve, args=(theirs, self.looking), daemon=True)
        self.process.start()
        theirs.close()

    def look(self, folder: Path) -> Outcome:
        """Return the outcome for the file in a folder."""
        self.pipe.send(folder)
        try:
            if self.pipe.poll(self.limit):
                found: Outcome = self.pipe.recv()
                return found
            outcome = Outcome("hang", f"no answer within {self.limit:g} s")
        except EOFError:
            self.process.join()
            outcome = Outcome("signal", f"the process ended with {self.process.exitcode}")
        self.process.kill()
        self._start()
        return outcome

    def close(self) -> None:
        """End the process."""
        self.pipe.send(None)
        self.process.join()


def trial(number: int, seed: int, folder: Path, worker: Worker, kinds: list[str]) -> tuple[str, str, Outcome]:
    """Damage a file and return its kind, the damage, and the outcome."""
    draw = np.random.default_rng((seed, number))
    kind = kinds[number % len(kinds)]
    sample = SAMPLES[kind]
    sample.write(folder, draw)
    (folder / "s.toml").write_text(sample.scenario())
    targets = sorted(folder.glob(sample.target))
    how = mutate(targets[int(draw.integers(len(targets)))], draw)
    outcome = worker.look(folder)
    if outcome.what == "read" and (held := sample.rows(folder)) is not None and held != outcome.rows:
        outcome = Outcome("silent change", f"read {outcome.rows} rows where {held} are")
    return kind, how, outcome


def run(count: int, seed: int, limit: float, kinds: list[str], keep: Path | None) -> int:
    """Test files, print findings, and return the number of bad outcomes."""
    worker, table, bad, start, slowest = Worker(60.0), Counter[tuple[str, str]](), 0, time.monotonic(), 0.0
    with tempfile.TemporaryDirectory() as first:  # warm-up: the first check imports the modules
        good = Path(first)
        SAMPLES["csv"].write(good, np.random.default_rng(seed))
        (good / "s.toml").write_text(SAMPLES["csv"].scenario())
        assert worker.look(good).what == "read"
    worker.limit = limit
    for number in range(count):
        with tempfile.TemporaryDirectory() as name:
            began = time.monotonic()
            kind, how, outcome = trial(number, seed, Path(name), worker, kinds)
            slowest = max(slowest, time.monotonic() - began)
            table[kind, outcome.what] += 1
            if outcome.what in _BAD:
                bad += 1
                print(f"{number}: {kind} ({how}): {outcome.what}: {outcome.detail}", flush=True)
                if keep is not None:
                    shutil.copytree(name, keep / str(number), dirs_exist_ok=True)
    worker.close()
    for kind in kinds:
        print(f"{kind}: " + ", ".join(f"{times} {what}" for (one, what), times in sorted(table.items()) if one == kind))
    print(f"{count} files in {time.monotonic() - start:.0f} s, the slowest {slowest:.1f} s; {bad} bad")
    return bad


def main() -> None:
    """Run the campaign from the command line."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--count", type=int, default=2000, help="files to try")
    parser.add_argument("--seed", type=int, default=0, help="of the files and their damage")
    parser.add_argument("--limit", type=float, default=20.0, help="seconds until a look counts as a hang")
    parser.add_argument("--kind", action="append", choices=list(SAMPLES), help="try this kind alone; may be given again")
    parser.add_argument("--keep", type=Path, help="folder for the files that came to a bad end")
    given = parser.parse_args()
    sys.exit(run(given.count, given.seed, given.limit, given.kind or list(SAMPLES), given.keep) > 0)


if __name__ == "__main__":
    main()
