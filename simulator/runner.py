"""From a scenario to a finished run directory: play, audit, write down, and take up again what was interrupted."""

from __future__ import annotations

import json
from pathlib import Path

from clients.metrics import MetricError
from clients.unlearning.contract import UnlearningError
from simulator.errors import LetheError, StoppedError
from simulator.plugins import by_hand, refuse_elsewhere
from simulator.progress import Watch
from simulator.runs.directory import make_directory, only_one, read_plan
from simulator.runs.run import Run
from simulator.scenarios.plan import Plan
from simulator.scenarios.resolution import resolve
from simulator.scenarios.scenario import Scenario
from simulator.storage.store import RunStore
from simulator.tasks.contract import cell_of


def run(scenario: Scenario, out: Path | str = "runs", watch: Watch | None = None) -> Run:
    """Run a scenario to its end and return the run.

    Parameters
    ----------
    scenario : Scenario
    out : path
        Folder in which the run directory ``<name>-<plan digest>`` is made; a number is added where that plan was run before.
    watch : Watch, optional
        Told of progress.

    Raises
    ------
    LetheError
        If the scenario cannot be resolved; nothing is written.
    StoppedError
        If a cluster is out of reach or a peer is lost for good; the run can be resumed.
    """
    return resume(prepare(scenario, out), watch)


def prepare(scenario: Scenario, out: Path | str = "runs") -> Path:
    """Resolve a scenario, make its run directory, and return its path; nothing is played yet."""
    plan = resolve(scenario)
    refuse_elsewhere(by_hand(plan), scenario.engine)
    return make_directory(plan, Path(out))


def resume(folder: Path | str, watch: Watch | None = None) -> Run:
    """Take up a run where its ledger ends, and return it finished; a finished run is returned as it is."""
    folder = Path(folder)
    plan = read_plan(folder)
    with only_one(folder):
        store = RunStore(folder)
        try:
            _finish(plan, store, folder, watch or Watch())
        except StoppedError as error:
            raise StoppedError(f"{error}; nothing committed is lost: lethe resume {folder}") from None
        finally:
            store.close()
    return Run(folder)


def _finish(plan: Plan, store: RunStore, folder: Path, watch: Watch) -> None:
    if store.meta("finished"):
        return
    if lacking := cell_of(plan).lacking(plan, store.last_round()):
        raise LetheError(f"{folder}: {lacking}")
    from server.app import server_app
    from server.messages import PeerLostError
    from simulator.report.writing import write_report
    from simulator.runs.audits import audit
    from simulator.runs.results import results

    store.sweep()
    engine = plan.scenario.engine
    with watch, engine.kept():

        def play(one: Plan, where: RunStore, why: str) -> None:
            coordinator = cell_of(one).coordinator(one, where, watch)
            progress = watch.stage(why, len(one.timeline.rounds), where.last_round())
            app = server_app(one.timeline, one.configs, one.returns, where, progress, coordinator)
            try:
                engine.play(app, "clients.app:app", len(one.configs))
            except (MetricError, UnlearningError) as error:  # what a server has been sent cannot be
                raise LetheError(str(error)) from None
            except PeerLostError as error:
                raise StoppedError(str(error)) from None

        if store.last_round() <= plan.rounds:
            play(plan, store, plan.name)
        audit(plan, store, play)
    _write(folder / "results.json", json.dumps(results(plan, store), indent=1))
    store.set_meta("finished", "yes")
    write_report(folder)


def _write(path: Path, text: str) -> None:
    """Write a file whole or not at all."""
    unfinished = path.with_suffix(".unfinished")
    unfinished.write_text(text)
    unfinished.rename(path)
