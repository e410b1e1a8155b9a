"""A peer that answers a server's Newton steps with sums over its rows, in which its share of a secret perturbation is hidden.

Guo, Goldstein, Hannun, van der Maaten, "Certified Data Removal from Machine Learning Models", ICML 2020, whose objective is a sum over
rows and so over peers.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor

from clients import wire
from clients.classification.hdus.peer import Peer
from clients.classification.sums.newton.config import NewtonConfig
from clients.classification.sums.newton.question import Question
from clients.participant import Record, Update
from clients.streams import generator
from clients.unlearning.approximate.certified.commitment import Commitment
from clients.unlearning.contract import State
from clients.unlearning.convex.learner import ConvexLearner
from clients.unlearning.convex.objective import Objective
from clients.unlearning.convex.sums import COUNT, ObjectiveSums

COMMITMENT = "commitment"
"""Name, in an update, of the hash over all rows that the peer has, uint8."""


@dataclass(repr=False)
class NewtonPeer(Peer):
    """A peer that sends sums of derivatives; see `clients.participant.Participant`.

    Its main model is that of its own rows; the federation's model replaces the ensemble. What it sends the server is no more than is asked:
    sums at the parameters of a question, with its share of the perturbation in the gradient, else the number of its rows.
    """

    config: NewtonConfig  # type: ignore[assignment]  # it has no seed model
    main: ConvexLearner
    asked: Question | None = None

    def receive(self, payload: Mapping[str, Record], now: int) -> None:
        """Receive the server's question, if the message has one."""
        self.asked = Question.read(payload)

    def train(self) -> int:
        """Train the model of the peer's own rows, unless the server only asks for sums; return 0 gradient steps."""
        return 0 if self._only_sums else super().train()

    def distil(self) -> int:
        """Make the update: the sums that were asked for, or the number of rows; return 0 gradient steps."""
        version = self.update.version + 1 if self.update else 1
        self.update = Update(version, wire.to_bytes(self._sent()))
        return 0

    def share(self, draw: int, scale: float) -> Tensor:
        """Return the peer's share of a perturbation, float64 (d, K); it leaves the peer in sums alone."""
        drawn = generator(*self.stream, "share", draw).standard_normal(self.main.shape)
        return torch.tensor(scale * drawn)

    def objective(self, draw: int, scale: float) -> Objective:
        """Return the peer's part of the federation's objective."""
        return replace(self.main.objective(), linear=self.share(draw, scale))

    def commitment(self) -> str:
        """Return a hash over all rows that the peer has."""
        return Commitment.of(self.rows).told()

    def evaluate(self) -> tuple[dict[str, float], npt.NDArray[np.float64]]:
        """Return metrics in [0, 1] and the federation's probabilities on the test rows, float64 ``(n_test, classes)``.

        Before the final evaluation only the peer's own model is measured; the server measures the federation's.
        """
        if self._only_sums:
            return {}, np.empty((0, self.main.problem.classes))
        scores, answers = super().evaluate()
        if not self._final:
            scores = {name: value for name, value in scores.items() if not name.endswith(".ensemble")}
        return scores, answers

    def together(self, answers: npt.NDArray[np.float32], x: npt.NDArray[np.float32]) -> npt.NDArray[np.float64]:
        """Return the federation's probabilities; before the final evaluation, the peer's own."""
        return np.asarray(answered(self.main, self.asked.weights, x) if self.asked and self._final else answers, dtype=np.float64)

    def _sent(self) -> State:
        told = {COMMITMENT: np.frombuffer(bytes.fromhex(self.commitment()), np.uint8).copy()}
        if self.asked is None or self._final:
            return {COUNT: np.array([len(self.rows)]), **told}
        part = self.objective(self.asked.draw, self.asked.scale)
        return {**ObjectiveSums.of(part, self.asked.weights).arrays(), **told}

    @property
    def _only_sums(self) -> bool:
        return self.asked is not None and self.asked.alone and not self.asked.final

    @property
    def _final(self) -> bool:
        return self.asked is not None and self.asked.final


def answered(reading: ConvexLearner, weights: Tensor, x: npt.NDArray[np.float32]) -> npt.NDArray[np.float64]:
    """Return class probabilities, float64 (len(x), classes), of a convex model with these parameters; ``reading`` knows the facts."""
    return reading.loss.probabilities(torch.tensor(reading.unit.of(x)) @ weights).numpy().astype(np.float64)
