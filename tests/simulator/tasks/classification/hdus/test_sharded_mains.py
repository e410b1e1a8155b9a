"""A deletion at a peer whose main model is SISA, from the scenario to the audit: exact, and faults in it are caught there."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

from clients.classification.hdus import peer as peers
from clients.data.rows import Ids
from clients.unlearning.contract import Outcome
from clients.unlearning.exact import sharding
from simulator.runs.run import Run
from simulator.runs.verify import verify

Play = Callable[..., Run]
SISA = {"kind": "sisa", "shards": 2, "slices": 2, "aggregate": "weighted", "base": {"kind": "linear"}}


class StaleWeights(sharding.Sharded):
    """Weighs its shards by the rows that they began with, as if none had been forgotten."""

    began: tuple[int, ...]

    def _sizes(self) -> list[int]:
        shards, _ = self.places(np.asarray(self.began))
        return np.bincount(shards, minlength=self.shards).tolist()


class OneSliceTooLate(sharding.Sharded):
    """Restarts from the checkpoint that was written after the forgotten slice had been learned."""

    def _restarted(self, shards: Ids, slices: Ids) -> Outcome:
        return super()._restarted(shards, slices + 1)


@pytest.fixture
def deleted(play: Play) -> Callable[[], Run]:
    """Return a function that plays a run in which one of two peers deletes rows, of its shards unlike numbers."""

    def played() -> Run:
        return play(
            rounds=3,
            data={"dataset": "digits", "rows": 140, "reference": 20, "test": 40, "partition": {"kind": "iid"}},
            peers={"count": 2, "main": [SISA], "seed": {"kind": "linear"}},
            event=[{"round": 3, "do": "delete", "peer": 1, "rows": {"fraction": 0.3}}],
        )

    return played


def apart(run: Run) -> float:
    (erasure,) = run.results["erasures"]
    assert (erasure["method"], erasure["guarantee"]) == ("sisa", "exact")
    found: float = erasure["max_abs_difference"]
    return found


def test_shards_that_are_weighted_forget_exactly(deleted: Callable[[], Run]) -> None:
    run = deleted()
    assert apart(run) == 0.0
    assert run.results["erasures"][0]["max_abs_difference_nothing"] > 0.0
    assert verify(run.folder) == []


@pytest.mark.parametrize("fault", [StaleWeights, pytest.param(OneSliceTooLate, marks=pytest.mark.slow)])
def test_faults_of_shards_are_caught(fault: type[Any], deleted: Callable[[], Run], monkeypatch: pytest.MonkeyPatch) -> None:
    honest = peers.unlearner

    def faulty(config: Any, key: Any) -> Any:
        model: Any = honest(config, key)
        model.began = config.rows
        return model

    monkeypatch.setattr(sharding, "Sharded", fault)
    monkeypatch.setattr(peers, "unlearner", faulty)
    run = deleted()
    assert apart(run) > 0.0
    assert any("differs" in line for line in verify(run.folder))
