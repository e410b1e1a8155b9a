"""Gaps between groups: what the audit tells is what the stored predictions say, and what has no groups is refused."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest

from clients import data, wire
from clients.data.rows import Column
from simulator.audits.gaps import Gaps
from simulator.errors import LetheError
from simulator.runner import run
from simulator.runs.run import Run
from simulator.runs.verify import verify
from simulator.scenarios.resolution import resolve
from simulator.scenarios.scenario import Scenario
from simulator.storage.store import RunStore

COLUMN, GAPS = "club", {"column": "club", "label": "in"}
BLIND = {"round": 2, "do": "correct", "peers": [0, 1], "feature": COLUMN, "value": "red"}


def table(folder: Path) -> Path:
    """Write rows of which one club's are mostly in, whatever their points."""
    chance = np.random.default_rng(0)
    red, points = chance.random(240) < 0.5, chance.random(240)
    inside = points + 0.8 * red + 0.3 * chance.normal(size=240) > 0.9
    lines = (f"{'red' if r else 'blue'},{p:.4f},{'in' if i else 'out'}" for r, p, i in zip(red, points, inside, strict=True))
    path = folder / "clubs.csv"
    path.write_text("\n".join(["club,points,place", *lines]) + "\n")
    return path


def scenario(path: Path, **changes: Any) -> Scenario:
    peers = {"count": 2, "main": [{"kind": "ridge"}], "seed": {"kind": "linear"}}
    source = {"dataset": "csv", "path": str(path), "label": "place", "reference": 40, "test": 80, "partition": {"kind": "iid"}}
    audit = {"counterfactual": True, "gaps": GAPS}
    given = {"name": "clubs", "rounds": 2, "data": source, "peers": peers, "topology": {"kind": "complete"}}
    return Scenario.parse(given | {"event": [BLIND], "audit": audit} | changes)


@pytest.fixture(scope="module")
def finished(tmp_path_factory: pytest.TempPathFactory) -> Run:
    folder = tmp_path_factory.mktemp("gaps")
    return run(scenario(table(folder)), folder)


def test_the_gap_is_that_of_the_stored_predictions(finished: Run) -> None:
    config = finished.plan.configs[0]
    source, test = data.load(config.data), np.asarray(config.test)
    store = RunStore(finished.folder)
    ((sha256,),) = store.rows("select sha256 from probabilities where peer = 0")
    chosen = wire.from_bytes(store.artefact(sha256))["probabilities"].argmax(axis=1)
    store.close()
    club = source.x[test, 0]
    shares = [(chosen[club == code] == source.labels.index("in")).mean() for code in np.unique(club)]
    right = [(chosen[club == code] == source.y[test][club == code]).mean() for code in np.unique(club)]
    first = finished.results["erasures"][0]
    assert first["gap_positive"] == pytest.approx(max(shares) - min(shares))
    assert first["gap_accuracy"] == pytest.approx(max(right) - min(right))
    assert verify(finished.folder) == []


def test_a_column_that_decides_no_more_leaves_a_smaller_gap_than_before(finished: Run) -> None:
    for one in finished.results["erasures"]:
        assert one["gap_positive"] == one["gap_positive_counterfactual"], "a ridge corrects exactly"
        assert one["gap_positive"] < one["gap_positive_original"] - 0.1
        assert one["gap_positive_nothing"] > one["gap_positive"] + 0.1


def test_groups_of_too_few_rows_are_not_compared(tmp_path: Path) -> None:
    done = run(scenario(table(tmp_path), audit={"gaps": GAPS | {"least": 60}, "counterfactual": False}), tmp_path)
    one = done.results["erasures"][0]
    assert one["not_judged"]["gaps"] == "not judged: fewer than two groups of 60 test rows, or no peer, are there to compare"
    assert "gap_positive" not in one


@pytest.mark.parametrize(
    ("gaps", "words"),
    [
        (GAPS | {"column": "points"}, "audit.gaps: column 'points' is none with categories: name one of club"),
        (GAPS | {"label": "between"}, "audit.gaps: no class is called between: name one of in, out"),
    ],
)
def test_what_cannot_be_compared_is_refused(gaps: dict[str, Any], words: str, tmp_path: Path) -> None:
    with pytest.raises(LetheError) as caught:
        resolve(scenario(table(tmp_path), audit={"gaps": gaps}))
    assert words in str(caught.value)


def test_two_columns_of_one_name_are_refused() -> None:
    club = Column(COLUMN, 0.0, 1.0, 2)
    found = data.Dataset(np.zeros((2, 2), np.float32), np.zeros(2, np.int64), ("in",), (club, club))
    assert Gaps(**GAPS).unfit(found) == "2 columns are called 'club': give each a name of its own"  # type: ignore[arg-type]


def test_data_without_categories_have_no_groups(tmp_path: Path) -> None:
    wine = {"dataset": "wine", "reference": 20, "test": 20, "partition": {"kind": "iid"}}
    with pytest.raises(LetheError, match=r"audit\.gaps: column 'club' is none with categories: this data set has none: remove the audit"):
        resolve(scenario(tmp_path, data=wine, event=[]))


def test_column_and_class_must_be_named(tmp_path: Path) -> None:
    with pytest.raises(LetheError, match=r"audit\.gaps: .*needs to be told column and label: write a table with these keys"):
        scenario(tmp_path, audit={"gaps": True})
    with pytest.raises(LetheError, match=r"audit\.gaps\.label: is missing: add this key"):
        scenario(tmp_path, audit={"gaps": {"column": COLUMN}})


def test_the_audit_survives_as_json(tmp_path: Path) -> None:
    plan = resolve(scenario(table(tmp_path)))
    assert type(plan).model_validate_json(plan.model_dump_json()).audit.asked["gaps"] == plan.audit.asked["gaps"]
    assert "gaps" not in resolve(scenario(table(tmp_path), audit={})).model_dump_json()
