"""What every test stands on: one torch thread, offline libraries, and where the optional data lies."""

from __future__ import annotations

import gc
import os

os.environ |= {
    "FLWR_TELEMETRY_ENABLED": "0",
    "FLWR_DISABLE_UPDATE_CHECK": "1",
    "RAY_USAGE_STATS_ENABLED": "0",
    "HF_HUB_OFFLINE": "1",
    "OMP_NUM_THREADS": "1",
}

from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
import torch
from hypothesis import settings
from xdist.remote import Producer
from xdist.scheduler import LoadScopeScheduling

if TYPE_CHECKING:
    from simulator.scenarios.plan import Plan
    from simulator.storage.store import RunStore

torch.set_num_threads(1)
settings.register_profile("lethe", deadline=None, max_examples=40)  # a busy machine is slow, and not wrong
settings.register_profile("thorough", deadline=None, max_examples=400)
settings.load_profile("lethe")

CLUSTERS = (
    "simulator/engines/",
    "simulator/test_engines_agree.py",
    "simulator/test_graph_scenario.py",
    "experiments/test_adult.py",
)
"""Where most tests start Ray: two clusters that start side by side on a small machine can time out, and are then started again."""


class ByFile(LoadScopeScheduling):
    """Keeps the tests of a file, and all that start clusters, in one process: fixtures are made once and clusters stand alone."""

    def _split_scope(self, nodeid: str) -> str:
        file = nodeid.split("::")[0].removeprefix("tests/")
        return "clusters" if file.startswith(CLUSTERS) else file


@pytest.hookimpl(optionalhook=True)
def pytest_xdist_make_scheduler(config: pytest.Config, log: Producer) -> ByFile:
    """Hand out tests so; marks of groups would do the same, but this pytest hides them from xdist."""
    return ByFile(config, log)


@pytest.fixture(scope="session", autouse=True)
def real_reports() -> dict[str, object]:
    """Return what `without_reports` replaces, by name, for runs that several modules read."""
    from simulator.report import svg, writing

    return {"simulator.report.writing.write_both": writing.write_both, "simulator.report.svg.drawn": svg.drawn}


@pytest.fixture(scope="module", autouse=True)
def without_reports(request: pytest.FixtureRequest) -> Iterator[None]:
    """Leave reports of runs empty, and figures out of those that a test asks for: both take a third of a small run's time.

    Modules that look at the files are marked ``reports``.
    """
    from simulator.report import writing

    def write_results(plan: Plan, store: RunStore, folder: Path) -> None:
        writing.write_whole(folder / writing.REPORT, "")
        writing.write_whole(folder / writing.RESULTS, writing.as_text(plan, store))

    with pytest.MonkeyPatch.context() as patch:
        if not request.node.get_closest_marker("reports"):
            patch.setattr(writing, "write_both", write_results)
            patch.setattr("simulator.report.svg.drawn", lambda fig: '<svg viewBox="0 0 1 1"></svg>')
        yield


@pytest.fixture(scope="module")
def own_cache(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """Give the module a cache of its own, so that what it finds equal was computed, and not copied from another run; return its folder."""
    with pytest.MonkeyPatch.context() as patch:
        folder = tmp_path_factory.mktemp("cache")
        patch.setenv("LETHE_CACHE", str(folder))
        yield folder


@pytest.fixture(scope="session")
def shared_data() -> Path:
    """The folder of optional real data beside the checkout; tests that need it are skipped where it is missing."""
    folder = Path(__file__).resolve().parents[2] / "shared" / "data"
    if not folder.is_dir():
        pytest.skip(f"no optional data at {folder}")
    return folder


def pytest_collection_finish() -> None:
    """Leave what was imported out of garbage collections, each of which would look through millions of objects again."""
    gc.collect()
    gc.freeze()
