"""Certified removal across peers: the server's steps are those on all rows together, and what they leave is proven of all of them."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from flwr.app import RecordDict

from clients import app, data, wire
from clients.classification.sums.newton.config import NewtonConfig
from clients.classification.sums.newton.peer import NewtonPeer
from clients.unlearning.approximate.certified.certificate import reading
from clients.unlearning.approximate.certified.shared import SharedResidual, combined
from clients.unlearning.approximate.certified.spec import CertifiedRemoval
from clients.unlearning.contract import COST_NOTE
from clients.unlearning.convex.objective import Objective
from clients.unlearning.convex.solver import minimise
from clients.unlearning.convex.sums import ObjectiveSums
from server.classification.sums.newton.coordinator import FederatedNewton
from server.classification.sums.newton.outcome import outcome
from server.classification.sums.newton.solving import Reached, solved, stepped
from server.classification.sums.newton.state import Kept
from server.ledger import RELEASE
from simulator.errors import ScenarioError
from simulator.report.collect import collect
from simulator.report.render import render
from simulator.runner import prepare, resume, run
from simulator.runs.erasures import UNDONE, WAITS
from simulator.runs.run import Run
from simulator.runs.verify import verify
from simulator.scenarios.resolution import resolve
from simulator.scenarios.scenario import Scenario
from simulator.storage.store import RunStore
from simulator.tasks.classification.sums.newton import kept, peers
from simulator.tasks.classification.sums.plan import SumsPlan
from tests.simulator.tasks.classification.sums.impatient import Impatient

MODEL: dict[str, Any] = {"kind": "certified_removal", "sigma": 0.5}
DELETE: dict[str, Any] = {"round": 2, "do": "delete", "peer": 1, "rows": {"fraction": 0.1}}
LEAVE: dict[str, Any] = {"round": 2, "do": "leave", "peers": [3], "erase": True}
SMALL: dict[str, Any] = {
    "name": "newton",
    "seed": 5,
    "rounds": 2,
    "federation": {"kind": "sums", "model": MODEL},
    "data": {
        "dataset": "breast_cancer",
        "rows": 200,
        "reference": 1,
        "test": 40,
        "partition": {"kind": "dirichlet", "alpha": 0.5, "min_rows": 5},
    },
    "peers": {"count": 4},
    "audit": {"counterfactual": False},
    "event": [DELETE],
}
MODELS = [MODEL, {"kind": "newton_statistics", "sigma": 0.5}]
CERTIFIED = "certified(1, 0.0001)"


def scenario(**changes: Any) -> Scenario:
    return Scenario.parse(SMALL | changes)


def removing(**changes: Any) -> dict[str, Any]:
    return {"kind": "sums", "model": MODEL | changes}


def end(one: Run) -> tuple[torch.Tensor, list[NewtonPeer]]:
    """Return the server's parameters and the peers at the end of a run."""
    plan, store = one.plan, RunStore(one.folder)
    assert isinstance(plan, SumsPlan)
    state = kept(plan, store)
    assert state is not None
    there = peers(plan, store, state.members)
    store.close()
    return state.weights, there


def pooled(there: list[NewtonPeer], divisor: int, draw: int = 0) -> Objective:
    """Return the objective over the rows of all peers at once, with the sum of their shares."""
    parts = [peer.objective(draw, MODEL["sigma"] / divisor**0.5) for peer in there]
    x, targets = torch.cat([part.x for part in parts]), torch.cat([part.targets for part in parts])
    return replace(parts[0], x=x, targets=targets, linear=sum((part.linear for part in parts), torch.zeros(parts[0].linear.shape)))


def apart(one: torch.Tensor, other: torch.Tensor) -> float:
    return float((one - other).norm() / other.norm())


@pytest.mark.parametrize("count", [1, 2, 4])
def test_training_over_any_number_of_unequal_peers_is_training_on_all_rows(count: int, tmp_path: Path) -> None:
    one = run(scenario(rounds=1, event=[], peers={"count": count}), tmp_path)
    weights, there = end(one)
    assert len({len(peer.rows) for peer in there}) == count, "peers are unequal"
    assert apart(weights, minimise(pooled(there, count)).weights) < 1e-12
    assert one.accuracy["global"]["ensemble"] > 0.8


def test_a_removal_is_the_step_on_the_rows_that_are_left_of_all_peers(tmp_path: Path) -> None:
    before = end(run(scenario(event=[]), tmp_path / "before"))[0]
    one = run(scenario(), tmp_path / "after")
    weights, there = end(one)
    whole = pooled(there, 4)
    assert apart(weights, before + whole.newton(before, whole.gradient(before))) < 1e-12
    (row,) = one.results["erasures"]
    assert (row["method"], row["guarantee"]) == ("certified_removal", CERTIFIED)
    told = row["certificate"]
    assert (told["kind"], told["shares"], told["divisor"], told["rows"]) == ("shared_residual", 4, 4, len(whole.x))
    assert float(whole.gradient(weights).norm()) <= told["bound"] < told["budget"]
    assert verify(one.folder) == []
    assert one.results["verdict"]["name"] == "proven"
    page = render(collect(one.folder))
    assert f"<td>{told['bound']:.2g}</td>" in page


def test_a_request_waits_for_a_member_that_is_away(tmp_path: Path) -> None:
    away = {"round": 2, "do": "offline", "peers": [0], "rounds": 1}
    waiting = run(scenario(rounds=3, event=[DELETE, away]), tmp_path / "waiting")
    at_once = run(scenario(rounds=3, event=[DELETE]), tmp_path / "once")
    assert apart(end(waiting)[0], end(at_once)[0]) < 1e-12
    (row,) = waiting.results["erasures"]
    assert row["guarantee"] == CERTIFIED
    assert verify(waiting.folder) == []
    store = RunStore(waiting.folder)
    assert store.rows("select round from outcomes") == [(3,)]
    store.close()


def test_a_request_for_which_a_member_stays_away_is_told_to_be_undone(tmp_path: Path) -> None:
    one = run(scenario(event=[{"round": 2, "do": "offline", "peers": [0], "rounds": 3}, DELETE]), tmp_path)
    (row,) = one.results["erasures"]
    assert row["certificate"] is None
    assert row["notes"] == [WAITS.format(peers="0"), UNDONE]
    assert one.results["verdict"]["name"] == "measured"
    assert "waiting for peers 0" in one.results["verdict"]["why"]
    assert verify(one.folder) == []


def test_a_departure_waits_too_and_without_a_reason_to_wait_silence_is_found(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    one = run(scenario(event=[{"round": 2, "do": "offline", "peers": [0], "rounds": 3}, DELETE, LEAVE]), tmp_path)
    assert [row["notes"] for row in one.results["erasures"]] == [[WAITS.format(peers="0"), UNDONE]] * 2
    assert verify(one.folder) == []
    monkeypatch.setattr(SumsPlan, "awaited", lambda self, erasure: ())
    found = verify(one.folder)
    assert any("has not come back to forget them" in line for line in found)
    assert any("nothing says how it was carried out" in line for line in found)


@pytest.mark.parametrize("model", MODELS)
def test_the_last_peers_that_leave_leave_no_model(model: dict[str, Any], tmp_path: Path) -> None:
    everybody = LEAVE | {"peers": [0, 1, 2, 3]}
    one = run(scenario(federation={"kind": "sums", "model": model}, event=[everybody]), tmp_path)
    assert {row["guarantee"] for row in one.results["erasures"]} == {"exact"}
    assert verify(one.folder) == []
    store = RunStore(one.folder)
    (weights,) = wire.from_bytes(store.artefact(str(store.model(RELEASE)))).values()
    store.close()
    assert bool(weights.any()) is bool(model.get("kind") == "newton_statistics"), "its release is noise alone"


def test_who_comes_back_to_no_model_brings_a_fresh_share(tmp_path: Path) -> None:
    everybody = LEAVE | {"peers": [0, 1, 2, 3]}
    events = [everybody, {"round": 3, "do": "rejoin", "peers": [0, 1, 2, 3]}, DELETE | {"round": 4}]
    one = run(scenario(rounds=4, event=events), tmp_path)
    told = one.results["erasures"][-1]["certificate"]
    assert (told["draw"], told["shares"], told["divisor"]) == (1, 4, 4)
    assert verify(one.folder) == []


@pytest.mark.parametrize(("colluding", "again"), [(1, False), (0, True)])
def test_a_share_that_leaves_is_drawn_anew_unless_the_others_suffice(colluding: int, again: bool, tmp_path: Path) -> None:
    one = run(scenario(federation={**removing(sigma=50.0), "colluding": colluding}, event=[LEAVE]), tmp_path)
    (row,) = one.results["erasures"]
    assert row["guarantee"] == CERTIFIED
    assert (row["certificate"]["draw"] == 1) is again
    assert any("trained again with a fresh perturbation" in note for note in row["notes"]) is again
    assert (row["certificate"]["shares"], row["certificate"]["divisor"]) == (3, 3)
    assert verify(one.folder) == []


def test_a_spent_budget_forces_training_again(tmp_path: Path) -> None:
    one = run(scenario(federation=removing(sigma=1e-8)), tmp_path)
    (row,) = one.results["erasures"]
    assert row["certificate"]["draw"] == 1
    assert row["certificate"]["bound"] <= row["certificate"]["budget"]
    assert verify(one.folder) == []


def test_corrections_are_steps_too(tmp_path: Path) -> None:
    one = run(scenario(event=[{"round": 2, "do": "correct", "peer": 1, "rows": {"fraction": 0.2}, "label": "benign"}]), tmp_path)
    weights, there = end(one)
    optimum = minimise(pooled(there, 4)).weights
    before = end(run(scenario(event=[]), tmp_path))[0]
    assert float((weights - optimum).norm()) < 0.1 * float((before - optimum).norm()), "the step goes to the corrected rows"
    assert one.results["erasures"][0]["guarantee"] == CERTIFIED
    assert verify(one.folder) == []


def test_a_residual_that_is_left_out_is_found(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(FederatedNewton, "total", lambda self, parts: ObjectiveSums.total(parts[:-1]))
    one = run(scenario(), tmp_path)
    monkeypatch.undo()
    assert any("the residual over 4 peers is" in line and "above the bound" in line for line in verify(one.folder))


def test_a_step_that_is_not_taken_is_found(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = "server.classification.sums.newton.coordinator.stepped"
    monkeypatch.setattr(path, lambda ask, start, enough: start._replace(sums=replace(start.sums, gradient=start.sums.gradient * 0)))
    one = run(scenario(), tmp_path)
    monkeypatch.undo()
    assert any("above the bound" in line for line in verify(one.folder))


@pytest.mark.parametrize(
    ("certified", "line"),
    [
        ({"bound": 1e-9}, "says bound = 1e-09"),
        ({"draw": 7}, "says draw = 7"),
        ({"divisor": 1}, "says divisor = 1"),
        ({"commitment": "00" * 32}, "says commitment = "),
    ],
)
def test_a_certificate_that_tells_otherwise_than_the_server_is_found(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, certified: dict[str, Any], line: str
) -> None:
    path = "server.classification.sums.newton.coordinator.outcome"
    monkeypatch.setattr(path, lambda table, state, here, again: outcome(table, replace(state, **certified), here, again))
    one = run(scenario(), tmp_path)
    monkeypatch.undo()
    assert any(line in found for found in verify(one.folder))


def test_a_model_of_other_rows_is_found(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("server.classification.sums.newton.coordinator.combined", lambda told: combined([told[0]] * len(told)))
    one = run(scenario(), tmp_path)
    monkeypatch.undo()
    assert any("is of other rows than its members hold" in found for found in verify(one.folder))


def test_a_certificate_is_given_again_once_enough_peers_are_back(tmp_path: Path) -> None:
    leave = {"round": 2, "do": "leave", "peers": [1, 2, 3], "erase": True}
    back = {"round": 3, "do": "rejoin", "peers": [1, 2, 3]}
    events = [leave, back, DELETE | {"round": 4}]
    one = run(scenario(rounds=4, event=events, federation=SMALL["federation"] | {"colluding": 2}), tmp_path)
    guarantees = [row["guarantee"] for row in one.results["erasures"]]
    assert guarantees[-1] == CERTIFIED
    assert verify(one.folder) == []


def test_shares_add_up_to_the_perturbation_and_leave_no_peer() -> None:
    plan = resolve(scenario())
    there = [NewtonPeer.new(config) for config in plan.configs if isinstance(config, NewtonConfig)]
    sums = torch.stack([sum((peer.share(draw, 0.5 / 4**0.5) for peer in there), torch.zeros(31, 1)) for draw in range(60)])
    assert abs(float(sums.std()) / 0.5 - 1) < 0.08, "1,800 values: four standard errors are 7 %"
    assert not torch.equal(there[0].share(0, 1.0), there[1].share(0, 1.0))
    assert not torch.equal(there[0].share(0, 1.0), there[0].share(1, 1.0))


def test_what_peers_keep_of_an_exchange_is_the_number_of_their_rows(tmp_path: Path) -> None:
    one = run(scenario(), tmp_path)
    store = RunStore(one.folder)
    for state in store.states().values():
        assert set(wire.from_bytes(store.artefact(state.seed))) == {"n", "commitment"}
    assert len(store.rows("select 1 from history where until is null")) == 2, "earlier parameters are not kept"
    store.close()


@pytest.mark.parametrize("model", MODELS)
def test_an_interrupted_run_goes_on(model: dict[str, Any], tmp_path: Path) -> None:
    asked = scenario(federation={"kind": "sums", "model": model}, rounds=3, event=[DELETE, {**DELETE, "round": 3, "peer": 2}])
    folder = prepare(asked, tmp_path / "killed")
    with pytest.raises(KeyboardInterrupt):
        resume(folder, Impatient(1))
    assert resume(folder).digest == run(asked, tmp_path / "whole").digest


@pytest.mark.parametrize("message", [1, 2])
def test_a_worker_lost_between_two_exchanges_of_a_round_goes_on(message: int, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    whole = run(scenario(), tmp_path / "whole").digest
    save, answers = app._save, []

    def losing(peer: Any, before: RecordDict) -> RecordDict:
        answers.append(peer.config.peer)
        lost = peer.config.peer == 0 and answers.count(0) == message
        return RecordDict() if lost else save(peer, before)

    monkeypatch.setattr(app, "_save", losing)
    assert run(scenario(), tmp_path / "lost").digest == whole
    assert answers.count(0) > message, "the peer was asked again"


@pytest.mark.slow
@pytest.mark.parametrize("model", MODELS)
@pytest.mark.parametrize("kind", ["ray", "grpc", "flower"])
def test_engines_agree(kind: str, model: dict[str, Any], tmp_path: Path) -> None:
    federation = {"kind": "sums", "model": model}
    digests = {run(scenario(federation=federation, engine={"kind": one}), tmp_path / one).digest for one in ("inline", kind)}
    assert len(digests) == 1


def test_a_solve_halves_steps_that_do_not_help() -> None:
    problem = reading(resolve(scenario()).configs[0].main, data.load(resolve(scenario()).configs[0].data))  # type: ignore[union-attr]
    rows = data.load(resolve(scenario()).configs[0].data).rows(np.arange(20))
    problem.begin(rows)
    whole = problem.objective()
    far = 60 * torch.ones_like(whole.linear)
    asked: list[torch.Tensor] = []

    def ask(weights: torch.Tensor) -> ObjectiveSums:
        asked.append(weights)
        return ObjectiveSums.of(whole, weights)

    there = solved(ask, Reached(far, ObjectiveSums.of(whole, far)))
    assert apart(there.weights, minimise(whole).weights) < 1e-10
    assert there.rejected > 0
    assert len(asked) == there.steps + there.rejected, "every exchange is counted"


def test_a_second_step_that_makes_nothing_smaller_is_counted() -> None:
    flat = ObjectiveSums(1, torch.ones(1, 1, dtype=torch.float64), torch.ones(1, 1, 1, dtype=torch.float64), 0.0)
    there = stepped(lambda weights: flat, Reached(torch.zeros(1, 1, dtype=torch.float64), flat), enough=0.5)
    assert (there.steps, there.rejected) == (1, 1)


def test_exchanges_at_points_that_were_not_taken_are_told() -> None:
    sums = ObjectiveSums(1, torch.zeros(1, 1), torch.ones(1, 1, 1), 0.0)
    state, table = Kept(torch.zeros(1, 1), ((0, 0),), commitment="00" * 32), CertifiedRemoval()
    for rejected, told in ((0, "with an exchange"), (3, "with an exchange, and 3 exchanges at points that were not taken")):
        found = outcome(table, state, Reached(torch.zeros(1, 1), sums, 2, rejected), False)
        assert found.notes[-1] == f"{COST_NOTE}2 Newton steps, each {told}"


@pytest.mark.parametrize(
    ("changes", "said"),
    [
        ({"federation": removing(certifier="worst_case")}, 'take certifier = "measured" and hessian = "fresh"'),
        ({"federation": removing(delta=0)}, "a perturbation for delta = 0 is no sum of shares: take a delta above 0"),
        ({"federation": removing(base={"kind": "convex", "loss": "huber_hinge"})}, "take another loss"),
        ({"federation": removing(sigma=0)}, "federation.model.sigma: is 0"),
        ({"federation": removing(sigma=1e300)}, "federation.model.sigma: is 1e+300: write a number of at most 1e+100"),
        ({"federation": {"kind": "sums", "model": {"kind": "newton_statistics", "sigma": 1e300}}}, "write a number of at most 1e+100"),
        ({"federation": removing(base={"kind": "mlp"})}, "nothing is proven of removals from 'mlp'"),
        ({"federation": {**removing(), "colluding": 4}}, "federation.colluding: is 4 of 4 peers"),
        ({"federation": {"kind": "sums", "model": {"kind": "ridge"}, "colluding": 1}}, "ridge has none: remove the key"),
        ({"event": [{**DELETE, "method": "subtract"}]}, "certified_removal across peers carries requests out itself"),
        ({"event": [{"round": 2, "do": "arrive", "peer": 1, "rows": {"fraction": 0.1}}]}, "takes no rows in after the start"),
    ],
    ids=lambda value: "" if isinstance(value, dict) else value[:30],
)
def test_each_mistake_is_one_line(changes: dict[str, Any], said: str) -> None:
    with pytest.raises(ScenarioError) as error:
        resolve(scenario(**changes))
    (line,) = error.value.lines
    assert said in line


def test_a_certificate_with_too_few_shares_is_disproved(tmp_path: Path) -> None:
    told = run(scenario(), tmp_path).results["erasures"][0]["certificate"]
    less = SharedResidual.model_validate({**told, "shares": 3})
    evidence: Any = type("Evidence", (), {"guarantee": CERTIFIED, "main": None})()
    assert less.disproof(evidence) == "3 shares of sigma / sqrt(4) make less than sigma = 0.5"
    assert SharedResidual.model_validate(told).disproof(evidence) is None
