"""From a scenario to a finished run directory: play, audit, write down, and take up again what was interrupted."""

from __future__ import annotations

import fcntl
import json
import os
import platform
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from importlib.metadata import version
from pathlib import Path

from clients.unlearning.contract import UnlearningError
from simulator.errors import LetheError, StoppedError
from simulator.plan import Plan, resolve
from simulator.progress import Watch
from simulator.run_store import LAYOUT, RunStore, layout_of
from simulator.runs import Run
from simulator.scenario import Scenario

PACKAGES = ("flwr", "ray", "torch", "numpy", "scikit-learn", "networkx", "pydantic", "grpcio")


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
    return _found(resolve(scenario), Path(out))


def resume(folder: Path | str, watch: Watch | None = None) -> Run:
    """Take up a run where its ledger ends, and return it finished; a finished run is returned as it is."""
    folder = Path(folder)
    plan = read_plan(folder)
    with _only_one(folder):
        store = RunStore(folder)
        try:
            _finish(plan, store, folder, watch or Watch())
        except StoppedError as error:
            raise StoppedError(f"{error}; nothing committed is lost: lethe resume {folder}") from None
        finally:
            store.close()
    return Run(folder)


def read_plan(folder: Path) -> Plan:
    """Return the plan of a run directory; ``LetheError`` if there is none, or none that this version can read."""
    if not (folder / "run.sqlite").is_file() or not (folder / "plan.json").is_file():
        raise LetheError(f"{folder}: not a run directory (no plan.json and run.sqlite in it): give the path that `lethe run` printed last")
    again = f"run {folder / 'scenario.toml'} again, or use the version that made it"
    if (layout := layout_of(folder)) != LAYOUT:
        raise LetheError(f"{folder}: made by another version of lethe (layout {layout or 'not told'}, this one reads {LAYOUT}): {again}")
    try:
        return Plan.read((folder / "plan.json").read_text(encoding="utf-8"))
    except (ValueError, LookupError, TypeError, AttributeError, RecursionError) as error:
        what = str(error).partition("\n")[0]
        raise LetheError(f"{folder}: plan.json is no plan that this version reads ({what}): {again}") from None


def _found(plan: Plan, out: Path) -> Path:
    """Make the run directory, whole or not at all, and return it."""
    out.mkdir(parents=True, exist_ok=True)
    stem = f"{plan.name}-{plan.digest[:8]}"
    unfinished = out / f".{stem}.{os.getpid()}"
    unfinished.mkdir()
    try:
        (unfinished / "scenario.toml").write_text(plan.scenario.to_toml())
        (unfinished / "plan.json").write_text(plan.model_dump_json())
        store = RunStore(unfinished)
        store.set_meta("layout", LAYOUT)
        store.set_meta("engine", plan.scenario.engine.kind)
        store.set_meta("plan", plan.digest)
        store.set_meta("versions", json.dumps({"lethe": version("lethe"), "python": platform.python_version(), **_versions()}))
        store.close()
        for number in range(1, 10_000):
            folder = out / (stem if number == 1 else f"{stem}-{number}")
            if not folder.exists():
                unfinished.rename(folder)
                return folder
    except BaseException:
        shutil.rmtree(unfinished, ignore_errors=True)
        raise
    raise LetheError(f"{out}: {stem} was run 9,999 times: move some of its run directories away")


def _versions() -> dict[str, str]:
    return {name: version(name) for name in PACKAGES}


@contextmanager
def _only_one(folder: Path) -> Iterator[None]:
    """Hold the run directory, so that no second process works on it."""
    handle = os.open(folder, os.O_RDONLY)
    try:
        fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
        yield
    except BlockingIOError:
        raise LetheError(f"{folder}: another process is working on this run: wait for it, or end it") from None
    finally:
        os.close(handle)


def _finish(plan: Plan, store: RunStore, folder: Path, watch: Watch) -> None:
    if store.meta("finished"):
        return
    if lacking := plan.lacking(store.last_round()):
        raise LetheError(f"{folder}: {lacking}")
    from server.app import server_app
    from server.correspondence import PeerLostError
    from simulator.audits import audit
    from simulator.report import write_report
    from simulator.results import results

    store.sweep()
    engine = plan.scenario.engine
    with watch, engine.kept():

        def play(one: Plan, where: RunStore, why: str) -> None:
            middle = one.coordinator(where, watch)
            app = server_app(one.timeline, one.briefs, one.returns, where, watch.stage(why, one.rounds, where.last_round()), middle)
            try:
                engine.play(app, "clients.app:app", len(one.briefs))
            except UnlearningError as error:  # what a server has been sent cannot be
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
