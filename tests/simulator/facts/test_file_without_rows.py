"""After a deletion everything is, byte for byte, what the file without the rows gives."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from fact_tables import ERASED, MAINS, both, scenario

from clients.data import load
from simulator.runner import run
from simulator.runs.given import given
from simulator.runs.run import Run
from simulator.scenarios.resolution import resolve
from simulator.scenarios.scenario import Scenario

SUMMED = {"federation": {"kind": "sums", "model": {"kind": "pca", "components": 2}}, "peers": {"count": 3}}
AVERAGED = {"federation": {"kind": "fedavg"}, "peers": {"count": 3, "main": [MAINS[-1]]}}


def pair(folder: Path, **changes: Any) -> tuple[Scenario, Scenario]:
    """Return a scenario over the file with the strange rows, deleted in the last round, and one over the file without them."""
    gone = both(folder)
    if "federation" in changes:
        others = dict.fromkeys(("distillation", "topology")) | ({"training": None} if changes["federation"]["kind"] == "sums" else {})
        changes = others | changes
    count = changes.get("peers", {"count": len(MAINS)})["count"]
    delete = {"round": 2, "do": "delete", "peers": list(range(count)), "rows": {"ids": gone}}
    load.cache_clear()
    return scenario(folder, "all.csv", event=[delete], **changes), scenario(folder, "clean.csv", event=[], **changes)


def played(folder: Path, **changes: Any) -> tuple[Run, Run]:
    """Return the runs of both scenarios."""
    full, clean = (run(one, folder / "runs") for one in pair(folder, **changes))
    assert len(full.erasures) == len(full.plan.configs), "each peer had strange rows to forget"
    return full, clean


def final(done: Run) -> list[tuple[int, str, float]]:
    """Return every metric of the final evaluation."""
    values = done.metrics[done.metrics["round"] == done.plan.rounds + 1]
    return [tuple(row) for row in values[values["name"].str.contains("accuracy")][["peer", "name", "value"]].itertuples(index=False)]


def artefacts(done: Run) -> dict[int, tuple[bytes, bytes]]:
    """Return each peer's main model and seed at the end."""
    return {number: (peer.main_blob, peer.update.blob) for number, peer in done.peers().items()}


def text_of(done: Run) -> bytes:
    return b"".join(path.read_bytes() for path in sorted(done.folder.rglob("*")) if path.is_file())


def test_every_main_model_of_rows_is_what_the_file_without_them_gives(tmp_path):
    full, clean = played(tmp_path)
    ours, theirs = artefacts(full), artefacts(clean)
    for peer, main in enumerate(MAINS):
        assert ours[peer] == theirs[peer], main
    assert final(full) == final(clean)
    assert len(final(full)) > 4 * len(MAINS)
    assert full.plan.configs[0].data.columns == clean.plan.configs[0].data.columns
    assert ERASED.encode() not in text_of(full), "no file of the run names what only forgotten rows had"


def test_facts_of_all_rows_keep_what_was_forgotten(tmp_path):
    full, clean = played(tmp_path, data={"facts": "all"})
    ours, theirs = artefacts(full), artefacts(clean)
    for peer, main in enumerate(MAINS):
        assert ours[peer] != theirs[peer], main
    assert ERASED.encode() in text_of(full)


def test_sums_are_those_of_the_file_without_the_rows(tmp_path):
    full, clean = played(tmp_path, **SUMMED)
    assert artefacts(full) == artefacts(clean)
    assert final(full) == final(clean)


def test_an_averaged_model_is_that_of_the_file_without_the_rows(tmp_path):
    full, clean = played(tmp_path, **AVERAGED)
    assert final(full) == final(clean)
    assert full.results["accuracy"] == clean.results["accuracy"]


def test_without_keys_the_deal_of_others_moves(tmp_path):
    """The negative control of keyed deals: equal shares are of all rows."""
    for keyed in (True, False):
        full, clean = map(resolve, pair(tmp_path, data={"partition": {"kind": "iid", "keyed": keyed}}))
        gone = {row for erasure in full.timeline.erasures for row in erasure.rows}
        left = [tuple(row for row in config.rows if row not in gone) for config in full.configs]
        assert (left == [config.rows for config in clean.configs]) is keyed
        assert any("not keyed" in line for line in given(full)) is not keyed
