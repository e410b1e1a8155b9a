"""Unlearning in spiking networks: what is chosen, what each phase changes, what stays, and how much comes back."""

from __future__ import annotations

from functools import cache
from typing import Any

import numpy as np
import pytest
import torch
from pydantic import ValidationError

from clients import wire
from clients.checks.suite import Check
from clients.checks.unlearner import unlearner_checks
from clients.data.bundled import Digits
from clients.data.rows import Rows
from clients.models.network import Network
from clients.models.spikes import SpikingNetwork
from clients.models.spiking import Spiking
from clients.training import Adam, Arrays, Training, from_arrays
from clients.unlearning.approximate.approximate import Approximate
from clients.unlearning.contract import Outcome
from clients.unlearning.general.contract import Learning
from clients.unlearning.spiking.activity import Activity, activity, relevance, relevant
from clients.unlearning.spiking.method import SpikingUnlearning, pruned_by
from clients.unlearning.spiking.phases import prune, raise_thresholds
from clients.unlearning.spiking.synapses import candidates

BASE = Spiking(hidden=(24, 16), steps=5)
TRAINING = Training(epochs=8, optimizer=Adam(lr=0.005))
LABEL = 3
OFF: dict[str, Any] = {"retrain": False, "prune": False, "thresholds": False, "repair": 0}


@cache
def rows() -> Rows:
    data = Digits().load()
    return Rows(1000 + 2 * np.arange(400), data.x[:400], data.y[:400])


@cache
def trained() -> tuple[Arrays, Learning]:
    learning = Learning(Network(BASE, (1, 8, 8), 10), TRAINING, 1, ("spiking", 1))
    return learning.train(learning.initial(), rows(), range(1))[0], learning


def split(labels: bool = True) -> tuple[Rows, Rows]:
    """Return the rows to forget, a class or every tenth, and the others."""
    gone = rows().y == LABEL if labels else np.arange(400) % 10 == 0
    return rows().keep(gone), rows().keep(~gone)


@cache
def carried_out(labels: bool = True, **settings: Any) -> tuple[Arrays, Outcome]:
    weights, learning = trained()
    return SpikingUnlearning(**settings).apply(weights, learning, *split(labels), ("request", 1))


def module(weights: Arrays) -> SpikingNetwork:
    found = BASE.build((1, 8, 8), 10, ("k",))
    from_arrays(found, weights)
    return found


def right(weights: Arrays, part: Rows) -> float:
    return float((trained()[1].network.probabilities(weights, part.x).argmax(1) == part.y).mean())


def planted() -> tuple[Activity, Activity]:
    """Return activities of five neurons, of which the third fires on rows to forget only, and the last never."""
    chance = np.random.default_rng(2)
    counts = chance.integers(0, 5, (40, 5)).astype(np.float64)
    counts[:, 2] = np.repeat([4, 0], 20)
    counts[:, 4] = 0
    parts = counts[:20], counts[20:]
    first, second = (Activity(20, 5, part.sum(0), (part**2).sum(0)) for part in parts)
    found = np.corrcoef(np.repeat([1, 0], 20), counts[:, 0])[0, 1]
    assert relevance(first, second)[0] == pytest.approx(found)
    return first, second


def test_a_neuron_that_fires_for_the_forgotten_alone_ranks_first() -> None:
    correlations = relevance(*planted())
    assert correlations.argmax() == 2
    assert correlations[2] == pytest.approx(1.0)
    assert correlations[4] == 0.0
    assert np.flatnonzero(relevant(correlations, 0.8)).tolist() == [2]
    assert relevance(*planted()[::-1])[2] == pytest.approx(-1.0), "the control: for the others, it is the other way round"
    assert not relevant(np.array([0.0, -0.5, -1.0]), 0.2).any(), "what fires less for them is never chosen"


def test_activity_knows_no_order_and_adds_up_over_peers() -> None:
    net, x = module(trained()[0]), torch.from_numpy(rows().x[:30])
    whole, turned = activity(net, x), activity(net, x.flip(0))
    parts = activity(net, x[:11]) + activity(net, x[11:])
    for one in (turned, parts):
        assert (one.rows, one.spikes.tobytes(), one.squares.tobytes()) == (30, whole.spikes.tobytes(), whole.squares.tobytes())
    assert whole.spikes.any()
    assert ((whole.rates >= 0) & (whole.rates <= 1)).all()


def test_candidates_touch_the_chosen_neurons_and_the_class() -> None:
    chosen = np.zeros(40, np.bool_)
    chosen[[5, 24 + 7]] = True
    masks = candidates(module(trained()[0]), chosen, [LABEL])
    into, between, out = (masks[name] for name in ("hidden.0.weight", "hidden.1.weight", "readout.weight"))
    assert into[5].all()
    assert int(into.sum()) == 64
    assert between[7].all()
    assert between[:, 5].all()
    assert int(between.sum()) == 24 + 16 - 1
    assert out[:, 7].all()
    assert out[LABEL].all()
    assert int(out.sum()) == 10 + 16 - 1
    assert masks["readout.bias"].nonzero().flatten().tolist() == [LABEL]
    assert not masks["hidden.0.bias"].any()


def test_retraining_changes_candidates_only() -> None:
    weights, _ = trained()
    found, outcome = carried_out(labels=False, **OFF | {"retrain": True})
    changed = {name: found[name] != weights[name] for name in weights}
    assert not changed["hidden.0.bias"].any()
    assert not changed["readout.bias"].any(), "no class goes as a whole"
    touched = np.flatnonzero(changed["hidden.0.weight"].any(1))
    assert 0 < len(touched) <= 8, "a fifth of the neurons"
    still = np.delete(changed["hidden.0.weight"], touched, axis=0)
    assert not still.any()
    assert not any(changed[name].any() for name in weights if name.endswith(("threshold", "pruned")))
    assert outcome.cost.gradient_steps == 15
    assert "15 steps" in outcome.notes[1]


def test_pruned_synapses_are_those_that_score_highest_and_stay_zero() -> None:
    net = module(trained()[0])
    scores = {name: torch.zeros_like(layer.weight) for name, layer in net.synapses().items()}
    allowed = {name: torch.ones_like(score, dtype=torch.bool) for name, score in scores.items()}
    scores["hidden.0.weight"][3, 9] = 7.0
    scores["hidden.1.weight"][0, 0] = 9.0
    allowed["hidden.1.weight"][0, 0] = False
    prune(net, scores, allowed, 0.99)
    assert net.firing[0].pruned.nonzero().tolist() == [[3, 9]]
    assert net.firing[0].weight[3, 9] == 0
    assert not net.firing[1].pruned.any(), "the control: what may not be pruned is not"


def test_pruned_synapses_filled_with_noise_have_the_scale_of_their_layer() -> None:
    net, before = module(trained()[0]), trained()[0]["hidden.0.weight"]
    scores = {name: torch.zeros_like(layer.weight) for name, layer in net.synapses().items()}
    scores["hidden.0.weight"][:12] = 1.0  # half of the layer
    allowed = {name: torch.ones_like(score, dtype=torch.bool) for name, score in scores.items()}
    told = prune(net, scores, allowed, 0.5, ("secret",))
    after, gone = net.firing[0].weight.detach().numpy(), net.firing[0].pruned.numpy()
    assert gone[:12].all()
    assert not gone[12:].any()
    assert (after[~gone] == before[~gone]).all()
    assert after[gone].std() == pytest.approx(before[~gone].std(), rel=0.1)
    assert abs(np.corrcoef(after[gone], before[gone])[0, 1]) < 0.15, "what was there is not in it"
    assert pruned_by([told]) == (12 * 64, pytest.approx(after[gone].astype(np.float64).sum()))
    for name, score in scores.items():
        score[:] = name == "readout.weight"
    prune(net, scores, allowed, 0.5, ("secret",))
    assert net.readout.weight.std() > 0, "a layer that is pruned as a whole has its own scale"


@pytest.mark.parametrize("fill", ["zeros", "gaussian"])
def test_repair_and_later_rounds_revive_no_pruned_synapse(fill: str) -> None:
    found, outcome = carried_out(fill=fill)
    unrepaired, _ = carried_out(fill=fill, repair=0)
    _, retain = split()
    later, _ = trained()[1].train(found, retain, range(1, 2))
    total = 0
    for name in ("hidden.0", "hidden.1", "readout"):
        gone = found[f"{name}.pruned"]
        total += int(gone.sum())
        for weights in (found, later):
            assert weights[f"{name}.weight"][gone].tobytes() == unrepaired[f"{name}.weight"][gone].tobytes()
            assert ((weights[f"{name}.weight"][gone] == 0) == (fill == "zeros")).all()
            assert (weights[f"{name}.pruned"] == gone).all()
    assert total > 0
    assert pruned_by(outcome.notes)[0] == total
    assert any((later[name] != found[name]).any() for name in found), "the control: the others learn"


def test_thresholds_rise_where_the_forgotten_fire_more_and_only_there() -> None:
    net = module(trained()[0])
    forget, retain = (activity(net, torch.from_numpy(part.x)) for part in split())
    raise_thresholds(net, forget, retain, gain=9.0, ceiling=1.5)
    found = torch.cat([layer.threshold for layer in net.firing]).numpy()
    more = forget.rates > retain.rates
    assert (found[more] > 1).all()
    assert (found[~more] == 1).all()
    assert found.max() == 1.5
    assert 0 < more.sum() < len(more)


def test_thresholds_alone_change_no_weight_and_let_less_fire_for_the_forgotten() -> None:
    weights, _ = trained()
    found, outcome = carried_out(**OFF | {"thresholds": True})
    assert {name for name in weights if (weights[name] != found[name]).any()} == {"hidden.0.threshold", "hidden.1.threshold"}
    x = torch.from_numpy(split()[0].x)
    before, after = (activity(module(one), x).rates for one in (weights, found))
    assert after[:24][found["hidden.0.threshold"] > 1].sum() < before[:24][found["hidden.0.threshold"] > 1].sum()
    assert (after[:24] <= before[:24]).all()
    assert outcome.cost.gradient_steps == 0


def test_a_class_goes_and_the_others_stay() -> None:
    forget, retain = split()
    found, outcome = carried_out()
    assert right(trained()[0], forget) > 0.9
    assert right(found, forget) < 0.1
    assert right(found, retain) > 0.85
    assert outcome.guarantee == "approximate"
    assert len(outcome.notes) == 4
    assert right(carried_out(**OFF)[0], forget) == right(trained()[0], forget), "the control: every phase off"


def test_relearning_brings_back_what_was_hidden() -> None:
    _, learning = trained()
    forget, retain = split()
    never, _ = learning.train(learning.initial(), retain, range(1))
    few = Training(epochs=4, optimizer=Adam(lr=0.003))

    def again(weights: Arrays) -> float:
        found, _ = learning.network.train(weights, rows().x, rows().y, epochs=range(4), ids=rows().ids, key=("again",), settings=few)
        return right(found, forget)

    assert again(carried_out()[0]) > 0.5, "it hides more than it removes"
    assert again(never) < 0.2, "the control: what was never there comes back more slowly"


CHECKED = unlearner_checks(Approximate(base=Spiking(hidden=(48,), steps=6, threshold=0.5), method=SpikingUnlearning()))


@pytest.mark.parametrize("check", [check for check in CHECKED if check.expected_to_fail is None], ids=lambda check: check.name)
def test_as_a_main_model_it_fulfils_the_contract(check: Check) -> None:
    check.run()


@pytest.mark.parametrize("phase", ["retrain", "prune", "thresholds", "repair"])
def test_each_phase_can_be_switched_off(phase: str) -> None:
    whole, without = carried_out(), carried_out(**{phase: OFF[phase]})
    assert wire.to_bytes(whole[0]) != wire.to_bytes(without[0])
    assert len(without[1].notes) == len(whole[1].notes) - (phase != "repair")


def test_random_neurons_are_as_many() -> None:
    told, drawn = carried_out()[1].notes[0], carried_out(choose="random")[1].notes[0]
    assert told.split(" neurons")[0] == drawn.split(" neurons")[0]
    assert wire.to_bytes(carried_out()[0]) != wire.to_bytes(carried_out(choose="random")[0])


def test_with_no_row_kept_it_begins_anew() -> None:
    weights, learning = trained()
    found, outcome = SpikingUnlearning().apply(weights, learning, rows(), rows().only([]), ("request", 1))
    assert wire.to_bytes(found) == wire.to_bytes(learning.initial())
    assert outcome.guarantee == "exact"


def test_a_network_that_does_not_spike_is_refused() -> None:
    table = {"base": {"kind": "mlp"}, "method": "spiking"}
    with pytest.raises(ValidationError, match="method 'spiking' needs a spiking network, mlp is none"):
        Approximate.model_validate(table)
    assert Approximate.model_validate(table | {"base": {"kind": "spiking"}}).guarantee == "approximate"
