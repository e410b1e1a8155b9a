"""Scenarios of averaged classifiers: departures and deletions by every method, verified, killed and resumed, and controls that fail."""

from __future__ import annotations

import random
import sqlite3
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from clients import wire
from clients.averaging.update import COUNT
from clients.participant import Update
from server.averaging.coordinator import Averaging
from server.averaging.history import History
from simulator.errors import ScenarioError
from simulator.progress import Watch
from simulator.runner import prepare, resume, run
from simulator.runs.run import Run
from simulator.runs.verify import verify
from simulator.scenarios.resolution import resolve
from simulator.scenarios.scenario import Scenario
from simulator.storage.store import RunStore
from tests.simulator.tasks.classification.sums.impatient import Impatient

SMALL: dict[str, Any] = {
    "name": "averaged",
    "seed": 7,
    "rounds": 6,
    "federation": {"kind": "fedavg", "cohort": 3},
    "data": {
        "dataset": "digits",
        "rows": 500,
        "reference": 1,
        "test": 80,
        "partition": {"kind": "dirichlet", "alpha": 0.5, "min_rows": 10},
    },
    "peers": {"count": 6, "main": [{"kind": "mlp", "hidden": [8]}]},
    "training": {"epochs": 2, "optimizer": {"kind": "adam", "lr": 0.02}},
}
LATE = {"round": 2, "do": "straggle", "peers": [0, 1, 3], "delay": 2}
CRASH = {"round": 2, "do": "crash", "peers": [5], "phase": "before_sending"}
Play = Callable[..., Run]


def leave(method: str | None = None) -> dict[str, Any]:
    return {"round": 4, "do": "leave", "peers": [4], "erase": True} | ({"method": method} if method else {})


def delete(method: str | None = None) -> dict[str, Any]:
    return {"round": 5, "do": "delete", "peer": 2, "rows": {"fraction": 0.3}} | ({"method": method} if method else {})


def scenario(**changes: Any) -> Scenario:
    return Scenario.parse(SMALL | changes)


@pytest.fixture
def play(tmp_path: Path) -> Play:
    return lambda **changes: run(scenario(**changes), tmp_path / "runs", Watch())


def differences(done: Run) -> list[float]:
    return [one["max_abs_difference"] for one in done.results["erasures"]]


def ledger(done: Run, query: str) -> list[tuple[Any, ...]]:
    with sqlite3.connect(done.folder / "run.sqlite") as db:
        return db.execute(query).fetchall()


def model(done: Run) -> str:
    return str(ledger(done, "select sha256 from models where name = 'global' order by round desc limit 1")[0][0])


FEDERATIONS = [
    {"kind": "fedavg", "cohort": 3},
    {"kind": "fedprox", "mu": 0.1, "cohort": 0.5, "weighting": "equal"},
    {"kind": "fedadam", "eta": 0.1},
]


@pytest.mark.parametrize("federation", FEDERATIONS, ids=lambda one: one["kind"])
@pytest.mark.parametrize("method", ["retrain", "rollback"])
def test_what_is_forgotten_exactly_leaves_nothing(play: Play, federation, method):
    done = play(federation=federation, event=[leave(method), delete(method), LATE, CRASH])
    rows = done.results["erasures"]
    assert [(one["method"], one["guarantee"], one["max_abs_difference"]) for one in rows] == [(method, "exact", 0.0)] * 2
    assert all(one["max_abs_difference_nothing"] > 1e-4 for one in rows), "the control: without forgetting there is a difference"
    assert verify(done.folder) == []


def test_rollback_ends_with_the_bytes_of_retrain_and_less_work(play: Play):
    by = {method: play(event=[leave(method)]) for method in ("retrain", "rollback")}
    assert model(by["retrain"]) == model(by["rollback"])
    query = "select sum(value) from metrics where name = 'unlearning_steps' and peer = -1"
    retrained, rolled_back = (ledger(by[method], query)[0][0] for method in ("retrain", "rollback"))
    assert 0 < rolled_back < retrained
    told = {method: one.results["erasures"][0] for method, one in by.items()}
    assert told["rollback"]["gradient_steps"] == rolled_back
    assert 0 < told["rollback"]["bytes"] < told["retrain"]["bytes"]


def test_without_a_method_an_averaging_federation_retrains(play: Play):
    done = play(event=[leave()])
    assert [one["method"] for one in done.results["erasures"]] == ["retrain"]
    assert differences(done) == [0.0]


def test_going_on_without_it_is_the_negative_control(play: Play):
    done = play(event=[leave("finetune"), delete("finetune")])
    assert [one["guarantee"] for one in done.results["erasures"]] == ["approximate"] * 2
    assert min(differences(done)) > 1e-4
    assert verify(done.folder) == []


def test_the_history_is_closed_and_its_bytes_are_gone(play: Play):
    done = play(federation={"kind": "fedadam", "cohort": 3, "history": "all"}, event=[leave("rollback")])
    lines = ledger(done, "select name, peer, made, sha256, since, until from history order by rowid")
    closed = [one for one in lines if one[5] is not None]
    assert {name for name, *_ in closed} == {"global", "memory", "update"}
    assert {until for *_, until in closed} == {4}
    kept = {sha256 for *_, sha256, _, until in lines if until is None}
    there = {path.stem for path in (done.folder / "artefacts").iterdir()}
    assert kept <= there
    assert not there & ({one[3] for one in closed} - kept), "hashes stay, bytes go"
    assert not [one for one in lines if one[0] == "update" and one[1] == 4 and one[5] is None]
    assert verify(done.folder) == []


KEPT = [("none", {("global", 1)}), ("models", {("global", 6)}), ("updates", {("global", 1), ("update", 18)})]


@pytest.mark.parametrize(("history", "names"), KEPT)
def test_what_is_kept(play: Play, history, names):
    done = play(federation={"kind": "fedavg", "cohort": 3, "history": history})
    assert set(ledger(done, "select name, count(*) from history where until is null group by name")) == names


def test_of_a_model_that_is_kept_the_bytes_were_put_back_by_hand(play: Play):
    """Verification finds what somebody kept of the erased."""
    done = play(event=[leave("rollback")])
    ((name,),) = ledger(done, "select sha256 from history where name = 'global' and until = 4 order by made desc limit 1")
    (done.folder / "artefacts" / f"{name}.safetensors").write_bytes(b"x")
    assert any("is still there" in line and "erasure 0" in line for line in verify(done.folder))


# controls: each of these mistakes must show ---------------------------------------------------------------------------------


def test_control_a_later_model_is_kept(play: Play, monkeypatch):
    monkeypatch.setattr("server.averaging.past.Past.rollback", lambda self, number, latest=None: self.contact(number) + 1)
    done = play(event=[leave("rollback")])
    assert differences(done) != [0.0]
    assert any("is still kept" in line for line in verify(done.folder))


def test_control_moments_are_kept(play: Play, monkeypatch):
    adopt = Averaging.adopt

    def with_memory(self, parts):
        memory = getattr(self, "memory", None)
        adopt(self, parts)
        self.memory = memory or self.memory

    monkeypatch.setattr(Averaging, "adopt", with_memory)
    assert differences(play(federation={"kind": "fedadam", "eta": 0.1}, event=[leave("retrain")])) != [0.0]


def test_control_deleted_rows_still_weigh(play: Play, monkeypatch):
    def distil(self):
        self.update = Update(1, wire.to_bytes({**self.sent(), COUNT: np.array(len(self.config.rows))}))
        return 0

    monkeypatch.setattr("clients.averaging.peer.AveragingPeer.distil", distil)
    assert differences(play(event=[delete("retrain")])) != [0.0]


def test_control_cohorts_of_a_running_generator(play: Play, monkeypatch):
    def draw(self, number, present):
        chance, there = random.Random(self.seed), sorted(present)
        for _ in range(number):
            chance.shuffle(there)
        return tuple(sorted(there[: self.size]))

    monkeypatch.setattr("server.averaging.cohort.Cohorts.draw", draw)
    done = play(event=[leave("rollback")], federation={"kind": "fedavg", "cohort": 1})
    assert min(ledger(done, "select made from history where until = 4")) == (1,), "no round before the first contact is as it was"


def test_control_updates_are_kept(play: Play, monkeypatch):
    monkeypatch.setattr(History, "forget", lambda self, peer: None)
    done = play(federation={"kind": "fedavg", "history": "updates"}, event=[leave("finetune")])
    assert any("update of round" in line and "is still kept" in line for line in verify(done.folder))


# refusals -------------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"peers": {"count": 6, "main": [{"kind": "mlp"}, {"kind": "linear"}]}}, "peers.main: lists 2 models"),
        ({"peers": {"count": 6, "main": [{"kind": "sisa"}]}}, "peers.main.0: kind = 'sisa' is unknown"),
        ({"peers": {"count": 6, "main": [{"kind": "mlp"}], "seed": {"kind": "mlp"}}}, "peers.seed: belongs to an hdus federation"),
        ({"topology": {"kind": "ring"}}, "topology: belongs to an hdus federation"),
        ({"distillation": {"epochs": 2}}, "distillation: belongs to an hdus federation"),
        ({"ensemble": {}}, "ensemble: belongs to an hdus federation"),
        ({"federation": {"kind": "fedavg", "cohort": 7}}, "federation.cohort: is 7, but there are 6 peers"),
        ({"federation": {"kind": "fedavg", "cohort": 0}}, "federation.cohort: is 0: give a number of peers"),
        ({"federation": {"kind": "fedavg", "cohort": 1.5}}, "federation.cohort: is 1.5: give a number of peers"),
        ({"federation": {"kind": "fedprox", "mu": -1}}, "federation.mu: is -1"),
        ({"training": {"streams": "sequential"}}, "training.streams: is 'sequential'"),
        ({"event": [leave("rollback")], "federation": {"kind": "fedavg", "history": "none"}}, "federation.history: is 'none'"),
        ({"event": [leave("subtract")]}, "subtract cannot be carried out for peer"),
        (
            {"event": [{"round": 4, "do": "offline", "peers": [1], "rounds": 1}, leave()], "federation": {"kind": "fedavg"}},
            "round 4: retrain asks all to train again who took part in rounds 1 to 3, but peer 1, of round 1, is away",
        ),
        ({"event": [leave("finetune"), delete("retrain")]}, "round 5: retrain begins again without what finetune left"),
        ({"event": [{**leave(), "method": {"kind": "finetune", "rounds": 2}}]}, "round 4: finetune goes on with the rounds"),
    ],
)
def test_what_cannot_be_is_answered_in_one_line(changes, words):
    with pytest.raises(ScenarioError) as raised:
        resolve(scenario(**changes))
    (line,) = str(raised.value).splitlines()
    assert words in line


def test_mu_zero_is_fedavg_to_the_last_bit(play: Play):
    federations = {"kind": "fedavg"}, {"kind": "fedprox", "mu": 0.1}, {"kind": "fedprox", "mu": 0}
    plain, pulled, proximal = (play(federation=one) for one in federations)
    assert model(plain) == model(proximal) != model(pulled)


# killed and resumed, on every engine ----------------------------------------------------------------------------------------

EVENTS = [leave("rollback"), delete("retrain"), {**delete("ssd"), "round": 6, "peer": 3}, LATE, CRASH]


def test_killed_in_a_replay_it_ends_with_the_digest_it_would_have_had(play: Play, tmp_path, kill_after):
    whole = play(event=EVENTS)
    folder = prepare(scenario(event=EVENTS), tmp_path / "killed")
    working = [kill_after(folder, seconds) for seconds in (0.15, 0.3, 0.5)]
    assert any(working)
    assert resume(folder, Watch()).digest == whole.digest
    assert verify(folder) == []


def test_killed_between_two_rounds_of_a_replay(play: Play, tmp_path, monkeypatch):
    whole = play(event=EVENTS)
    folder = prepare(scenario(event=EVENTS), tmp_path / "killed")
    act, calls = Averaging.act_again, []

    class Killed(BaseException):
        pass

    def die(self, past):
        calls.append(past.round)
        if len(calls) == 2:
            raise Killed
        act(self, past)

    monkeypatch.setattr(Averaging, "act_again", die)
    with pytest.raises(Killed):
        resume(folder, Watch())
    assert RunStore(folder).last_round() in (3, 4), "nothing of the round is committed"
    assert resume(folder, Watch()).digest == whole.digest


def test_killed_after_a_replay_that_left_no_optimizer_state_it_goes_on(tmp_path):
    everybody = {"round": 2, "do": "leave", "peers": list(range(6)), "erase": True}
    lonely = scenario(rounds=3, federation={"kind": "fedadam"}, event=[everybody])
    folder = prepare(lonely, tmp_path / "killed")
    with pytest.raises(KeyboardInterrupt):
        resume(folder, Impatient(2))
    assert resume(folder, Watch()).digest == run(lonely, tmp_path / "whole", Watch()).digest


@pytest.mark.slow
@pytest.mark.parametrize(
    "engine", [{"kind": "ray", "workers": 2}, {"kind": "grpc"}, {"kind": "flower", "workers": 2}], ids=lambda one: one["kind"]
)
def test_every_engine_gives_the_digest_of_inline(play: Play, engine):
    assert play(event=EVENTS, engine=engine).digest == play(event=EVENTS).digest


def some_event(chance: random.Random) -> dict[str, Any]:
    """Return an event of any kind that may matter to a replay, about any peer, in any round."""
    about = {"round": chance.randrange(2, 7), "peers": [chance.randrange(6)]}
    method = {"method": chance.choice(["retrain", "rollback"])}
    return {
        **about,
        **chance.choice(
            [
                {"do": "leave", "erase": True, **method},
                {"do": "delete", "rows": {"fraction": 0.2}, **method},
                {"do": "crash", "phase": chance.choice(["before_training", "before_sending", "after_sending"])},
                {"do": "straggle", "delay": chance.randrange(1, 4)},
                {"do": "offline", "rounds": 1},
                {"do": "leave"},
                {"do": "erase"},
                {"do": "rejoin"},
                {"do": "join"},
            ]
        ),
    }


@pytest.mark.slow
def test_whatever_else_happens_exact_is_exact_or_refused(play: Play):
    """Scenarios drawn at random; those that cannot be are refused."""
    played = 0
    for seed in range(120):
        chance = random.Random(seed)
        events = [some_event(chance) for _ in range(4)]
        federation = {"kind": chance.choice(["fedavg", "fedadam"]), "cohort": chance.choice([1, 2, 3, 0.34, 0.5, 6])}
        try:
            if not resolve(scenario(seed=seed, federation=federation, event=events)).timeline.erasures:
                continue
        except ScenarioError:
            continue
        done = play(seed=seed, federation=federation, event=events)
        assert set(differences(done)) == {0.0}, (seed, federation, events)
        assert verify(done.folder) == [], (seed, federation, events)
        played += 1
    assert played >= 10


def test_who_leaves_after_sending_the_same_nothing_as_another_leaves_no_trace(tmp_path: Path) -> None:
    """Of the peers that a round does not draw, those that forget send updates without weights, alike for all with as many rows."""
    forget = {"round": 2, "do": "delete", "peers": [0, 1, 2, 3], "rows": {"fraction": 0.2}, "method": "retrain"}
    left = {"round": 3, "do": "leave", "peers": [0], "erase": True, "method": "finetune"}
    data = {"dataset": "digits", "rows": 120, "reference": 1, "test": 20, "partition": {"kind": "iid"}}
    few = {"seed": 5, "rounds": 3, "data": data, "training": {"epochs": 1}, "audit": {"counterfactual": False}, "event": [forget, left]}
    who = {"federation": {"kind": "fedavg", "cohort": 1}, "peers": {"count": 4, "main": [{"kind": "linear"}]}}
    done = run(scenario(**few, **who), tmp_path)
    ((sent,),) = ledger(done, "select seed from states where peer = 0 and round = 2")
    last = "select seed from states where peer <> 0 group by peer having round = max(round)"
    assert (sent,) in ledger(done, last), "the control: another peer's last update is the same"
    assert verify(done.folder) == []
