"""Methods that holders of rows carry out on an averaged classifier: the change is taken whole, the rows are gone, sums are of all peers."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

from clients import wire
from clients.averaging.order import Order
from clients.averaging.update import COUNT
from clients.data.rows import Rows
from clients.participant import ROWS
from clients.training import Arrays
from clients.unlearning.deep.ssd import SelectiveDampening
from clients.unlearning.general import METHODS
from clients.unlearning.general.contract import MethodSpec
from clients.unlearning.general.repair import Repair
from server.averaging import unlearning
from server.averaging.coordinator import Averaging
from simulator.errors import ScenarioError
from simulator.progress import Watch
from simulator.runner import run
from simulator.runs.run import Run
from simulator.runs.verify import verify
from simulator.scenarios.resolution import resolve
from simulator.scenarios.scenario import Scenario

SMALL: dict[str, Any] = {
    "name": "by_peers",
    "seed": 7,
    "rounds": 4,
    "federation": {"kind": "fedavg", "cohort": 3},
    "data": {"dataset": "digits", "rows": 400, "reference": 1, "test": 80, "partition": {"kind": "iid"}},
    "peers": {"count": 5, "main": [{"kind": "mlp", "hidden": [8]}]},
    "training": {"epochs": 3, "optimizer": {"kind": "adam", "lr": 0.02}},
    "audit": {"counterfactual": False, "membership_inference": False, "relearn": False},
}
SCRUB = {"kind": "scrub", "msteps": 5, "optimizer": {"kind": "adam", "lr": 0.01}}


def delete(method: Any, peers: list[int], number: int = 3) -> dict[str, Any]:
    return {"round": number, "do": "delete", "peers": peers, "rows": {"fraction": 0.3}, "method": method}


Played = tuple[Run, "Seen"]


class Seen:
    """What was carried out: arguments and result of every call of a method, measured rows, the global model after each request."""

    def __init__(self, patch: pytest.MonkeyPatch, kind: type[MethodSpec]) -> None:
        self.calls: list[dict[str, Any]] = []
        self.after: list[Arrays] = []
        self.measured: list[tuple[Rows, Rows]] = []
        carry_out, measure, ordered = kind.carry_out, kind.measure, unlearning.carry_out

        def spied(method: Any, weights: Any, learning: Any, forget: Any, retain: Any, key: Any, totals: Any) -> Any:
            found = carry_out(method, weights, learning, forget, retain, key, totals)
            known = {"weights": weights, "learning": learning, "forget": forget, "retain": retain, "totals": totals, "found": found[0]}
            self.calls.append(known)
            return found

        def noted(server: Any, *rest: Any) -> None:
            ordered(server, *rest)
            self.after.append(dict(server.weights))

        def answered(method: Any, weights: Any, learning: Any, forget: Rows, retain: Rows) -> Arrays:
            self.measured.append((forget, retain))
            return measure(method, weights, learning, forget, retain)

        patch.setattr(kind, "carry_out", spied)
        if kind.measures():
            patch.setattr(kind, "measure", answered)
        patch.setattr(unlearning, "carry_out", noted)


def loss(call: dict[str, Any], weights: Arrays) -> float:
    """Return the cross-entropy of a call's rows to forget under weights."""
    rows = call["forget"]
    answers = call["learning"].network.probabilities(weights, rows.x)
    return float(-np.log(np.maximum(answers[np.arange(len(rows)), rows.y], 1e-30)).mean())


def bytes_of(weights: Arrays) -> bytes:
    return wire.to_bytes(weights)


@pytest.fixture(scope="module")
def play(tmp_path_factory: pytest.TempPathFactory) -> Callable[..., Played]:
    """Return a function that plays a scenario and returns the run and what was carried out."""

    def played(kind: str, *events: dict[str, Any]) -> Played:
        with pytest.MonkeyPatch.context() as patch:
            seen = Seen(patch, METHODS.load(kind))
            return run(Scenario.parse(SMALL | {"event": list(events)}), tmp_path_factory.mktemp("runs"), Watch()), seen

    return played


@pytest.fixture(scope="module")
def scrubbed(play: Callable[..., Played]) -> Played:
    """Two peers ask in round 3, where updates of round 2 are still in transit, and one in round 1, when nothing has been learned."""
    late = {"round": 2, "do": "straggle", "peers": [0, 3], "delay": 2}
    return play("scrub", delete(SCRUB, [1, 2]), delete(SCRUB, [4], number=1), late)


@pytest.fixture(scope="module")
def dampened(play: Callable[..., Played]) -> Played:
    return play("ssd", delete({"kind": "ssd", "alpha": 2}, [1, 2]))


def test_the_change_of_every_peer_is_taken_whole(scrubbed: Played) -> None:
    done, seen = scrubbed
    first, second = seen.calls  # the request of round 1 is none of them
    assert bytes_of(second["weights"]) == bytes_of(first["found"]), "the next one goes on from there"
    assert bytes_of(seen.after[0]) == bytes_of(second["found"])
    told = {one["peer"]: one for one in done.results["erasures"]}
    assert {one["guarantee"] for one in told.values()} == {"approximate"}
    assert all(told[peer]["gradient_steps"] > 0 and "losses by epoch" in told[peer]["notes"][0] for peer in (1, 2))
    assert told[4]["gradient_steps"] == 0


def test_control_an_averaged_change_is_diluted_and_found(play: Callable[..., Played], scrubbed: Played, monkeypatch: Any) -> None:
    """The fault: the changed weights are averaged with those of peers that changed nothing."""
    accepted = Averaging.accepted

    def diluting(self: Any, update: Any, record: Any) -> bool:
        if self.orders:
            for name, array in update.weights.items():
                update.weights[name] = (array + 4 * self.weights[name]) / np.float32(5)
        return bool(accepted(self, update, record))

    monkeypatch.setattr(Averaging, "accepted", diluting)
    (call,), (after,) = (lambda seen: (seen.calls, seen.after))(play("scrub", delete(SCRUB, [1]))[1])
    assert bytes_of(after) != bytes_of(call["found"])
    before, whole, diluted = (loss(call, weights) for weights in (call["weights"], call["found"], after))
    assert whole - before > 2 * (diluted - before)


@pytest.mark.parametrize("played", ["scrubbed", "dampened"])
def test_afterwards_no_peer_has_the_rows_and_no_artefact_has_the_sums(played: str, request: pytest.FixtureRequest) -> None:
    done, _ = request.getfixturevalue(played)
    assert verify(done.folder) == []
    gone = {row for one in done.plan.timeline.erasures for row in one.rows}
    held: set[int] = set()
    for path in (done.folder / "artefacts").iterdir():
        arrays = wire.from_bytes(path.read_bytes())
        assert not any(name.startswith(("forget/", "retain/")) for name in arrays)
        held.update(arrays.get(ROWS, np.empty(0)).tolist())
    assert len(gone) > 20
    assert not gone & held


def test_the_sums_are_those_of_all_peers_and_the_change_is_made_once(dampened: Played) -> None:
    done, seen = dampened
    assert len(seen.measured) == 5
    (call,) = seen.calls
    forget, retain = (joined([one[side] for one in seen.measured]) for side in (0, 1))
    pooled = SelectiveDampening().measure(call["weights"], call["learning"], forget, retain)
    assert pooled.keys() == call["totals"].keys()
    for name, sums in pooled.items():
        np.testing.assert_allclose(call["totals"][name], sums, rtol=1e-5, atol=1e-9)
    assert set(forget.ids.tolist()) == {row for one in done.plan.timeline.erasures for row in one.rows}
    assert not np.isin(forget.ids, retain.ids).any()
    assert bytes_of(seen.after[0]) == bytes_of(call["found"]) != bytes_of(call["weights"])


def test_repair_divides_by_the_diagonals_of_all_peers_rows(play: Callable[..., Played]) -> None:
    method = {"kind": "repair", "fisher": "diagonal", "labels": "data", "steps": 3}
    done, seen = play("repair", delete(method, [1]))
    (call,), spec = seen.calls, Repair.model_validate(method)
    forget, retain = (joined([one[side] for one in seen.measured]) for side in (0, 1))
    assert len(retain) == done.plan.scenario.data.rows - 81 - len(forget), "all rows that are dealt are measured"
    pooled = spec.measure(call["weights"], call["learning"], forget, retain)
    for name, sums in pooled.items():
        np.testing.assert_allclose(call["totals"][name], sums, rtol=1e-9, atol=1e-12)
    assert bytes_of(seen.after[0]) == bytes_of(call["found"]), "it is taken whole"
    own = spec.measure(call["weights"], call["learning"], call["forget"], call["retain"])
    alone, _ = spec.carry_out(call["weights"], call["learning"], call["forget"], call["retain"], (), own)
    assert bytes_of(alone) != bytes_of(call["found"]), "a peer's own diagonal gives other steps"
    assert verify(done.folder) == []


def joined(parts: list[Rows]) -> Rows:
    whole = parts[0]
    for one in parts[1:]:
        whole = whole.joined(one)
    return whole


def test_an_order_goes_over_the_wire_and_back() -> None:
    order = Order(SelectiveDampening(alpha=3), False, (4, 7), {"forget/#": np.array(2)})
    back = Order.read(order.records())
    assert back is not None
    assert (back.method, back.measure, back.rows) == (order.method, False, (4, 7))
    assert back.totals["forget/#"] == 2
    assert Order.read({}) is None
    assert COUNT not in back.totals


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        (
            {"event": [{"round": 3, "do": "leave", "peers": [4], "erase": True, "method": "scrub"}]},
            "scrub cannot be carried out for peer in classification/fedavg: take one of retrain, rollback, finetune",
        ),
        ({"event": [delete("repair", [1])]}, "which no peer has: set fisher = 'diagonal', whose sums peers add"),
        ({"event": [delete("scrub", [1])], "compare": [{"event": 0, "methods": ["repair"]}]}, "set fisher = 'diagonal'"),
        ({"event": [delete("ntk", [1])]}, "ntk cannot be carried out for rows in classification/fedavg: take one of"),
        ({"event": [delete({"kind": "ssd", "alpha": 0}, [1])]}, "event 1 (event.0.method.alpha): is 0: write a number above 0"),
        ({"event": [delete("scrub", [1]), delete("retrain", [2], number=4)]}, "round 4: retrain begins again without what scrub left"),
    ],
)
def test_what_cannot_be_is_answered_in_one_line(changes: dict[str, Any], words: str) -> None:
    with pytest.raises(ScenarioError) as raised:
        resolve(Scenario.parse(SMALL | changes))
    (line,) = str(raised.value).splitlines()
    assert words in line
