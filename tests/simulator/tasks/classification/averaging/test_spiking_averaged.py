"""Unlearning in an averaged spiking network: sums over peers, one mask for all, thresholds that no mean lowers."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from clients import wire
from clients.data.bundled import Digits
from clients.data.rows import Rows
from clients.models import ModelSpec
from clients.models.network import Network
from clients.models.spiking import Spiking
from clients.training import Adam, Arrays, Training, from_arrays
from clients.unlearning.general.contract import Learning
from clients.unlearning.spiking.activity import activity
from clients.unlearning.spiking.method import SpikingUnlearning
from clients.unlearning.spiking.sums import CLASSES, mean_gradients, summed_activity
from clients.unlearning.spiking.synapses import gradients
from simulator.errors import ScenarioError
from simulator.runner import run
from simulator.runs.run import Run
from simulator.runs.verify import verify
from simulator.scenarios.resolution import resolve
from simulator.scenarios.scenario import Scenario
from simulator.storage.reading import reading

MODEL: dict[str, Any] = {"kind": "spiking", "hidden": [12], "steps": 4}
METHOD = {"kind": "spiking", "repair": 1, "synapses": 0.9, "sample": 64}
SMALL: dict[str, Any] = {
    "name": "averaged-spikes",
    "seed": 3,
    "rounds": 4,
    "federation": {"kind": "fedadam", "eta": 0.05},
    "data": {"dataset": "digits", "rows": 160, "reference": 1, "test": 30, "partition": {"kind": "iid"}},
    "peers": {"count": 3, "main": [MODEL]},
    "training": {"epochs": 1},
    "audit": {"counterfactual": False},
    "event": [{"round": 3, "do": "delete", "peers": [0, 1], "rows": {"label": 3}, "method": METHOD}],
}


FILLED = {"event": [SMALL["event"][0] | {"method": METHOD | {"fill": "gaussian"}}]}


@pytest.fixture
def play(tmp_path: Path) -> Callable[..., Run]:
    return lambda **changes: run(Scenario.parse(SMALL | changes), tmp_path / "runs")


def final(done: Run) -> Arrays:
    with reading(done.folder) as store:
        return wire.from_bytes(store.artefact(str(store.model("global"))))


@pytest.mark.parametrize("changes", [pytest.param({}, marks=pytest.mark.slow), FILLED], ids=["zeros", "gaussian"])
def test_masks_and_thresholds_outlive_the_averaging_of_later_rounds(play: Callable[..., Run], changes: dict[str, Any]) -> None:
    done = play(**changes)
    weights = final(done)
    told = [note for one in done.results["erasures"] for note in one["notes"] if note.startswith("pruning: ")]
    pruned = sum(int(weights[f"{layer}.pruned"].sum()) for layer in ("hidden.0", "readout"))
    assert pruned == sum(int(note.split()[1]) for note in told) > 0
    assert len(told) == 2
    carried = np.concatenate([weights[f"{layer}.weight"][weights[f"{layer}.pruned"]] for layer in ("hidden.0", "readout")])
    assert (carried.all() if changes else not carried.any()), "exactly filled, or exactly zero"
    assert weights["hidden.0.threshold"].max() > 1.0
    assert weights["hidden.0.threshold"].min() >= 1.0
    assert verify(done.folder) == []


@pytest.mark.parametrize(
    ("changes", "told"),
    [
        pytest.param({}, "the mask was not enforced when models were averaged", marks=pytest.mark.slow),
        (FILLED, "pruned synapses carry other noise than filled them: it was not kept when models were averaged"),
    ],
    ids=["zeros", "gaussian"],
)
def test_the_planted_fault_a_mask_that_is_not_enforced_after_averaging_is_found(
    play: Callable[..., Run], monkeypatch: pytest.MonkeyPatch, changes: dict[str, Any], told: str
) -> None:
    monkeypatch.setattr(Spiking, "merged", ModelSpec.merged)  # the server's momentum then moves what had been pruned
    assert any(told in line for line in verify(play(**changes).folder))


def test_the_planted_fault_a_mask_that_is_lost_is_found(play: Callable[..., Run], monkeypatch: pytest.MonkeyPatch) -> None:
    def lost(self: Spiking, weights: Arrays, models: Any) -> Arrays:
        return {name: np.zeros_like(array) if name.endswith("pruned") else array for name, array in weights.items()}

    monkeypatch.setattr(Spiking, "merged", lost)
    assert any("the mask was not kept when models were averaged" in line for line in verify(play().folder))


def test_an_update_without_the_mask_revives_nothing_and_lowers_no_threshold() -> None:
    def model(weight: float, pruned: bool, threshold: float) -> Arrays:
        mask = np.array([[pruned, False]])
        return {"a.weight": np.full((1, 2), weight, np.float32), "a.pruned": mask, "a.threshold": np.full(1, threshold, np.float32)}

    found = Spiking().merged(model(0.5, False, 1.2), [model(0.0, True, 1.0), model(1.0, False, 1.4)])
    assert found["a.weight"].tolist() == [[0.0, 0.5]]
    assert found["a.pruned"].tolist() == [[True, False]]
    assert found["a.threshold"].tolist() == pytest.approx([1.4])
    assert {array.dtype for array in found.values()} == {np.dtype(np.float32), np.dtype(np.bool_)}
    filled = model(0.1, True, 1.0)
    found = Spiking().merged(model(0.1000001, True, 1.0), [filled, model(0.7, True, 1.0), model(0.1, False, 1.0)])
    assert found["a.weight"][0, 0] == filled["a.weight"][0, 0], "the noise of the server's last model stays to the bit"
    found = Spiking().merged(model(0.5, True, 1.0), [model(0.9, False, 1.0), filled])
    assert found["a.weight"][0, 0] == filled["a.weight"][0, 0], "what one peer has just pruned comes as it filled it"


def parts() -> tuple[Rows, Rows, Rows]:
    """Return rows to forget, and the retained rows of two peers; the class 3 is kept by the second alone."""
    data = Digits().load()
    rows = Rows(np.arange(150), data.x[:150], data.y[:150])
    first = np.arange(150) < 90
    return rows.keep(first & (rows.y == 3)), rows.keep(first & (rows.y != 3)), rows.keep(~first)


def test_sums_of_peers_are_those_of_all_their_rows_and_a_class_that_another_keeps_is_no_whole_one() -> None:
    forget, own, other = parts()
    learning = Learning(Network(Spiking(hidden=(12,), steps=4), (1, 8, 8), 10), Training(epochs=4, optimizer=Adam(lr=0.01)), 1, ("s", 1))
    weights, _ = learning.train(learning.initial(), own.joined(other), range(1))
    method = SpikingUnlearning()
    asked, helped = method.measure(weights, learning, forget, own), method.measure(weights, learning, forget.only([]), other)
    assert not any(name.startswith("forget/") for name in helped)
    totals = {name: asked[name] + helped[name] if name in helped else asked[name] for name in asked}
    retain = own.joined(other)
    module = learning.network.build(("shell",))
    from_arrays(module, weights)
    x, y = learning.network.inputs(retain.x), learning.network.targets(retain.y)
    whole = activity(module, x)
    assert summed_activity(totals, "retain", 4).spikes.tobytes() == whole.spikes.tobytes()
    for name, gradient in gradients(module, x, y).items():
        np.testing.assert_allclose(mean_gradients(totals, "retain")[name].numpy(), gradient.numpy(), atol=1e-6)

    off: dict[str, Any] = {"prune": False, "thresholds": False, "repair": 0, "steps": 2}
    key = ("request", 1)
    shared, _ = SpikingUnlearning(**off).carry_out(weights, learning, forget, own, key, totals)
    alone, _ = SpikingUnlearning(**off).carry_out(weights, learning, forget, own, key, asked)
    assert shared["readout.bias"][3] == weights["readout.bias"][3], "another peer keeps the class"
    assert alone["readout.bias"][3] != weights["readout.bias"][3], "the control: nobody does"
    assert totals[CLASSES][3] > 0


def test_a_peer_that_keeps_no_row_prunes_and_raises_thresholds_alone() -> None:
    forget, own, other = parts()
    learning = Learning(Network(Spiking(hidden=(12,), steps=4), (1, 8, 8), 10), Training(epochs=2), 1, ("s", 2))
    weights, method = learning.initial(), SpikingUnlearning()
    mine = method.measure(weights, learning, forget, own.only([]))
    totals = mine | method.measure(weights, learning, forget.only([]), other)
    found, outcome = method.carry_out(weights, learning, forget, own.only([]), ("request", 1), totals)
    assert outcome.notes[1] == "retraining: left out with repair, as this peer keeps no row"
    assert found["hidden.0.bias"].tobytes() == weights["hidden.0.bias"].tobytes()
    nobody, told = method.carry_out(weights, learning, forget, own.only([]), ("request", 1), mine)
    assert told.guarantee == "exact"
    assert wire.to_bytes(nobody) == wire.to_bytes(learning.initial())


def test_a_global_model_that_does_not_spike_is_answered_in_one_line() -> None:
    with pytest.raises(ScenarioError) as caught:
        resolve(Scenario.parse(SMALL | {"peers": {"count": 3, "main": [{"kind": "mlp"}]}}))
    (line,) = caught.value.lines
    assert "round 3: method 'spiking' needs a spiking network, mlp is none: take {" in line
