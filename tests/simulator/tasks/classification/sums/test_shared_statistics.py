"""Statistics across peers: what one learner keeps of all rows, and what leaves by subtraction without waiting for anybody."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest

from clients import data
from clients.data.rows import Rows
from clients.unlearning.approximate.statistics.certificate import SharedDistance
from clients.unlearning.contract import Problem
from clients.unlearning.convex.sums import ObjectiveSums
from server.classification.sums.newton.anchored import Anchored
from server.classification.sums.newton.statistics import FederatedStatistics
from simulator.errors import ScenarioError
from simulator.runner import run
from simulator.runs.run import Run
from simulator.runs.verify import verify
from simulator.scenarios.resolution import resolve
from simulator.scenarios.scenario import Scenario
from simulator.storage.store import RunStore
from simulator.tasks.classification.sums.newton import kept
from simulator.tasks.classification.sums.plan import SumsPlan
from tests.simulator.tasks.classification.sums.test_newton import DELETE, LEAVE, SMALL, apart

KINDS = ("newton_statistics", "infinitesimal_jackknife")
AWAY = {"round": 2, "do": "offline", "peers": [0], "rounds": 2}


def scenario(kind: str = KINDS[0], sigma: float = 0.0, **changes: Any) -> Scenario:
    return Scenario.parse(SMALL | {"federation": {"kind": "sums", "model": {"kind": kind, "sigma": sigma}}} | changes)


def end(one: Run) -> Anchored:
    store = RunStore(one.folder)
    assert isinstance(one.plan, SumsPlan)
    state = kept(one.plan, store)
    store.close()
    assert isinstance(state, Anchored)
    return state


def alone(one: Run) -> Any:
    """Return a single learner that is trained on all peers' rows, and that those of the run's requests have left."""
    plan = one.plan
    assert isinstance(plan, SumsPlan)
    source, gone = data.load(plan.configs[0].data), sorted({row for erasure in plan.timeline.erasures for row in erasure.rows})
    rows = source.rows(np.array(sorted(row for config in plan.configs for row in config.rows)))
    spec: Any = plan.scenario.federation.model
    model = spec.build(Problem(source.shape, source.classes, columns=source.columns), ("alone",))
    model.fit(rows)
    model.forget(Rows(*(part[np.isin(rows.ids, gone)] for part in (rows.ids, rows.x, rows.y))))
    return model


@pytest.mark.parametrize("kind", KINDS)
def test_deletion_and_departure_give_the_parameters_of_one_learner_of_all_rows_though_a_peer_is_away(kind: str, tmp_path: Path) -> None:
    one = run(scenario(kind, rounds=2, event=[DELETE, AWAY, LEAVE]), tmp_path)
    model, state = alone(one), end(one)
    assert apart(state.weights, model.weights) < 1e-11
    assert apart(state.anchor, model.weights) > 1e-3, "they have moved"
    assert [row["guarantee"] for row in one.results["erasures"]] == ["approximate"] * 2
    assert [row["method"] for row in one.results["erasures"]] == [kind] * 2
    store = RunStore(one.folder)
    assert store.rows("select round from outcomes") == [(2,), (2,)], "nobody waits for the peer that is away"
    store.close()
    assert verify(one.folder) == []


def test_noise_certifies_the_bound_which_is_measured_again(tmp_path: Path) -> None:
    one = run(scenario(sigma=0.5), tmp_path)
    (row,) = one.results["erasures"]
    told = row["certificate"]
    assert (row["guarantee"], told["kind"]) == ("certified(1, 0.0001)", "shared_distance")
    assert told["rows"] + told["removed"] == 160 - 1, "of 200 rows 40 test and one is for reference"
    assert verify(one.folder) == []
    assert one.results["verdict"]["name"] == "proven"
    evidence: Any = type("Evidence", (), {"guarantee": "certified(1, 0.0001)", "main": None})()
    far = SharedDistance.model_validate({**told, "distance": 1.0})
    assert str(far.disproof(evidence)).startswith("noise of sigma = 0.5 hides a distance of 1 with delta = ")


@pytest.mark.parametrize("fault", ["an entry is left out", "no noise", "no step"])
def test_a_server_that_lies_is_found(fault: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    if fault == "an entry is left out":
        monkeypatch.setattr(FederatedStatistics, "total", lambda self, parts: ObjectiveSums.total(parts[:-1]))
    elif fault == "no noise":
        monkeypatch.setattr(FederatedStatistics, "_noise", lambda self, number: self.model.zeros())
    else:
        from clients.unlearning.approximate.statistics.statistics import RemainingHessian

        monkeypatch.setattr(RemainingHessian, "change", lambda self: 0 * self.anchor)
    one = run(scenario(sigma=0.5), tmp_path)
    monkeypatch.undo()
    said = "the noise on the server's model was not drawn" if fault == "no noise" else "away, above the bound"
    assert any(said in line for line in verify(one.folder)), verify(one.folder)


def test_a_peer_that_crashes_is_out_of_the_sums_until_it_answers(tmp_path: Path) -> None:
    crash = {"round": 2, "do": "crash", "peers": [1], "phase": "before_sending"}
    events = [DELETE, crash]
    without = run(scenario(event=events), tmp_path / "without")
    assert 1 not in dict(end(without).present)
    assert verify(without.folder) == [], "it has forgotten before the final evaluation"
    back = run(scenario(event=events, rounds=3), tmp_path / "back")
    assert apart(end(back).weights, end(run(scenario(), tmp_path / "never")).weights) < 1e-12
    store = RunStore(back.folder)
    assert store.rows("select round from outcomes") == [(3,)]
    store.close()


def test_corrected_labels_are_a_step_for_the_hessian_that_follows_them(tmp_path: Path) -> None:
    event = {"round": 2, "do": "correct", "peer": 1, "rows": {"fraction": 0.1}, "label": "benign"}
    one = run(scenario(sigma=50.0, event=[event]), tmp_path)
    assert one.results["erasures"][0]["guarantee"] == "certified(1, 0.0001)"
    assert verify(one.folder) == []


def test_who_joins_makes_the_optimum_anew(tmp_path: Path) -> None:
    one = run(scenario(event=[{"round": 2, "do": "join", "peers": [2]}]), tmp_path)
    assert dict(end(one).members) == {0: 0, 1: 0, 2: 0, 3: 0}
    assert apart(end(one).anchor, end(run(scenario(event=[]), tmp_path)).anchor) < 1e-12


@pytest.mark.parametrize(
    ("model", "event", "said"),
    [
        ({"kind": KINDS[0], "base": {"kind": "convex", "loss": "huber_hinge"}}, DELETE, "take another loss"),
        ({"kind": KINDS[1], "base": {"kind": "convex", "lasso": 0.1}}, DELETE, "set lasso = 0"),
        (
            {"kind": KINDS[1]},
            {"round": 2, "do": "correct", "peer": 1, "label": "benign"},
            "keeps the Hessian of the rows as they were: take newton_statistics",
        ),
        ({"kind": KINDS[0]}, {"round": 2, "do": "arrive", "peer": 1, "rows": {"fraction": 0.1}}, "takes no rows in after the start"),
        ({"kind": "recollection"}, DELETE, "federation.model"),
    ],
    ids=lambda value: value[:30] if isinstance(value, str) else "",
)
def test_each_mistake_is_one_line(model: dict[str, Any], event: dict[str, Any], said: str) -> None:
    with pytest.raises(ScenarioError) as error:
        resolve(Scenario.parse(SMALL | {"federation": {"kind": "sums", "model": model}, "event": [event]}))
    (line,) = error.value.lines
    assert said in line
