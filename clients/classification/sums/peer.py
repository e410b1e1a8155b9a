"""A peer that sends sums over its rows: the server adds them up to one model, which forgets by subtraction.

Cao and Yang, "Towards Making Systems Forget with Machine Unlearning", IEEE S&P 2015, applied to a federation.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt
from flwr.app import ArrayRecord

from clients import data, wire
from clients.classification.hdus.peer import Peer
from clients.classification.sums.config import SumsConfig
from clients.participant import Record, Update
from clients.unlearning.contract import Problem
from clients.unlearning.exact.statistical.learner import SumLearner

TOTAL = "total"
"""Name of the record with the sums over all peers, which is sent for the final evaluation."""


def learner(config: SumsConfig) -> SumLearner[Any]:
    """Return the model of a config, without any sums."""
    source = data.load(config.data)
    built = config.main.build(Problem(source.shape, source.classes, config.rounds, source.columns), ())
    assert isinstance(built, SumLearner)
    return built


@dataclass(repr=False)
class SumsPeer(Peer):
    """A peer that sends its sums; see `clients.participant.Participant`.

    Its main model is that of its own rows, its update the sums over them; the federation's model replaces the ensemble.
    """

    config: SumsConfig  # type: ignore[assignment]  # it has no seed model
    total: SumLearner[Any] | None = None

    def receive(self, payload: Mapping[str, Record], now: int) -> None:
        """Receive the sums over all peers, if the message has them."""
        self.total = None
        if TOTAL in payload:
            record = payload[TOTAL]
            assert isinstance(record, ArrayRecord)
            self.total = learner(self.config)
            self.total.adopt(wire.from_bytes(wire.unpack(record)))

    def distil(self) -> int:
        """Make the update: the sums over the remaining rows; return 0 gradient steps."""
        version = self.update.version + 1 if self.update else 1
        self.update = Update(version, wire.to_bytes(self.main.sums or self.main.named(())))  # type: ignore[attr-defined]
        return 0

    def together(self, answers: npt.NDArray[np.float32], x: npt.NDArray[np.float32]) -> npt.NDArray[np.float64]:
        """Return the federation's probabilities; before its sums have arrived, the peer's own."""
        return np.asarray(answers if self.total is None else self.total.predict_proba(x), dtype=np.float64)

    def evaluate(self) -> tuple[dict[str, float], npt.NDArray[np.float64]]:
        """Return metrics in [0, 1] and the federation's probabilities on the test rows, float64 ``(n_test, classes)``.

        Before the final evaluation only the peer's own model is measured; the server measures the federation's.
        """
        scores, answers = super().evaluate()
        if self.total is None:
            scores = {name: value for name, value in scores.items() if not name.endswith(".ensemble")}
        return scores, answers
