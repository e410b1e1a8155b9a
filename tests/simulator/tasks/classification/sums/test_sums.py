"""Peers send sums: a deletion and a departure are one subtraction at the server, and the model is that of the rows that are left."""

from __future__ import annotations

import shutil
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from clients import data, wire
from clients.classification.sums.config import SumsConfig
from clients.classification.sums.peer import SumsPeer, learner
from clients.data.rows import Rows
from clients.participant import Update
from clients.unlearning.contract import UnlearningError
from server.classification.sums.statistics import Statistics
from simulator.errors import LetheError, ScenarioError
from simulator.report.writing import page as report_of
from simulator.runner import prepare, resume, run
from simulator.runs.run import Run
from simulator.runs.verify import verify
from simulator.scenarios.resolution import resolve
from simulator.scenarios.scenario import Scenario
from simulator.storage.store import RunStore
from simulator.tasks.classification.stored import stored_bytes
from simulator.tasks.classification.sums.plan import SumsPlan
from simulator.tasks.classification.sums.verification import model
from simulator.tasks.contract import cell_of
from tests.simulator.tasks.classification.sums.impatient import Impatient

EVENTS: list[dict[str, Any]] = [
    {"round": 2, "do": "leave", "peers": [4], "erase": True},
    {"round": 2, "do": "offline", "peers": [1], "rounds": 1},
    {"round": 2, "do": "delete", "peers": [1, 2], "rows": {"fraction": 0.2}},
    {"round": 3, "do": "crash", "peers": [3], "phase": "before_sending"},
    {"round": 3, "do": "delete", "peer": 3, "rows": {"fraction": 0.3}},
    {"round": 3, "do": "straggle", "peers": [0], "rounds": 1},
    {"round": 4, "do": "rejoin", "peers": [4]},
    {"round": 4, "do": "crash", "peers": [2], "phase": "before_training"},
    {"round": 4, "do": "delete", "peers": [1, 2], "rows": {"fraction": 0.1}},
    {"round": 4, "do": "straggle", "peers": [1], "delay": 3},
]
SMALL: dict[str, Any] = {
    "name": "sums",
    "seed": 5,
    "rounds": 4,
    "federation": {"kind": "sums", "model": {"kind": "ridge"}},
    "data": {"dataset": "wine", "reference": 1, "test": 40, "partition": {"kind": "iid"}},
    "peers": {"count": 5},
    "event": EVENTS,
}
DIGITS = SMALL["data"] | {"dataset": "digits"}
MODELS: list[dict[str, Any]] = [{"kind": "ridge"}, {"kind": "naive_bayes"}, {"kind": "pca", "components": 4}]


def scenario(**changes: Any) -> Scenario:
    return Scenario.parse(SMALL | changes)


@pytest.fixture(scope="module")
def finished(tmp_path_factory: pytest.TempPathFactory) -> Run:
    return run(scenario(), tmp_path_factory.mktemp("runs"))


def exact(one: Run) -> None:
    assert [row["method"] for row in one.results["erasures"]] == ["subtract"] * 6
    for row in one.results["erasures"]:
        assert row["max_abs_difference"] == 0.0
        assert row["max_abs_difference_nothing"] > 0.0, "the comparison would notice if nothing had been subtracted"
    assert verify(one.folder) == []


def test_what_cannot_be_judged_is_told_and_subtraction_has_no_floor(tmp_path: Path) -> None:
    audit = {"counterfactual": {"again": True, "original": True}, "membership_inference": True, "relearn": True}
    events = [{"round": 2, "do": "leave", "peers": [4], "erase": True}, {"round": 2, "do": "delete", "peer": 1, "rows": {"fraction": 0.2}}]
    one = run(scenario(rounds=2, event=events, audit=audit), tmp_path)
    for row in one.results["erasures"]:
        assert row["max_abs_difference"] == row["max_abs_difference_again"] == 0.0, "sums are not random"
        assert row["max_abs_difference_original"] > 0.0
        assert row["not_judged"] == {
            "membership_inference": "not judged: the model of all rows is the server's alone, peers keep none that had to forget",
            "relearn": "not judged: peers send no seed model that could learn again",
        }
        assert row["mia_auc"] is row["mia_auc_counterfactual"] is row["relearn_steps"] is None
    assert verify(one.folder) == []


def pooled(plan: SumsPlan) -> Any:
    """Return the model trained at once on all rows that are left."""
    config = plan.configs[0]
    gone = {row for one in plan.timeline.erasures if one.kind == "rows" for row in one.rows}
    ids = np.array(sorted({row for each in plan.configs for row in each.rows} - gone))
    source = data.load(config.data)
    whole = learner(config)
    whole.fit(Rows(ids, source.x[ids], source.y[ids]))
    return whole


@pytest.mark.parametrize("model", MODELS)
def test_what_a_peer_stores_is_told_beforehand(model: dict[str, Any]) -> None:
    plan = resolve(scenario(federation={"kind": "sums", "model": model}, event=[]))
    sizes = []
    for config in plan.configs:
        assert isinstance(config, SumsConfig)
        peer = SumsPeer.new(config)
        peer.train()
        sizes.append(sum(array.nbytes for array in wire.from_bytes(peer.main_blob).values()))
    assert [stored_bytes(plan, config) for config in plan.configs] == sizes
    told = dict(cell_of(plan).costs(plan))["stored with main models"]
    assert told == f"{sum(sizes):,} bytes at 5 peers if nothing is deleted"


def test_every_erasure_is_exact_and_the_model_is_that_of_the_rows_left(finished: Run) -> None:
    exact(finished)
    assert finished.results["incidents"] == []
    plan, store = finished.plan, RunStore(finished.folder)
    assert isinstance(plan, SumsPlan)
    total = model(plan, store)
    assert wire.to_bytes(total.sums) == wire.to_bytes(pooled(plan).sums)
    assert finished.accuracy["global"]["ensemble"] > finished.accuracy["global"]["main"] > 0.5
    assert "The model of all rows reached" in report_of(finished.folder)
    store.close()


@pytest.mark.parametrize("kind", MODELS[1:], ids=lambda model: model["kind"])
def test_other_models_are_as_exact(kind: dict[str, Any], tmp_path: Path) -> None:
    exact(run(scenario(federation={"kind": "sums", "model": kind}), tmp_path))


@pytest.mark.parametrize("skipped", ["leave", "take_out"])
def test_a_subtraction_that_is_skipped_is_noticed(skipped: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(Statistics, skipped, lambda self, peer, sums=None: None)
    event = EVENTS[0] if skipped == "leave" else {"round": 2, "do": "delete", "peer": 2, "rows": {"fraction": 0.2}}
    one = run(scenario(event=[event]), tmp_path)
    assert one.results["erasures"][0]["max_abs_difference"] > 0.0
    problems = verify(one.folder)
    assert any("differs by" in line for line in problems)
    assert any("its answers in the final evaluation are not those of the sums in the mailbox" in line for line in problems)


@pytest.mark.parametrize("last", [1, 2, 3, 4])
def test_an_interrupted_run_is_taken_up_at_any_round(last: int, finished: Run, tmp_path: Path) -> None:
    folder = prepare(scenario(audit={"counterfactual": False}), tmp_path)
    with pytest.raises(KeyboardInterrupt):
        resume(folder, Impatient(last))
    again = resume(folder)
    assert again.digest == finished.digest


@pytest.mark.parametrize(
    ("tampered", "said"),
    [
        (lambda sums: {name: array * 2 for name, array in sums.items()}, r"^peer 2: sends sums over \d+ rows where it gave \d+: rows "),
        (lambda sums: sums | {"n": sums["n"] - 1}, r"^peer 2: sums: no row|^peer 2: sums: second moments have"),
        (lambda sums: {"n": sums["n"]}, r"^peer 2: sums of shapes .* send integer sums of the agreed learner"),
    ],
    ids=["more", "other", "shape"],
)
def test_what_was_never_given_cannot_be_taken_out(tampered: Any, said: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    honest = SumsPeer.distil

    def distil(self: SumsPeer) -> int:
        honest(self)
        if self.config.peer == 2 and self.update and self.update.version == 3:
            self.update = Update(3, wire.to_bytes(tampered(wire.from_bytes(self.update.blob))))
        return 0

    monkeypatch.setattr(SumsPeer, "distil", distil)
    folder = prepare(scenario(event=[]), tmp_path)
    with pytest.raises(LetheError, match=said) as error:
        resume(folder)
    assert "\n" not in str(error.value)
    monkeypatch.undo()
    store = RunStore(folder)
    assert store.last_round() == 2, "the round in which it was tried is not in the ledger"
    store.close()


@pytest.mark.slow
@pytest.mark.parametrize("kind", ["ray", "grpc"])
def test_engines_agree(kind: str, finished: Run, tmp_path: Path) -> None:
    assert run(scenario(engine={"kind": kind}), tmp_path).digest == finished.digest


@pytest.mark.parametrize(
    ("changes", "said"),
    [
        ({"federation": {"kind": "sum"}}, "federation.kind = 'sum' is unknown: did you mean sums? known: fedadam, "),
        ({"federation": {"kind": "sums", "model": {"kind": "dare"}}}, "federation.model"),
        ({"peers": {"count": 5, "main": [{"kind": "linear"}]}}, "peers.main: "),
        ({"topology": {"kind": "ring"}}, "topology: "),
        ({"event": [{"round": 2, "do": "cut", "edges": [[0, 1]]}]}, "cut is about neighbours, which peers of a sums federation have not"),
        ({"expect": [{"after": 2, "absent": 1}]}, "absent = 1 is about seeds that neighbours hold, and peers of a sums federation hold"),
        ({"event": [{"round": 2, "do": "leave", "select": {"by": "degree", "count": 1}}]}, "select.by = 'degree' ranks neighbours"),
        ({"data": DIGITS, "federation": {"kind": "sums", "model": {"kind": "ridge", "high": 0.5}}}, "federation.model: peer 0: row "),
        ({"federation": {"kind": "sums", "model": {"kind": "pca", "components": 99}}}, "federation.model: "),
    ],
    ids=lambda value: "" if isinstance(value, dict) else value[:30],
)
def test_each_mistake_is_one_line(changes: dict[str, Any], said: str) -> None:
    with pytest.raises(ScenarioError) as error:
        resolve(scenario(**changes))
    (line,) = error.value.lines
    assert line.startswith("scenario: ")
    assert said in line


def test_naming_the_usual_federation_changes_no_plan() -> None:
    usual = {
        "name": "usual",
        "rounds": 2,
        "data": SMALL["data"],
        "peers": {"count": 3, "main": [{"kind": "linear"}], "seed": {"kind": "linear"}},
        "topology": {"kind": "ring"},
    }
    named = Scenario.parse(usual | {"federation": {"kind": "hdus"}})
    assert resolve(named).digest == resolve(Scenario.parse(usual)).digest
    assert Scenario.parse(named.to_toml()) == named
    assert Scenario.parse(scenario().to_toml()) == scenario()


def test_the_ready_file_is_resolved() -> None:
    file = Path(__file__).parents[5] / "experiments/scenarios/sums.toml"
    assert len(resolve(Scenario.load(file)).configs) == 10


def test_an_entry_that_is_missing_is_noticed(finished: Run, tmp_path: Path) -> None:
    folder = tmp_path / "copy"
    shutil.copytree(finished.folder, folder)
    store = RunStore(folder)
    parcel = store.mailbox().newest[1]
    store.close()
    (folder / "artefacts" / f"{parcel.sha256}.safetensors").unlink()
    assert any("missing" in line for line in verify(folder))


def test_rows_that_arrive_are_added_to_the_sums(tmp_path: Path) -> None:
    events = [
        {"round": 2, "do": "arrive", "peers": [0, 1, 2], "rows": {"fraction": 0.3}},
        {"round": 3, "do": "arrive", "peer": 0, "rows": {"fraction": 0.3}},
        {"round": 3, "do": "delete", "peers": [0, 1], "rows": {"fraction": 0.5}},
        {"round": 4, "do": "leave", "peers": [2], "erase": True},
    ]
    one = run(scenario(event=events, audit={"counterfactual": True}), tmp_path)
    assert [(row["method"], row["equal"], row["gradient_steps"]) for row in one.results["arrivals"]] == [
        *[("add", True, 0)] * 2,
        ("add", None, 0),  # its peer is erased later
        ("add", True, 0),
    ]
    assert [row["max_abs_difference"] for row in one.results["erasures"]] == [0.0] * 3
    assert verify(one.folder) == []


def test_only_peers_at_which_rows_arrive_may_send_sums_over_more() -> None:
    config = resolve(scenario()).configs[0]
    source, summing = data.load(config.data), learner(config)
    few, more = (summing.contribution(source.x[:n], source.y[:n]) for n in (5, 9))
    statistics = Statistics(summing)
    statistics.give(3, few)
    with pytest.raises(UnlearningError, match="sends sums over 9 rows where it gave 5"):
        statistics.change(3, more)
    statistics.replace(3, more)
    assert statistics.total["n"].tolist() == [9]
