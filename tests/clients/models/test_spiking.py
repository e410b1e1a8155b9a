"""Spiking networks: neurons stepped by hand, the surrogate's formula, encodings by key, thresholds in the state."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pytest
import torch
from pydantic import ValidationError

from clients.checks.model import Check, model_checks
from clients.data.bundled import Digits
from clients.models.encodings import encoded
from clients.models.network import Network
from clients.models.spikes import LeakyIntegrateAndFire, Neurons, SpikingNetwork, fire
from clients.models.spiking import Spiking
from clients.training import Adam, Sgd, Training, from_arrays, to_arrays

SPECS = [Spiking(hidden=(8,), steps=3), Spiking(hidden=(8, 6), steps=4, encoding="rate"), Spiking(hidden=(8,), encoding="latency")]
CHECKS = [(spec, check) for spec in SPECS for check in model_checks(spec)]


@pytest.mark.parametrize(("spec", "check"), CHECKS, ids=[f"{spec.encoding} {check.name}" for spec, check in CHECKS])
def test_models_fulfil_their_contract(spec: Spiking, check: Check) -> None:
    check.run()


def one_neuron(leak: float, threshold: float) -> LeakyIntegrateAndFire:
    layer = LeakyIntegrateAndFire(1, 1, Neurons(leak, threshold, 25.0))
    layer.reset()
    with torch.no_grad():
        layer.weight.fill_(0.5)
        layer.bias.fill_(0.1)
    return layer


@pytest.mark.parametrize(("leak", "threshold"), [(0.9, 1.0), (0.5, 0.7), (1.0, 1.0), (0.0, 0.55)])
def test_a_neuron_does_what_a_step_by_hand_does(leak: float, threshold: float) -> None:
    sent = [1.0, 1.0, 0.0, 1.0, 2.0, 1.0, 0.0, 0.0]
    found = one_neuron(leak, threshold)(torch.tensor(sent).reshape(-1, 1, 1), len(sent)).flatten().tolist()
    potential, fired, wanted = 0.0, 0.0, []
    for value in sent:
        potential = leak * potential + 0.5 * value + 0.1 - threshold * fired
        fired = float(potential > threshold)
        wanted.append(fired)
    assert found == wanted
    assert 0 < sum(found) < len(sent), "the control: a neuron that always or never fires shows nothing"


@pytest.mark.parametrize("slope", [1.0, 25.0])
def test_the_surrogate_has_its_derivative(slope: float) -> None:
    over = torch.linspace(-1, 1, 21, dtype=torch.float64)
    over[10] = 0.0
    wanted = 1 / (1 + slope * over.abs()) ** 2
    assert torch.equal(fire(over, slope), (over > 0).double())
    tracked = over.clone().requires_grad_()
    assert torch.equal(torch.autograd.grad(fire(tracked, slope).sum(), tracked)[0], wanted)


def test_outputs_are_mean_potentials() -> None:
    network = Spiking(hidden=(4,), steps=5).build((3,), 2, ("k",))
    x = torch.rand(6, 3) * 5
    logits, (spikes,) = network.run(x)
    potential = total = torch.zeros(6, 2)
    for sent in spikes:
        potential = 0.9 * potential + sent @ network.readout.weight.T + network.readout.bias
        total = total + potential
    assert torch.allclose(logits, total / 5, atol=1e-6)
    assert spikes.any(), "the control: without spikes, outputs are biases"


def test_each_neuron_has_its_threshold_and_keeps_it_in_the_state() -> None:
    spec = Spiking(hidden=(8,), steps=5)
    first, other = spec.build((4,), 3, ("k",)), spec.build((4,), 3, ("k",))
    first.hidden[0].threshold[3] = 1e6
    x = torch.rand(20, 4) * 9
    assert first.run(x)[1][0][:, :, 3].sum() == 0 < other.run(x)[1][0][:, :, 3].sum()
    from_arrays(other, to_arrays(first))
    assert torch.equal(other.run(x)[0], first.run(x)[0])
    trained, _ = Network(spec, (4,), 3).train(
        to_arrays(first), x.numpy(), np.arange(20) % 3, epochs=range(2), ids=np.arange(20), key=("k",), settings=Training()
    )
    assert trained["hidden.0.threshold"].tolist() == first.hidden[0].threshold.tolist(), "training changes no threshold"


@pytest.mark.parametrize("optimizer", [Adam(weight_decay=0.1), Sgd(momentum=0.9, weight_decay=0.1)], ids=["adam", "sgd"])
def test_training_does_not_revive_a_pruned_synapse(optimizer: Adam | Sgd) -> None:
    spec, x, y = Spiking(hidden=(8,), steps=3), np.random.default_rng(0).random((40, 4), np.float32) * 5, np.arange(40) % 3
    network = Network(spec, (4,), 3)
    weights = network.initial(("k",))
    weights["hidden.0.pruned"][2, 1] = True
    weights["hidden.0.pruned"][3, 0] = True  # filled with noise: with the weight that it has
    weights["hidden.0.weight"][2, 1] = 0.0
    settings = Training(epochs=3, optimizer=optimizer)
    trained, _ = network.train(weights, x, y, epochs=range(3), ids=np.arange(40), key=("k",), settings=settings, pull=0.1)
    assert trained["hidden.0.weight"][2, 1] == 0.0
    assert trained["hidden.0.weight"][3, 0] == weights["hidden.0.weight"][3, 0], "neither momentum nor weight decay moves it"
    assert trained["hidden.0.weight"][2, 0] != weights["hidden.0.weight"][2, 0], "the control: its neighbour learns"
    assert trained["hidden.0.pruned"].sum() == 2


def test_batches_share_no_state() -> None:
    network = Spiking(hidden=(8,), encoding="rate").build((6,), 3, ("k",))
    x = torch.rand(10, 6)
    together = network(x)
    assert torch.equal(network(x), together)
    assert torch.allclose(torch.cat([network(x[:3]), network(x[3:])]), together, atol=1e-6)


def test_direct_sends_the_inputs_in_every_step() -> None:
    x = torch.rand(3, 4)
    assert torch.equal(encoded(x, "direct", 7), x[None])


def test_rate_fires_as_often_as_the_input_is_large() -> None:
    x = torch.tensor([[0.0, 0.25, 0.7, 1.0]]) + torch.arange(50)[:, None] * torch.tensor([[0.0, 1e-4, 1e-4, 0.0]])
    spikes = encoded(x, "rate", 200)
    assert spikes.shape == (200, 50, 4)
    rates = spikes.mean(dim=(0, 1))
    assert rates[0] == 0
    assert rates[3] == 1
    assert abs(rates[1] - 0.2525) < 0.02
    assert abs(rates[2] - 0.7025) < 0.02


def test_rate_is_a_function_of_row_place_and_step() -> None:
    x = torch.rand(6, 5) * 0.5 + 0.25
    spikes = encoded(x, "rate", 64)
    assert torch.equal(encoded(x[[4, 1]], "rate", 64), spikes[:, [4, 1]]), "other rows in the batch change nothing"
    assert torch.equal(encoded(x.double(), "rate", 64), spikes.double())
    half = torch.full((2, 5), 0.5)
    half[1, 4] = 0.75
    a, b = encoded(half, "rate", 64).unbind(1)
    assert not torch.equal(a[:, 0], b[:, 0]), "another value anywhere in the row draws anew"
    assert not torch.equal(a[:, 0], a[:, 1]), "and so does another place"


def test_rate_leaves_the_generator_alone() -> None:
    before = torch.get_rng_state()
    encoded(torch.rand(3, 3, generator=torch.Generator().manual_seed(0)), "rate", 5)
    assert torch.equal(torch.get_rng_state(), before)


def test_latency_fires_once_and_the_earlier_the_larger() -> None:
    spikes = encoded(torch.tensor([[1.0, 0.5, 0.25, 0.01, 0.0, -1.0, 3.0]]), "latency", 5)[:, 0]
    assert spikes.sum(0).tolist() == [1, 1, 1, 1, 0, 0, 1]
    assert spikes.argmax(0).tolist() == [0, 2, 3, 4, 0, 0, 0]


@pytest.mark.parametrize(
    ("table", "key"),
    [
        ({"steps": 0}, "steps"),
        ({"leak": 1.1}, "leak"),
        ({"leak": -0.1}, "leak"),
        ({"hidden": []}, "hidden"),
        ({"threshold": 0}, "threshold"),
    ],
)
def test_impossible_settings_are_refused(table: dict[str, object], key: str) -> None:
    with pytest.raises(ValidationError) as caught:
        Spiking.model_validate(table)
    assert [error["loc"] for error in caught.value.errors()] == [(key,)]


@pytest.mark.parametrize("encoding", ["direct", "rate", "latency"])
def test_it_learns_digits(encoding: str) -> None:
    data = Digits().load()
    spec = Spiking.model_validate({"hidden": [32], "steps": 5, "encoding": encoding})
    network = Network(spec, data.shape, data.classes)
    settings, ids = Training(optimizer=Adam(lr=0.005)), np.arange(500)
    weights, _ = network.train(network.initial(("k",)), data.x[:500], data.y[:500], epochs=range(6), ids=ids, key=("k",), settings=settings)

    def right(weights: dict[str, np.ndarray]) -> float:
        return float((network.probabilities(weights, data.x[500:800]).argmax(1) == data.y[500:800]).mean())

    assert right(weights) > 0.7
    assert right(network.initial(("k",))) < 0.3, "the control"


def test_second_derivatives_exist() -> None:
    network: SpikingNetwork = Spiking(hidden=(4,), steps=3).build((3,), 2, ("k",))
    weights = list(network.parameters())
    loss = torch.nn.functional.cross_entropy(network(torch.rand(5, 3) * 5), torch.tensor([0, 1, 0, 1, 0]))
    first = torch.autograd.grad(loss, weights, create_graph=True)
    second: Callable[..., tuple[torch.Tensor, ...]] = torch.autograd.grad
    assert all(one.isfinite().all() for one in second(sum((one**2).sum() for one in first), weights))
