"""Methods compared on one request: what each row says, what is kept of the runs, a killed comparison, and claims that are wrong."""

from __future__ import annotations

import io
import json
import os
import signal
from collections.abc import Callable
from pathlib import Path
from typing import Any, Literal, cast

import numpy as np
import pytest
from rich.console import Console

from clients.unlearning.contract import Cost, Outcome, UnlearningError
from clients.unlearning.general.contract import MethodSpec
from simulator import Scenario, register, resolve, resume, run
from simulator.audits.contract import Branch
from simulator.errors import ScenarioError
from simulator.progress import Watch
from simulator.report.collect import collect
from simulator.report.render import render
from simulator.runner import prepare
from simulator.runs.comparisons import figures, playing
from simulator.runs.comparisons.rows import verdict
from simulator.runs.run import Run
from simulator.runs.verify import verify
from simulator.storage.reading import reading
from simulator.storage.store import RunStore
from simulator.sweeps.measures import measures
from simulator.terminal.check import describe
from simulator.terminal.check_json import plain
from simulator.terminal.results import show_results

SMALL: dict[str, Any] = {
    "name": "compared",
    "seed": 3,
    "rounds": 3,
    "data": {"dataset": "digits", "rows": 140, "reference": 20, "test": 40, "partition": {"kind": "iid"}},
    "peers": {"count": 3, "main": [{"kind": "linear"}]},
    "training": {"epochs": 1, "batch_size": 8},
    "audit": {"counterfactual": False},
}
DELETE = {"round": 3, "do": "delete", "peer": 2, "rows": {"fraction": 0.5}}
NETWORK = {"kind": "linear"}
AVERAGED: dict[str, Any] = SMALL | {
    "federation": {"kind": "fedavg"},
    "event": [{"round": 2, "do": "join", "peers": [2]}, DELETE | {"method": "finetune"}],
    "compare": [{"event": 1, "methods": ["rollback", "retrain", "finetune", "cf_k"]}],
}
HDUS: dict[str, Any] = SMALL | {
    "rounds": 2,
    "peers": {"count": 3, "main": [{"kind": "approximate", "base": NETWORK, "method": "finetune"}], "seed": NETWORK},
    "distillation": {"epochs": 1},
    "topology": {"kind": "complete"},
    "event": [DELETE | {"round": 2}],
    "compare": [{"event": 0, "methods": ["retrain", {"kind": "finetune", "rounds": 2}, "finetune"]}],
}
LEFT = {"event": [{"round": 2, "do": "leave", "peers": [2], "erase": True}], "compare": [{"event": 0, "methods": ["drop_seed"]}]}
REFERENCES = ["original", "did nothing", "retrained", "retrained again"]
Played = tuple[Run, dict[str, RunStore]]


def play(folder: Path, raw: dict[str, Any], **changes: Any) -> Played:
    """Return a run, and the ledger of each of its comparison's runs, by row."""
    stores: dict[str, RunStore] = {}
    honest = playing._Runs._played

    def kept(self: Any, plan: Any, store: RunStore, why: str) -> Branch:
        stores[why.partition(": ")[0]] = store
        return honest(self, plan, store, why)

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(playing._Runs, "_played", kept)
        return run(Scenario.parse(raw | changes), folder, Watch()), stores


@pytest.fixture(scope="module")
def averaged(tmp_path_factory: pytest.TempPathFactory) -> Played:
    return play(tmp_path_factory.mktemp("averaged"), AVERAGED)


@pytest.fixture(scope="module")
def hdus(tmp_path_factory: pytest.TempPathFactory) -> Played:
    return play(tmp_path_factory.mktemp("hdus"), HDUS)


def rows(done: Run) -> dict[str, dict[str, Any]]:
    (one,) = done.results["compare"]
    return {row["row"]: row for row in one["compared"]}


def test_a_server_carries_the_request_out_by_every_method(averaged: Played) -> None:
    found = rows(averaged[0])
    assert list(found) == [*REFERENCES, "rollback", "retrain", "finetune", "cf_k"]
    for name in ("rollback", "retrain"):
        assert (found[name]["guarantee"], found[name]["parameters"], found[name]["predictions"]) == ("exact", 0.0, 0.0)
        assert found[name]["verdict"] == "proven"
    for name in ("original", "did nothing", "retrained again", "finetune", "cf_k"):
        assert found[name]["parameters"] > 1e-3, "the control"
        assert found[name]["predictions"] > 1e-4, "the control"
    assert (found["finetune"]["guarantee"], found["finetune"]["verdict"]) == ("approximate", "measured")
    assert verify(averaged[0].folder) == []


def test_accuracies_stand_with_their_rows_and_intervals(averaged: Played) -> None:
    done, _ = averaged
    (erasure,) = done.plan.timeline.erasures
    dealt = sum(len(config.rows) for config in done.plan.configs)
    sizes = {"forget": len(erasure.rows), "retain": dealt - len(erasure.rows), "test": 40}
    for row in rows(done).values():
        for name, n in sizes.items():
            told = row[name]
            assert told["n"] == n
            assert told["low"] < told["accuracy"] < told["high"]
            assert told["accuracy"] * n == pytest.approx(round(told["accuracy"] * n)), "every row counts once"
    final = done.results["metrics"]["accuracy"]["global"]["model"]
    assert rows(done)["finetune"]["test"]["accuracy"] == pytest.approx(final), "the event's own method, in the last round"


def test_costs_are_those_of_the_request(averaged: Played) -> None:
    """Two peers trained in round 1, three in round 2; a rollback begins with the round in which the third joined."""
    done, found = averaged[0], rows(averaged[0])
    assert found["finetune"]["client_epochs"] == found["finetune"]["gradient_steps"] == 0
    assert (found["rollback"]["client_epochs"], found["retrain"]["client_epochs"]) == (3, 5)
    left = {config.peer: len(config.rows) for config in done.plan.configs}
    left[2] -= len(done.plan.timeline.erasures[0].rows)
    steps = {peer: done.plan.scenario.training.steps(count) for peer, count in left.items()}
    assert found["rollback"]["gradient_steps"] == sum(steps.values())
    assert found["retrain"]["gradient_steps"] == sum(steps.values()) + steps[0] + steps[1]
    assert 0 < found["rollback"]["bytes"] < found["retrain"]["bytes"] < found["retrained"]["bytes"]
    assert found["retrained"]["client_epochs"] == 8
    assert found["cf_k"]["client_epochs"] == 5, "what the owner of the rows did by itself"
    assert "gradient_steps" not in found["did nothing"]


def test_methods_without_a_gradient_step_cost_the_passes_that_they_take(tmp_path: Path) -> None:
    methods = [{"kind": "influence", "iterations": 2, "damping": 10.0, "products": "gauss_newton"}, "ssd"]
    done, _ = play(tmp_path, AVERAGED, compare=[{"event": 1, "methods": methods}])
    influence, ssd = list(rows(done).values())[-2:]
    (erasure,) = done.plan.timeline.erasures
    gone, left = len(erasure.rows), len(done.plan.configs[2].rows) - len(erasure.rows)
    assert influence["gradient_steps"] == ssd["gradient_steps"] == 0, "the fault: no step of an optimiser, and so no cost"
    assert influence["client_epochs"] == pytest.approx(3 * 2 * 2 + gone / left), "two products at each of three peers, one gradient"
    assert ssd["client_epochs"] == pytest.approx(2 + 1 + gone / left), "every peer measures its rows once"


@pytest.mark.parametrize("raw", [AVERAGED, HDUS], ids=["averaging", "hdus"])
def test_a_branch_is_the_run_that_would_have_been_played_from_the_start(raw: dict[str, Any], request, tmp_path: Path) -> None:
    """The event's own method in the last round: same states, messages and metrics, bit for bit, as the run itself."""
    _, stores = request.getfixturevalue("averaged" if raw is AVERAGED else "hdus")
    alone = run(Scenario.parse({key: value for key, value in raw.items() if key != "compare"}), tmp_path, Watch())
    assert stores["finetune"].digest() == alone.digest
    assert stores["retrain"].digest() != alone.digest, "the control"


def test_nothing_of_the_branches_is_written(averaged: Played, tmp_path: Path) -> None:
    done, _ = averaged
    alone = run(Scenario.parse({key: value for key, value in AVERAGED.items() if key != "compare"}), tmp_path, Watch())
    artefacts = [{path.name for path in (one.folder / "artefacts").iterdir()} for one in (done, alone)]
    assert artefacts[0] == artefacts[1]
    with reading(done.folder) as store, reading(alone.folder) as other:
        query = "select * from states order by round, peer"
        assert store.rows(query) == other.rows(query)
        assert [name for (name,) in store.rows("select name from audits order by rowid")] == [f"compare/0/{name}" for name in rows(done)]


def test_a_peer_carries_the_request_out_by_every_method(hdus: Played) -> None:
    done, _ = hdus
    found = rows(done)
    assert list(found) == [*REFERENCES, "retrain", "finetune (rounds = 2)", "finetune"]
    assert (found["retrain"]["parameters"], found["retrain"]["predictions"], found["retrain"]["verdict"]) == (0.0, 0.0, "proven")
    assert found["finetune"]["parameters"] > 1e-3
    assert [found[name]["client_epochs"] for name in ("retrain", "finetune (rounds = 2)", "finetune")] == [1, 2, 1]
    (erasure,) = done.plan.timeline.erasures
    own = set(done.plan.configs[2].rows)
    assert found["retrain"]["forget"]["n"] == len(erasure.rows)
    assert found["retrain"]["retain"]["n"] == len(own) - len(erasure.rows), "its own rows, not those of all"
    assert verify(done.folder) == []


def test_a_departure_is_judged_by_who_held_the_seed(tmp_path: Path) -> None:
    done, _ = play(tmp_path, HDUS | LEFT)
    found = rows(done)
    assert found["drop_seed"]["verdict"] == "proven"
    assert found["did nothing"]["parameters"] == 0, "main models of others never learn from its rows"
    assert found["did nothing"]["predictions"] > 1e-4
    assert found["drop_seed"]["forget"]["n"] == len(done.plan.configs[2].rows)
    assert found["drop_seed"]["retain"]["n"] == sum(len(config.rows) for config in done.plan.configs[:2])


def test_without_rounds_before_the_request_there_is_no_original(tmp_path: Path) -> None:
    done, _ = play(tmp_path, HDUS, rounds=1, event=[DELETE | {"round": 1}], compare=[{"event": 0, "methods": ["retrain"]}])
    assert list(rows(done)) == [*REFERENCES[1:], "retrain"]
    assert rows(done)["retrain"]["verdict"] == "proven"


def test_earlier_requests_stay_carried_out_where_nothing_is_done() -> None:
    events = [DELETE | {"round": 2, "peer": 0}, DELETE]
    plan = resolve(Scenario.parse(AVERAGED | {"event": events, "compare": []}))
    ignored = plan.ignoring_requests(3).timeline
    assert [one.request for one in ignored.erasures] == [0]
    assert [bool(now.forget) for now in ignored.rounds] == [False, True, False]
    assert plan.ignoring_requests().timeline.erasures == (), "the control"


def timeless(done: Run) -> dict[str, Any]:
    return {name: {key: value for key, value in row.items() if key != "seconds"} for name, row in rows(done).items()}


def test_a_comparison_killed_between_rows_ends_with_the_same_table(averaged: Played, tmp_path: Path) -> None:
    folder = prepare(Scenario.parse(AVERAGED), tmp_path)
    write = RunStore.set_audit
    for _ in range(2):
        pid = os.fork()
        if pid == 0:

            def die(store: RunStore, name: str, value: Any) -> None:
                write(store, name, value)
                if len(store.rows("select 1 from audits")) in (3, 6):
                    os.kill(os.getpid(), signal.SIGKILL)

            RunStore.set_audit = die  # type: ignore[method-assign]
            resume(folder, Watch())
            os._exit(0)
        assert os.WTERMSIG(os.waitpid(pid, 0)[1]) == signal.SIGKILL
    with pytest.MonkeyPatch.context() as patch:
        judged: list[str] = []
        honest = playing._Runs.row
        patch.setattr(playing._Runs, "row", lambda self, name: (judged.append(name), honest(self, name))[1])
        done = resume(folder, Watch())
    assert judged == ["finetune", "cf_k"], "no row is made twice"
    assert timeless(done) == timeless(averaged[0])
    assert done.digest == averaged[0].digest
    assert verify(folder) == []


@pytest.mark.slow
@pytest.mark.parametrize("engine", [{"kind": kind, "workers": 2} for kind in ("ray", "grpc", "flower")], ids=lambda one: one["kind"])
@pytest.mark.parametrize("raw", [AVERAGED, HDUS], ids=["averaging", "hdus"])
def test_every_engine_gives_the_table_of_inline(raw: dict[str, Any], engine: dict[str, Any], request, tmp_path: Path) -> None:
    inline, _ = request.getfixturevalue("averaged" if raw is AVERAGED else "hdus")
    done = run(Scenario.parse(raw | {"engine": engine}), tmp_path, Watch())
    assert timeless(done) == timeless(inline)
    assert done.digest == inline.digest


def test_the_digest_covers_figures_and_no_seconds(averaged: Played, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    done, _ = averaged
    with reading(done.folder) as store:
        copies = [RunStore(), RunStore()]
        for copy in copies:
            store.db.backup(copy.db)
    body = json.loads(copies[0].rows("select body from audits where name = 'compare/0/finetune'")[0][0])
    for copy, name, changed in zip(copies, ("seconds", "predictions"), (True, False), strict=True):
        text = json.dumps(body | {name: 0.25}, sort_keys=True)
        copy.db.execute("update audits set body = ? where name = 'compare/0/finetune'", (text,))
        assert (copy.digest() == done.digest) is changed


def test_a_missing_row_is_found_out(averaged: Played, tmp_path: Path, forge: Callable[[Path], None]) -> None:
    import shutil

    folder = tmp_path / "copy"
    shutil.copytree(averaged[0].folder, folder)
    store = RunStore(folder)
    store.db.execute("delete from audits where name = 'compare/0/finetune'")
    store.close()
    forge(folder)
    assert any("compare of event 1: finetune has no row" in line for line in verify(folder))


@pytest.mark.usefixtures("forget_registered")
def test_a_false_claim_is_disproved_and_a_refusal_is_told(tmp_path: Path) -> None:
    """Planted faults: a method that claims to be exact and does nothing, and one that cannot carry the request out."""

    class Liar(MethodSpec):
        guarantee = "exact"
        summary = "does nothing"
        source = "a planted fault"
        kind: Literal["liar"] = "liar"

        def apply(self, weights: Any, learning: Any, forget: Any, retain: Any, key: Any) -> Any:
            return weights, Outcome(Cost(), self.guarantee)

    class Coy(MethodSpec):
        guarantee = "approximate"
        summary = "refuses"
        source = "a planted fault"
        kind: Literal["coy"] = "coy"

        def apply(self, weights: Any, learning: Any, forget: Any, retain: Any, key: Any) -> Any:
            raise UnlearningError("rows 1 and 2 are too few: delete more")

    register(Liar)
    register(Coy)
    done, _ = play(tmp_path, HDUS, compare=[{"event": 0, "methods": ["coy", "liar", "finetune"]}])
    found = rows(done)
    assert (found["coy"]["verdict"], found["coy"]["failed"]) == (
        "failed",
        "round 2: peer 2: coy: rows 1 and 2 are too few: delete more",
    )
    assert (found["liar"]["verdict"], found["finetune"]["verdict"]) == ("disproved", "measured")
    line = "compare of event 0: liar claims to be exact, and differs from the retrained model"
    assert (done.results["verdict"]["name"], done.results["verdict"]["why"]) == ("disproved", line)
    assert line in verify(done.folder)
    text = printed(done)
    assert "FAILED" in text
    assert "exact: DISPROVED" in text
    assert "coy, event 0: round 2: peer 2: coy: rows 1 and 2 are too few: delete more" in text
    page = render(collect(done.folder))
    assert "exact: disproved" in page
    assert "coy: round 2: peer 2: coy: rows 1 and 2 are too few" in page


@pytest.mark.parametrize(
    ("mine", "told", "then"),
    [
        ({"w": np.ones(2)}, {"equal": True, "parameters": 0.0}, "proven"),
        ({"w": np.array([1, np.nextafter(1, 2)])}, {"equal": False, "parameters": pytest.approx(0, abs=1e-12)}, "disproved"),
        ({"w": np.ones(2), "v": np.ones(1)}, {"equal": False, "parameters": None}, "disproved"),
        ({"v": np.ones(2)}, {"equal": False, "parameters": None}, "disproved"),
        ({}, {"equal": False, "parameters": None}, "disproved"),
    ],
    ids=["equal", "one bit", "one more", "renamed", "none"],
)
def test_what_cannot_be_compared_is_not_proven(mine: Any, told: Any, then: str, monkeypatch: pytest.MonkeyPatch) -> None:
    sides = iter([mine, {"w": np.ones(2)}])
    monkeypatch.setattr(figures, "_weights", lambda branch, peers: next(sides))
    branch = Branch(RunStore(), {})
    assert figures._parameters(branch, branch, ()) == told
    assert verdict({"guarantee": "exact", "predictions": None, **told}) == then


def test_a_claim_without_anything_to_compare_is_only_measured() -> None:
    row = {"guarantee": "exact", "equal": None, "parameters": None, "predictions": None}
    assert verdict(row) == "measured"
    assert verdict(row | {"predictions": 0.0}) == "proven"
    assert verdict(row | {"predictions": 1e-9}) == "disproved"
    assert verdict(row | {"guarantee": "approximate", "equal": False}) == "measured"
    assert verdict(row | {"guarantee": "approximate, exact", "equal": False}) == "measured", "of two peers, one had nothing to forget"


def printed(what: Any) -> str:
    console = Console(width=220, file=io.StringIO())
    if isinstance(what, Run):
        show_results(what, console)
    else:
        console.print(what)
    return cast(io.StringIO, console.file).getvalue()


def test_people_and_programs_are_told(averaged: Played) -> None:
    done, _ = averaged
    text = printed(done)
    assert "compare: event 1, round 3" in text
    assert "exact: proven" in text
    page = render(collect(done.folder))
    for told in ("Methods compared", "retrained again", "rollback", "client epochs", "exact: proven"):
        assert told in page
    assert "Methods compared" not in render(collect_without(done)), "the control"
    checked = printed(describe(done.plan))
    assert "rollback, retrain, finetune" in checked
    assert plain(done.plan)["compare"] == [{"event": 1, "round": 3, "last_round": 3, "rows": list(rows(done))}]
    found = {measure.name: value for measure, value in measures(done).items()}
    assert found["compare.1.rollback.parameters"] == 0.0
    assert found["compare.1.finetune.test"] == rows(done)["finetune"]["test"]["accuracy"]
    assert found["compare.1.retrain.client_epochs"] == 5
    assert not any("seconds" in name for name in found)


def collect_without(done: Run) -> Any:
    from dataclasses import replace

    return replace(collect(done.folder), compared=())


BAD = [
    (AVERAGED, {"event": 7, "methods": ["retrain"]}, "compare 1 (compare.0.event): is 7, and there is no such event", "requests: 1"),
    (AVERAGED, {"event": 0, "methods": ["retrain"]}, "is 0, a join that asks for nothing to be forgotten", "name one of the requests: 1"),
    (AVERAGED, {"event": -1, "methods": ["retrain"]}, "compare 1 (compare.0.event): is -1", "at least 0"),
    (AVERAGED, {"event": 1, "methods": []}, "compare 1 (compare.0.methods): is []", "at least 1 entries"),
    (AVERAGED, {"event": 1, "methods": ["retrain", "retrain"]}, "names retrain twice", "name each method once"),
    (AVERAGED, {"event": 1, "methods": ["retrian"]}, "compare 1 (compare.0.methods.0): kind = 'retrian' is unknown", "retrain"),
    (AVERAGED, {"event": 1, "methods": ["retrain"], "round": 3}, "compare 1 (compare.0.round): is not a key here", "event"),
    (AVERAGED, {"event": 1, "methods": ["subtract"]}, "subtract cannot be carried out for rows in classification/fedavg", "rollback"),
    (
        AVERAGED | {"federation": {"kind": "fedavg", "history": "none"}},
        {"event": 1, "methods": ["retrain", "rollback"]},
        "compare 1 (compare.0.methods.1): rollback: federation.history: is 'none'",
        "write 'models' or 'all'",
    ),
    (HDUS, {"event": 0, "methods": ["rollback"]}, "rollback cannot be carried out for rows in classification/hdus", "influence"),
    (HDUS, {"event": 0, "methods": ["spiking"]}, "spiking needs a spiking network", "take {"),
    (HDUS | LEFT, {"event": 0, "methods": ["retrain"]}, "retrain cannot be carried out for peer in classification/hdus", "drop_seed"),
    (
        HDUS | {"peers": {"count": 3, "main": [{"kind": "sisa", "base": NETWORK}], "seed": NETWORK}},
        {"event": 0, "methods": ["retrain"]},
        "retrain works on one network, but peer 2 has main model sisa",
        "give it a network",
    ),
    (
        HDUS | {"event": [DELETE | {"round": 2}, DELETE | {"round": 2, "peer": 1}]},
        {"event": 1, "methods": ["retrain"]},
        "is 1, carried out together with another request in round 2",
        "move one of them",
    ),
    (
        HDUS | {"event": [{"round": 1, "do": "offline", "peers": [2], "rounds": 2}, DELETE | {"round": 2}]},
        {"event": 1, "methods": ["retrain"]},
        "is 1, which is never carried out",
        "name another",
    ),
    (HDUS | {"event": []}, {"event": 0, "methods": ["retrain"]}, "is 0, and there is no such event", "remove the table"),
    (
        {key: value for key, value in SMALL.items() if key != "training"}
        | {"federation": {"kind": "sums", "model": {"kind": "naive_bayes"}}, "peers": {"count": 3}, "event": [DELETE]},
        {"event": 0, "methods": ["subtract"]},
        "methods are not compared in classification/sums",
        "remove [[compare]]",
    ),
]  # fmt: skip


@pytest.mark.parametrize(("raw", "table", "what", "cure"), BAD)
def test_what_cannot_be_compared_is_refused_in_one_line(raw: dict[str, Any], table: dict[str, Any], what: str, cure: str) -> None:
    with pytest.raises(ScenarioError) as error:
        resolve(Scenario.parse(raw | {"compare": [table]}))
    (line,) = error.value.lines
    assert what in line
    assert cure in line


def test_two_tables_do_not_compare_one_event() -> None:
    with pytest.raises(ScenarioError) as error:
        resolve(Scenario.parse(AVERAGED | {"compare": [{"event": 1, "methods": [one]} for one in ("retrain", "finetune")]}))
    assert error.value.lines == ("scenario: compare 2 (compare.1.event): is 1, which another table compares: put all methods into one",)


def test_plans_without_a_comparison_keep_their_hash() -> None:
    raw = {key: value for key, value in AVERAGED.items() if key != "compare"}
    plain_plan = json.loads(resolve(Scenario.parse(raw)).model_dump_json())
    assert "comparisons" not in plain_plan
    assert "compare" not in plain_plan["scenario"]


def test_a_store_in_memory_is_copied_whole() -> None:
    store = RunStore()
    store.set_meta("a", "1")
    copy = store.copied()
    copy.set_meta("a", "2")
    assert (store.meta("a"), copy.meta("a")) == ("1", "2")
    assert np.array_equal(store.on_disk(), copy.on_disk())
