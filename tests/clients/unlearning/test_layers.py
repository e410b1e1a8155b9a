"""Last layers: they learn, and the others keep every bit."""

from __future__ import annotations

from typing import Any

import pytest
import torch
from torch import nn

from clients import wire
from clients.unlearning.layers import features, frozen_in_evaluation, keep_all_but, layers
from tests.clients.unlearning.deep.small import REQUEST, changed, module, rows, same, tensors, trained

EARLY, LAST = ("1.weight", "1.bias"), ("3.weight", "3.bias")


def bits(weights: Any, names: tuple[str, ...]) -> bytes:
    return wire.to_bytes({name: weights[name] for name in names})


@pytest.mark.parametrize("kind", ["cf_k", "eu_k"])
def test_the_last_layer_learns_and_the_others_keep_every_bit(kind: str) -> None:
    found, before = changed(kind)[0], trained()[0]
    assert bits(found, EARLY) == bits(before, EARLY)
    assert bits(found, LAST) != bits(before, LAST)
    whole = changed(kind, layers=2)[0]
    assert bits(whole, EARLY) != bits(before, EARLY)


def test_eu_k_begins_from_values_drawn_by_the_request() -> None:
    found, before = changed("eu_k", epochs=0)[0], trained()[0]
    assert bits(found, EARLY) == bits(before, EARLY)
    fresh = trained()[1].network.initial((*REQUEST, "layers"))
    assert bits(found, LAST) == bits(fresh, LAST) != bits(before, LAST)
    assert same(changed("cf_k", epochs=0)[0], before)


def test_features_are_what_enters_the_last_layer() -> None:
    network = module(trained()[0])
    x, _ = tensors(rows())
    logits, entering = features(network, x)
    assert entering.shape == (len(x), 8)
    last: Any = layers(network)[-1][1]
    torch.testing.assert_close(last(entering), logits)
    torch.testing.assert_close(logits, network(x))


def test_running_means_of_layers_that_do_not_learn_stay() -> None:
    network = nn.Sequential(nn.Linear(3, 4), nn.BatchNorm1d(4), nn.Linear(4, 2))
    keep_all_but(network, 1)
    before = {name: tensor.clone() for name, tensor in network.state_dict().items()}
    network.train()
    frozen_in_evaluation(network)
    network(torch.ones(5, 3))
    assert all(torch.equal(tensor, before[name]) for name, tensor in network.state_dict().items())
    network.train()
    network(torch.ones(5, 3))
    assert not torch.equal(network.state_dict()["1.running_mean"], before["1.running_mean"]), "the control"
