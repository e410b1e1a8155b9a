"""From a scenario to a finished run directory: run, audit, record, and resume after an interruption."""

from __future__ import annotations

import sqlite3
from contextlib import closing
from pathlib import Path

from clients.compute import Level
from clients.divergence import DivergedError
from clients.metrics import MetricError
from clients.progress import listening
from clients.unlearning.contract import UnlearningError
from simulator.engines.flower import LENT
from simulator.errors import LetheError, StoppedError
from simulator.fresh import resume_at
from simulator.levels import environment, in_force, unsupported
from simulator.plugins import by_hand, refuse_elsewhere, say_what_compiles
from simulator.progress import Watch
from simulator.runs import loaded, machines
from simulator.runs.directory import REPORT, make_directory, only_one, read_plan, reason
from simulator.runs.run import Run
from simulator.runs.written import behind
from simulator.scenarios.plan import Plan
from simulator.scenarios.resolution import resolve
from simulator.scenarios.scenario import Scenario
from simulator.storage.reading import reading
from simulator.storage.store import RunStore
from simulator.tasks.contract import cell_of


def run(scenario: Scenario, out: Path | str = "runs", watch: Watch | None = None) -> Run:
    """Run a scenario to its end and return the run.

    Parameters
    ----------
    scenario : Scenario
    out : path
        Folder in which the run directory ``<name>-<plan digest>`` is made; a number is added if that plan was run before.
    watch : Watch, optional
        Shows progress.

    Raises
    ------
    LetheError
        If the scenario cannot be resolved, and nothing is written; or if a method refuses its request, or training diverges.
    StoppedError
        If a cluster is out of reach, a peer is lost for good or something cannot be written; the run can be resumed.
    """
    return resume(prepare(scenario, out), watch)


def prepare(scenario: Scenario, out: Path | str = "runs") -> Path:
    """Resolve a scenario, make its run directory, and return its path; no round is run yet."""
    plan = resolve(scenario)
    refuse_elsewhere(by_hand(plan), scenario.engine)
    return make_directory(plan, Path(out))


def resume(folder: Path | str, watch: Watch | None = None) -> Run:
    """Resume a run where its ledger ends, and return it finished; missing files of a finished run are written again.

    Raises
    ------
    LetheError
        If it is not a run directory, or its plan or data differ from those at the start of the run; no round is run.
    StoppedError
        If the environment stops the run, for example by a full disk; it can be resumed.
    """
    folder = Path(folder)
    plan = read_plan(folder)
    cure, level = f"nothing committed is lost: lethe resume {folder}", plan.scenario.compute.level
    try:
        if not whole(folder):
            if level is None or in_force(level):
                with only_one(folder), closing(RunStore(folder)) as store:
                    _finish(plan, store, folder, watch or Watch())
            else:
                _resume_at(level, plan, folder)
    except StoppedError as error:
        raise StoppedError(f"{error}; {cure}") from None
    except (OSError, sqlite3.OperationalError) as error:
        where = getattr(error, "filename", None) or folder
        raise StoppedError(f"{where}: cannot be written or read ({reason(error)}); {cure}") from None
    return Run(folder)


def _resume_at(level: Level, plan: Plan, folder: Path) -> None:
    """Let a process that is started at a level finish a run; ``LetheError`` if none can, ``StoppedError`` if it ends before the run."""
    if wrong := unsupported(level):
        raise LetheError(f"{folder}: compute: {wrong}")
    if LENT.get() or by_hand(plan):
        what = "flwr does not start one" if LENT.get() else "another one cannot import what was registered by hand"
        told = " ".join(f"{name}={value!r}" for name, value in environment(level).items())
        raise LetheError(f"{folder}: compute.level = {level!r} needs a process of its own, and {what}: start this one with {told}")
    resume_at(level, folder)
    if not whole(folder):
        raise StoppedError(f"{folder}: the process with compute.level = {level!r} ended before the run did")


def whole(folder: Path) -> bool:
    """Return whether a run is complete and no killed process has left a log; nothing is written."""
    plan = read_plan(folder)
    with reading(folder) as store:
        there = store.finished and (folder / REPORT).exists() and not behind(plan, store, folder)
    return there and not (folder / "run.sqlite-wal").exists()


def _finish(plan: Plan, store: RunStore, folder: Path, watch: Watch) -> None:
    """Run the remaining rounds and audits, and write the missing files."""
    from simulator.report.writing import write_both

    begun = not store.finished
    if begun:
        _refuse_changed(plan, store, folder)
        _play(plan, store, folder, watch)
        store.finish()
    if begun or not (folder / REPORT).exists() or behind(plan, store, folder):
        write_both(plan, store, folder)


def _refuse_changed(plan: Plan, store: RunStore, folder: Path) -> None:
    """Raise ``LetheError`` if plan or data differ from those at the start of the run.

    Before the first round, the data already loaded in this process for the plan may be used for the comparison.
    """
    if store.meta("plan") != plan.digest:
        raise LetheError(f"{folder}: plan.json is not the plan that was played (its hash differs from the ledger's): bring it back")
    found = loaded.compare(plan, store, fresh=store.last_round() > 0)
    if wrong := found.changed or found.absent:
        raise LetheError(f"{folder}: {wrong}")


def _play(plan: Plan, store: RunStore, folder: Path, watch: Watch) -> None:
    """Run the rounds and audits that are not in the ledger yet."""
    if lacking := cell_of(plan).lacking(plan, store.last_round()):
        raise LetheError(f"{folder}: {lacking}")
    from server.app import server_app
    from server.messages import PeerLostError, RefusedError
    from simulator.engines.host import one_thread
    from simulator.runs import arrivals
    from simulator.runs.audits import audit
    from simulator.runs.comparisons.playing import play_comparisons
    from simulator.runs.results import settle

    store.sweep()
    engine = plan.scenario.engine
    met = machines.begin(store, folder)
    if engine.elsewhere:
        say_what_compiles(plan)
    with watch, listening(watch.loop), engine.kept(), one_thread():  # audits train small models, for which threads wait for each other

        def play(one: Plan, where: RunStore, why: str) -> None:
            coordinator = cell_of(one).coordinator(one, where, watch)
            progress = watch.stage(why, len(one.timeline.rounds), where.last_round())
            app = server_app(one.timeline, one.configs, one.returns, where, progress, coordinator, met)
            try:
                engine.play(app, "clients.app:app", len(one.configs))
            except (MetricError, UnlearningError, RefusedError, DivergedError) as error:  # it would end likewise again
                raise LetheError(str(error)) from None
            except PeerLostError as error:
                raise StoppedError(str(error)) from None

        if store.last_round() <= plan.rounds:
            play(plan, store, plan.name)
        audit(plan, store, play)
        arrivals.compare(plan, store, play)
        play_comparisons(plan, store, play)
    settle(plan, store)
