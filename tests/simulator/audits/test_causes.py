"""The audit causes: failures of validation rows, whose causes it ranks, and events that can be pasted."""

from __future__ import annotations

import tomllib
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from clients.data import Dataset
from clients.data.rows import Column
from simulator.audits.contract import RUN, Branch, NotJudgedError
from simulator.audits.models import Model, models
from simulator.errors import ScenarioError
from simulator.report.writing import page
from simulator.runs.run import Run
from simulator.runs.verify import verify
from simulator.scenarios.resolution import resolve
from simulator.scenarios.scenario import Scenario
from simulator.storage.reading import reading
from simulator.storage.store import RunStore
from simulator.tasks.replica import peers_at_end

Play = Callable[..., Run]
DATA = {"dataset": "digits", "rows": 400, "reference": 40, "test": 60, "validation": 80, "partition": {"kind": "iid"}}
PEERS = {
    "count": 3,
    "main": [
        {"kind": "approximate", "base": {"kind": "linear"}, "method": "repair"},
        {"kind": "linear"},
        {"kind": "sisa", "shards": 2, "slices": 1, "base": {"kind": "linear"}},
    ],
    "seed": {"kind": "linear"},
}
SMALL = {"rounds": 2, "data": DATA, "peers": PEERS, "topology": {"kind": "complete"}}


def audit(**settings: Any) -> dict[str, Any]:
    return {"counterfactual": False, "causes": settings or True}


@pytest.fixture(scope="module")
def judged(scenario: Callable[..., Scenario], tmp_path_factory: pytest.TempPathFactory) -> Run:
    from simulator.runner import run

    return run(scenario(**SMALL, event=[], audit=audit(top=4)), tmp_path_factory.mktemp("runs"))


def findings(run: Run) -> list[dict[str, Any]]:
    found: list[dict[str, Any]] = run.results["examined"]["causes"]["findings"]
    return found


def examined(run: Run, **settings: Any) -> list[dict[str, Any]]:
    """Return what the audit with other settings finds in a run."""
    from simulator.audits.causes import Causes

    with reading(run.folder) as store:
        return Causes(**settings).examine(Branch(store, peers_at_end(run.plan, store)))


def test_each_network_is_judged_by_itself_and_others_say_why_not(judged: Run) -> None:
    repair, linear, sisa = findings(judged)
    for peer, one in enumerate((repair, linear)):
        assert (one["model"], one["validation"]) == (f"peer {peer}", 80)
        assert 0 < one["failures"] < 80
        assert len(one["causes"]) == 4
        assert [cause["score"] for cause in one["causes"]] == sorted((cause["score"] for cause in one["causes"]), reverse=True)
        assert {row for cause in one["causes"] for row in cause["ids"]} <= set(judged.plan.configs[peer].rows)
    assert "is not one network" in sisa["reason"]
    assert verify(judged.folder) == []


def test_the_event_can_be_pasted_and_is_carried_out_by_repair(judged: Run, scenario: Callable[..., Scenario], play: Play) -> None:
    events = [event for one in findings(judged)[:1] for event in tomllib.loads(one["event"])["event"]]
    assert events[0] | {"rows": {}} == {"round": 2, "do": "delete", "peers": [0], "rows": {}}
    (row,) = play(**SMALL, event=events, audit={"counterfactual": False}).results["erasures"]
    assert (row["rows"], row["guarantee"], row["kind"]) == (4, "approximate", "rows")


def test_failures_are_validation_rows_and_no_test_rows(judged: Run) -> None:
    with reading(judged.folder) as store:
        model = next(models(Branch(store, peers_at_end(judged.plan, store))))
        config = judged.plan.configs[0]
        assert isinstance(model, Model)
        assert set(model.failures().ids) <= set(config.validation)
        assert not set(config.validation) & {*config.test, *config.reference, *(row for one in judged.plan.configs for row in one.rows)}


@pytest.mark.parametrize(("by", "first"), [("source", "peer 0"), ("class", "class "), ("cluster", "cluster ")])
def test_groups_are_ranked_and_the_worst_is_in_the_event(judged: Run, by: str, first: str) -> None:
    one = examined(judged, by=by, clusters=3)[0]
    assert one["causes"][0]["name"].startswith(first)
    assert sorted(row for cause in one["causes"] for row in cause["ids"]) == sorted(judged.plan.configs[0].rows)


def test_the_event_lets_holders_without_rows_leave_and_others_delete(judged: Run) -> None:
    from simulator.audits.causes import _event

    with reading(judged.folder) as store:
        model = next(models(Branch(store, peers_at_end(judged.plan, store))))
        assert isinstance(model, Model)
    (own,) = [rows.ids.tolist() for rows in model.parts.values()]
    assert tomllib.loads(_event(own, model))["event"] == [{"round": 2, "do": "leave", "peers": [0], "erase": True}]
    deletion = {"round": 2, "do": "delete", "peers": [0], "rows": {"ids": sorted(own[1:])}}
    assert tomllib.loads(_event(own[1:], model))["event"] == [deletion]
    assert _event([], model) == ""


def test_a_source_may_be_a_column(scenario: Callable[..., Scenario], tmp_path: Path, play: Play, judged: Run) -> None:
    chance, lines = np.random.default_rng(0), ["size,site,kind"]
    for i in range(120):
        site, size = "ab"[i % 2], chance.normal()
        lines.append(f"{size:.3f},{site},{('low', 'high')[int((size > 0) != (site == 'b' and i % 4 == 1))]}")
    (tmp_path / "table.csv").write_text("\n".join(lines))
    counts = {"reference": 20, "test": 20, "validation": 30}
    data = {"dataset": "csv", "path": str(tmp_path / "table.csv"), **counts, "partition": {"kind": "iid"}}
    peers = {"count": 2, "main": [{"kind": "linear"}], "seed": {"kind": "linear"}}
    run = play(**SMALL | {"data": data, "peers": peers}, event=[], audit=audit(by="source", column="site"))
    assert {cause["name"] for cause in findings(run)[0]["causes"]} == {"site a", "site b"}
    with pytest.raises(NotJudgedError, match="column 'size' is no categorical column: take one of site"):
        examined(run, by="source", column="size")
    with pytest.raises(NotJudgedError, match="the data have none, leave column out"):
        examined(judged, by="source", column="site")


def test_a_name_that_two_columns_have_names_no_source() -> None:
    from simulator.audits.causes import _values

    site = Column("site", 0.0, 1.0, 2)
    found = Dataset(np.zeros((2, 2), np.float32), np.zeros(2, np.int64), ("in",), (site, site), categories=(("a", "b"),) * 2)
    with pytest.raises(NotJudgedError, match="2 columns are called 'site'"):
        _values(found, "site", found.x)


def test_an_averaged_model_is_judged_over_the_rows_of_all_holders(tmp_path: Path) -> None:
    from simulator.runner import run

    table = {"name": "averaged", "seed": 5, "rounds": 2, "data": DATA | {"reference": 1}, "federation": {"kind": "fedavg"}}
    peers = {"count": 3, "main": [{"kind": "linear"}]}
    done = run(Scenario.parse(table | {"peers": peers, "training": {"epochs": 2}, "audit": audit(by="source")}), tmp_path)
    (one,) = findings(done)
    assert one["model"] == "the server's model"
    assert {cause["name"] for cause in one["causes"]} == {"peer 0", "peer 1", "peer 2"}
    assert all(tuple(cause["ids"]) == done.plan.configs[int(cause["name"][-1])].rows for cause in one["causes"])


def test_what_was_found_stands_in_report_and_terminal(judged: Run, capsys: pytest.CaptureFixture[str]) -> None:
    from simulator.terminal.results import show_results

    show_results(judged)
    told = capsys.readouterr().out
    assert "validation rows fail; by what forgetting would help: row " in told
    assert "[[event]]" in told
    assert "What made models fail" in page(judged.folder)


def test_without_validation_rows_the_scenario_is_refused(scenario: Callable[..., Scenario]) -> None:
    one = scenario(**SMALL | {"data": DATA | {"validation": 0}}, event=[], audit=audit())
    with pytest.raises(ScenarioError, match=r"audit\.causes: needs validation rows, and none are set aside: set data\.validation"):
        resolve(one)


def test_a_column_that_is_none_is_refused_before_the_run(scenario: Callable[..., Scenario]) -> None:
    one = scenario(**SMALL, event=[], audit=audit(by="source", column="ward"))
    with pytest.raises(ScenarioError, match=r"audit\.causes: column 'ward' is no categorical column: the data have none, leave column out"):
        resolve(one)


def test_a_missing_row_is_noticed(play: Play) -> None:
    run = play(**SMALL, event=[], audit=audit())
    store = RunStore(run.folder)
    store.db.execute("delete from audits where name = 'causes/run'")
    store.close()
    assert any("audit causes has no row, though the run is finished" in line for line in verify(run.folder))


@pytest.mark.parametrize(
    ("settings", "said"), [({"by": "peer"}, "by"), ({"top": 0}, "top"), ({"column": "site"}, "column names the source of a row")]
)
def test_bad_settings_are_refused(scenario: Callable[..., Scenario], settings: dict[str, Any], said: str) -> None:
    with pytest.raises(ScenarioError, match=said):
        scenario(**SMALL, event=[], audit=audit(**settings))


def test_the_run_alone_is_looked_at(judged: Run) -> None:
    from simulator.audits.causes import Causes

    assert Causes().rows(exact=False) == ()
    with pytest.raises(NotJudgedError, match="of the run, not of an erasure"):
        Causes().judge(None, [], {RUN: None})  # type: ignore[arg-type]
