"""Importances are sums over rows, and what is done with them."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
import torch
from torch.nn.functional import cross_entropy

from clients.models.network import Network
from clients.models.row_gradients import row_gradients
from clients.models.spiking import Spiking
from clients.training import Arrays
from clients.unlearning.deep import importance
from tests.clients.unlearning.deep.small import REQUEST, changed, method, module, parts, same, tensors, trained


def plain_squares(data: Any, batch: int = 1) -> dict[str, torch.Tensor]:
    """Return the mean over batches of the squared gradient of a batch's mean loss."""
    network = module(trained()[0])
    x, y = tensors(data)
    found = {name: torch.zeros_like(parameter, dtype=torch.float64) for name, parameter in network.named_parameters()}
    starts = range(0, len(x), batch)
    for start in starts:
        network.zero_grad()
        cross_entropy(network(x[start : start + batch]), y[start : start + batch]).backward()
        for name, parameter in network.named_parameters():
            assert parameter.grad is not None
            found[name] += parameter.grad.double() ** 2 / len(starts)
    return found


@pytest.mark.parametrize("entries", [1, 5_000, 1 << 24])
def test_squares_are_those_of_single_rows_whatever_is_held_at_once(entries: int, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(importance, "_ENTRIES", entries)
    forget, retain = parts()
    totals = importance.squares(*trained(), {"forget": forget, "retain": retain})
    wanted, by_batches = plain_squares(retain), plain_squares(retain, 41)
    for name in trained()[0]:
        found = importance.mean(totals, name, "retain")
        torch.testing.assert_close(found, wanted[name], rtol=1e-4, atol=1e-9)
    name = "3.weight"
    assert float(by_batches[name].sum()) < 0.3 * float(wanted[name].sum()), "the fault: squares of a batch's gradient are far smaller"


def test_gradients_of_rows_add_up_to_the_gradient() -> None:
    forget, _ = parts()
    totals = importance.gradients(*trained(), {"forget": forget})
    network = module(trained()[0])
    x, y = tensors(forget)
    cross_entropy(network(x), y, reduction="sum").backward()
    for name, parameter in network.named_parameters():
        assert parameter.grad is not None
        torch.testing.assert_close(torch.tensor(totals[f"forget/{name}"]), parameter.grad.double(), rtol=1e-4, atol=1e-5)


def dampened(alpha: float, lam: float) -> Arrays:
    """Return the weights after dampening by a plain loop."""
    forget, retain = parts()
    own, other = plain_squares(forget), plain_squares(retain)
    share = len(forget) / (len(forget) + len(retain))
    found = {}
    for name, array in trained()[0].items():
        whole = share * own[name].numpy() + (1 - share) * other[name].numpy()
        factor = np.where(own[name].numpy() > alpha * whole, np.minimum(lam * whole / np.maximum(own[name].numpy(), 1e-300), 1), 1)
        found[name] = (array * factor).astype(np.float32)
    return found


@pytest.mark.parametrize(("alpha", "lam"), [(2.0, 1.0), (5.0, 0.5), (2.0, 0.0), (2.0, 4.0)])
def test_dampening_against_a_plain_loop(alpha: float, lam: float) -> None:
    found, outcome = changed("ssd", alpha=alpha, lam=lam)
    expected, before = dampened(alpha, lam), trained()[0]
    moved = 0
    for name, array in found.items():
        np.testing.assert_allclose(array, expected[name], rtol=1e-4, atol=1e-7)
        chosen = expected[name] != before[name]
        assert array[~chosen].tobytes() == before[name][~chosen].tobytes(), "the others keep every bit"
        moved += int(chosen.sum())
    assert 0 < moved < sum(array.size for array in before.values()) / 2
    assert outcome.cost.gradient_steps == 0


def test_networks_of_spiking_neurons_have_gradients_of_single_rows() -> None:
    network = Network(Spiking(hidden=(8,), steps=3), (8, 8), 10).build(("spiking",)).eval()
    x, y = tensors(parts()[0])
    found = row_gradients(network, x, y)
    for row in range(len(x)):
        alone = torch.autograd.grad(cross_entropy(network(x[row : row + 1]), y[row : row + 1]), list(network.parameters()))
        for wanted, gradient in zip(alone, found.values(), strict=True):
            torch.testing.assert_close(gradient[row], wanted, rtol=1e-4, atol=1e-6)


@pytest.mark.parametrize("kind", ["ssd", "fisher"])
def test_sums_over_peers_are_those_of_all_rows(kind: str) -> None:
    """The rows at three peers, of whom one asks: their sums, added, lead to the weights that all rows in one place lead to."""
    forget, retain = parts()
    weights, learning = trained()
    told = method(kind)
    nobody = forget.keep(np.zeros(len(forget), bool))
    places = [retain.keep(np.arange(len(retain)) % 3 == peer) for peer in range(3)]
    measured = [told.measure(weights, learning, forget if peer == 0 else nobody, place) for peer, place in enumerate(places)]
    totals = {name: sum(one[name] for one in measured) for name in measured[0]}
    together = told.carry_out(weights, learning, forget, places[0], REQUEST, totals)[0]  # type: ignore[arg-type]
    alone = told.apply(weights, learning, forget, places[0], REQUEST)[0]
    whole = told.apply(weights, learning, forget, retain, REQUEST)[0]
    for name in whole:
        np.testing.assert_allclose(together[name], whole[name], rtol=1e-6, atol=1e-7)
    assert not same(alone, whole), "one peer's own sums are not those of all"
