"""Many runs of one scenario, from what is varied to one table."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from functools import partial
from pathlib import Path
from typing import Any

from simulator.errors import LetheError, StoppedError, is_full
from simulator.progress import Watch
from simulator.runs.directory import reason
from simulator.runs.run import Run
from simulator.runs.written import write_whole
from simulator.scenarios.scenario import Scenario
from simulator.sweeps.design import Make, Planned, designed
from simulator.sweeps.directory import LATEX, REPORT, TABLE, held, run_directory
from simulator.sweeps.page import page
from simulator.sweeps.playing import Ended, play_all
from simulator.sweeps.progress import Progress
from simulator.sweeps.result import Played, Sweep
from simulator.sweeps.tables import as_csv, as_latex
from simulator.sweeps.variants import check_seeds, variants


def sweep(
    scenario: Scenario | Path | str,
    seeds: Iterable[int] | None = None,
    vary: Mapping[str, Sequence[Any]] | None = None,
    out: Path | str = "sweeps",
    *,
    settings: Sequence[str] = (),
    jobs: int = 1,
    watch: Watch | None = None,
) -> Sweep:
    """Play a scenario with every combination of varied values with every seed, and write one table of what came of it.

    Runs that are finished are taken as they are, those that are not are resumed: called again after it was stopped or killed, it goes on
    where it was. A run is known by the hash of its plan, in other sweeps in the same folder too.

    Parameters
    ----------
    scenario : Scenario or path
    seeds : iterable of int, optional
        The scenario's own seed unless told.
    vary : mapping, optional
        Values by key, the key as in ``--set``: ``{"data.partition.alpha": [0.1, 0.3, 1]}``.
    out : path
        Folder in which the directory of the sweep ``<name>-<digest>`` is made.
    settings : sequence of str
        Changes ``key.path=value`` for all runs.
    jobs : int
        How many runs are played at once; more than one are played in processes of their own.
    watch : Watch, optional
        Shows progress.

    Raises
    ------
    LetheError
        If nothing is swept, or a run cannot be resolved; nothing is written. A run that cannot be finished is in ``Sweep.stopped`` instead.
    StoppedError
        If the table cannot be written for lack of room.
    """
    if isinstance(jobs, bool) or not isinstance(jobs, int) or jobs < 1:
        raise LetheError(f"jobs = {jobs!r}: is no number of runs to be played at once: give 1 or more")
    if seeds is None and not vary:
        raise LetheError("an empty sweep: give seeds (--seeds 0:5), values of a key (--vary key.path='[value, value]'), or both")
    base = _maker(scenario, settings)
    chosen = check_seeds([base(()).seed] if seeds is None else seeds)
    choices = variants(vary or {}, len(chosen))
    with watch or Watch() as showing:
        advance = showing.items("plans", len(choices) * len(chosen))
        design = designed(base, choices, chosen, jobs, lambda: advance(1, "", ""))
        progress = Progress(design, showing)
        with held(design, Path(out)) as (folder, lock):
            play_all(design.runs, jobs, partial(run_directory, folder), progress, lock)
            done = Sweep(folder, design, [_played(one, *progress.ends[one.digest]) for one in design.runs])
            if done.runs:
                _write(done)
    return done


def _played(one: Planned, folder: Path | None, end: Ended) -> Played:
    status, why = end
    return Played(one, Run(folder) if folder is not None and status == 0 else None, status, why)


def _maker(scenario: Scenario | Path | str, settings: Sequence[str]) -> Make:
    """Return what makes the scenario with changes, after those for all runs."""

    def make(changes: Sequence[str]) -> Scenario:
        if isinstance(scenario, Scenario):
            return Scenario.parse(scenario.to_toml(), [*settings, *changes], scenario.source)
        return Scenario.load(scenario, [*settings, *changes])

    return make


def _write(done: Sweep) -> None:
    """Write the tables and the report atomically; an unchanged file is not written again."""
    texts = {TABLE: as_csv(done.design, done.lines), LATEX: as_latex(done.design, done.lines), REPORT: page(done)}
    for name, text in texts.items():
        path = done.folder / name
        try:
            if not path.is_file() or path.read_bytes() != text.encode():
                write_whole(path, text)
        except OSError as error:
            kind = StoppedError if is_full(error) else LetheError
            raise kind(f"{path}: cannot be written ({reason(error)}); no run is lost: make room or access, and sweep again") from None
