"""The HDUS benchmark: honest rows, ensembles of those present only, a FedAvg that is FedAvg, and its bars."""

from __future__ import annotations

import numpy as np
import pytest

from clients.distillation import Distillation
from clients.models.linear import Linear
from clients.models.network import Network
from clients.training import Training
from experiments.benchmarks import hdus

SMALL = hdus.Settings(
    mains=(Linear(),), rounds=1, training=Training(epochs=2), distillation=Distillation(epochs=2), fedavg_training=Training(epochs=1)
)


@pytest.mark.parametrize("validation", [0, 150])
def test_rows_are_dealt_once_and_test_rows_stay_unused(validation: int) -> None:
    test = hdus.deal(SMALL, 3).judges
    federation = hdus.deal(SMALL, 3, validation)
    used = np.concatenate([*federation.peers, federation.reference])
    assert len(np.unique(used)) == len(used) == 1797 - 360 - validation
    assert not np.isin(used, test).any()
    assert not np.isin(used, federation.judges).any()
    assert np.isin(federation.judges, test).any() == (validation == 0)
    assert all((np.diff(ids) > 0).all() and len(ids) >= SMALL.min_rows for ids in federation.peers)


def test_leavers_have_no_voice() -> None:
    federation = hdus.deal(SMALL, 0)
    voices = hdus.hdus(SMALL, federation, 0)
    without = hdus.Voices(voices.mains, [seed if seed.owner in (1, 4) else None for seed in voices.seeds])  # type: ignore[misc]
    kept = voices.ensemble(SMALL.ensemble, [1, 4], 1)
    assert np.array_equal(kept, without.ensemble(SMALL.ensemble, [1, 4], 1))
    assert not np.array_equal(kept, voices.ensemble(SMALL.ensemble, range(hdus.PEERS), 1))
    assert np.array_equal(voices.ensemble(SMALL.ensemble, [1], 1), voices.mains[1].probabilities)


def test_fedavg_of_one_peer_is_its_own_training() -> None:
    federation = hdus.deal(SMALL, 0)
    own, data = federation.rows(2), federation.data
    network = Network(SMALL.fedavg, data.shape, data.classes)
    weights = network.initial((0, "fedavg"))
    for epoch in range(2):
        weights, _ = network.train(
            weights, own.x, own.y, epochs=range(epoch, epoch + 1), ids=own.ids, key=(0, 2, "fedavg"), settings=SMALL.fedavg_training
        )
    alone = hdus.fedavg(SMALL, federation, 0, [2])
    assert np.array_equal(alone, network.probabilities(weights, data.x[federation.judges]))
    assert not np.array_equal(alone, hdus.fedavg(SMALL, federation, 0, [2, 3]))


def test_bars_say_what_is_not_met() -> None:
    good = hdus.Outcome(0, main=0.5, ensemble=0.9, fedavg=0.91, halved=(0.89, 0.9), fedavg_halved=0.8)
    bad = hdus.Outcome(0, main=0.7, ensemble=0.9, fedavg=0.95, halved=(0.89, 0.8), fedavg_halved=0.8)
    assert [line.count("NOT met") for line in hdus.bars("x", [good])] == [0, 0, 0]
    assert [line.count("NOT met") for line in hdus.bars("x", [bad])] == [1, 1, 1]


@pytest.mark.slow
def test_chosen_settings_reach_the_bars() -> None:
    outcomes = [hdus.outcome(hdus.CHOSEN, seed, draws=20) for seed in range(3)]
    assert not any("NOT met" in line for line in hdus.bars("chosen", outcomes)), outcomes
