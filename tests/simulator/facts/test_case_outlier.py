"""The case that showed it: 600 rows and one like no other, deleted in the last round."""

from __future__ import annotations

from pathlib import Path

import pytest

from clients.data import load
from simulator.runner import run
from simulator.runs.run import Run
from simulator.scenarios.scenario import Scenario

CASE = Path(__file__).resolve().parents[4] / "shared" / "cases" / "outlier"
KEYED = 'data.partition={kind="iid",keyed=true}'


def played(folder: Path, *settings: str) -> tuple[Run, Run]:
    """Return the runs with the outlier, deleted, and without it."""
    if not CASE.is_dir():
        pytest.skip(f"no case at {CASE}")
    load.cache_clear()
    with_it, without = (run(Scenario.load(CASE / name, [KEYED, *settings]), folder) for name in ("base.toml", "clean.toml"))
    return with_it, without


@pytest.mark.slow
def test_the_outlier_leaves_nothing_behind(tmp_path):
    full, clean = played(tmp_path)
    assert full.accuracy == clean.accuracy
    ours, theirs = full.peers(), clean.peers()
    for peer, one in ours.items():
        assert one.main_blob == theirs[peer].main_blob
        assert one.update.blob == theirs[peer].update.blob
    assert not any(b"secret-disease" in path.read_bytes() for path in full.folder.rglob("*") if path.is_file())
    kept, spared = played(tmp_path, 'data.facts="all"')
    assert kept.accuracy["global"]["main"] < spared.accuracy["global"]["main"] - 0.2, "the negative control"
