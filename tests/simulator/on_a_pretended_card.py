"""Whole runs on a pretended card: every tensor is where it should be, and classifiers come to what they come to on the CPU.

``test_pretended_card.py`` runs these in a process of their own: a device, once made known to torch, stays known, and lacks what others
rely on.
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from clients.compute import Compute
from clients.data.rows import Rows
from clients.models import MODELS
from clients.models.network import Network
from clients.training import Training
from clients.unlearning.general.curvature import Curvature
from tests.pretended_card import CARD, Card, pretended_card
from tests.simulator.placed_runs import CLASSIFIERS, DENOISERS, Play, player


@pytest.fixture
def card() -> Iterator[Card]:
    with pretended_card() as card:
        yield card


@pytest.fixture
def play(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Play:
    return player(tmp_path, monkeypatch)


@pytest.mark.parametrize("raw", CLASSIFIERS.values(), ids=CLASSIFIERS)
def test_classifiers_come_to_what_they_come_to_on_the_cpu(raw: dict[str, Any], play: Play) -> None:
    expected = play(raw, "cpu")
    with pretended_card() as card:
        found = play(raw, "auto")
    assert card.operations > 500
    assert found.digest == expected.digest


@pytest.mark.parametrize("raw", DENOISERS.values(), ids=DENOISERS)
def test_denoisers_run_to_their_end(raw: dict[str, Any], card: Card, play: Play) -> None:
    """They are not compared: for attention, and for the completion of all layers at once, torch and we take other kernels there."""
    assert play(raw, "auto").results["timeline"]
    assert card.operations > 500


def test_second_derivatives_lie_where_the_network_does(card: Card) -> None:
    network = Network(MODELS.load("mlp")(kind="mlp", hidden=(8,)), (4,), 3, device="cuda")
    rows = Rows(np.arange(6), np.ones((6, 4), np.float32), np.arange(6) % 3)
    curvature = Curvature(network, network.initial(("card",)), Training())
    found = curvature.product(rows, curvature.gradient(rows), "hessian")
    assert found.device == CARD
    curvature.move(found)
    assert curvature.weights()


def test_the_card_notices_what_is_left_behind(card: Card) -> None:
    place = Compute(device="auto").place()
    assert place == CARD
    there, here = torch.ones(3, device=place), torch.ones(3)
    assert float((there + here.to(place)).sum()) == 6
    for mixed in (lambda: there + here, lambda: there.add_(here), lambda: torch.stack([there, here])):
        with pytest.raises(RuntimeError, match="same device"):
            mixed()
    with pytest.raises(RuntimeError, match=r"numpy\(\) is not supported"):
        there.numpy()
    assert there.cpu().numpy().tolist() == [1, 1, 1]
