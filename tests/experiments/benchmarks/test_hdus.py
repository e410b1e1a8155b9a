"""The HDUS benchmark: honest rows, ensembles of those present only, a FedAvg that is FedAvg, and its bars."""

from __future__ import annotations

from types import ModuleType

import numpy as np
import pytest

from clients.classification.hdus.distillation import Distillation
from clients.models.linear import Linear
from clients.models.network import Network
from clients.training import Training
from experiments.benchmarks import hdus, hdus_costs, reference

SMALL = hdus.Settings(mains=(Linear(),), rounds=2, training=Training(epochs=1), distillation=Distillation(epochs=2))
OWN, EVEN = hdus.PRIORS


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
    kept = voices.ensemble(OWN, [1, 4], 1)
    assert np.array_equal(kept, without.ensemble(OWN, [1, 4], 1))
    assert not np.array_equal(kept, voices.ensemble(OWN, range(hdus.PEERS), 1))
    assert np.array_equal(voices.ensemble(OWN, [1], 1), voices.mains[1].probabilities)


def test_an_even_prior_changes_what_voices_mean() -> None:
    federation = hdus.deal(SMALL, 0)
    voices = hdus.hdus(SMALL, federation, 0)
    assert not np.array_equal(voices.ensemble(OWN, [1, 4], 1), voices.ensemble(EVEN, [1, 4], 1))


def test_pooled_rows_are_those_of_the_stayers() -> None:
    federation = hdus.deal(SMALL, 0)
    both = hdus.pooled(SMALL, federation, 0, [2, 3])
    one = np.sort(np.concatenate([federation.peers[2], federation.peers[3]]))
    merged = hdus.Federation(federation.data, (one,), federation.reference, federation.judges)
    assert np.array_equal(both, hdus.fedavg(SMALL, merged, 0, [0]))
    assert not np.array_equal(both, hdus.fedavg(SMALL, federation, 0, [2, 3]))


def test_fedavg_of_one_peer_is_its_own_training() -> None:
    federation = hdus.deal(SMALL, 0)
    own, data = federation.rows(2), federation.data
    network = Network(SMALL.fedavg, data.shape, data.classes)
    weights = network.initial((0, "fedavg"))
    for epoch in range(2):
        weights, _ = network.train(
            weights, own.x, own.y, epochs=range(epoch, epoch + 1), ids=own.ids, key=(0, 2, "fedavg"), settings=SMALL.training
        )
    alone = hdus.fedavg(SMALL, federation, 0, [2])
    assert np.array_equal(alone, network.probabilities(weights, data.x[federation.judges]))
    assert not np.array_equal(alone, hdus.fedavg(SMALL, federation, 0, [2, 3]))


def test_bars_say_what_is_not_met() -> None:
    def seen(main: float, fedavg: float, halved: tuple[float, float]) -> hdus.Outcome:
        return hdus.Outcome(main, (0.9, 0.5), fedavg, (halved, (0.1, 0.1)), fedavg_halved=0.8, pooled_halved=0.9)

    good, bad = seen(0.5, 0.91, (0.89, 0.9)), seen(0.7, 0.95, (0.89, 0.8))
    assert [line.count("NOT met") for line in hdus.bars("x", [good], 0)] == [0, 0, 0]
    assert [line.count("NOT met") for line in hdus.bars("x", [good], 1)] == [1, 1, 1]
    assert [line.count("NOT met") for line in hdus.bars("x", [bad], 0)] == [1, 1, 1]
    assert [*hdus.bars("x", [good], 0).values(), *hdus.bars("x", [bad], 0).values()] == [True] * 3 + [False] * 3


@pytest.mark.parametrize(("accuracy", "status"), [(0.9, 0), (0.5, 1)])
def test_a_bar_that_is_not_met_is_the_exit_status(
    accuracy: float, status: int, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    voices = (accuracy,) * len(hdus.PRIORS)
    monkeypatch.setattr(hdus, "outcome", lambda *_: hdus.Outcome(0.5, voices, 0.9, tuple((one,) for one in voices), 0.8, 0.9))
    assert hdus.main(["--quick"]) == status
    assert capsys.readouterr().out.endswith(f"bars met: {6 - 6 * status} of 6\n")


@pytest.mark.slow
def test_chosen_settings_reach_the_bars() -> None:
    outcomes = [hdus.outcome(hdus.CHOSEN, seed, draws=20) for seed in range(3)]
    assert not any("NOT met" in line for line in hdus.bars("chosen", outcomes, prior=hdus.PRIORS.index(OWN))), outcomes


@pytest.mark.parametrize("command", [hdus, hdus_costs, reference])
def test_a_seed_counts_once(command: ModuleType, capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as left:
        command.main(["--seeds", "1", "2", "1"])
    assert left.value.code == 2
    assert capsys.readouterr().err.splitlines()[-1].endswith("error: --seeds 1 2 1: one is given twice; name each once")
