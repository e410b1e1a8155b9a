"""The common base class of convex learners that are trained with a secret perturbation."""

from __future__ import annotations

from typing import Any

import numpy as np
import torch
from torch import Tensor

from clients.data.rows import Ids, Rows
from clients.streams import Field
from clients.unlearning.approximate.certified.certificate import PERTURBATION, Residual
from clients.unlearning.approximate.certified.commitment import Commitment
from clients.unlearning.approximate.certified.spec import Certifier, PerturbedSpec
from clients.unlearning.contract import COST_NOTE, Cost, Outcome, Problem, State, Stored, UnlearningError
from clients.unlearning.convex.learner import WEIGHTS, ConvexLearner
from clients.unlearning.states import fits, seen_ids


class Perturbed(ConvexLearner):
    """Trained with a secret perturbation, and trained again with a fresh one when a request would exceed the budget.

    Parameters
    ----------
    spec : PerturbedSpec
    problem : Problem
    key : tuple
        Key of the perturbations: who knows it knows them.

    Attributes
    ----------
    perturbation : float64 tensor, shape (d, K)
    draw : int
        Perturbations drawn before this one.
    bound : float
        Bound on the residual of the parameters; 0 without a perturbation, where none is certified.
    seen : int64 array
        Ids of all rows that the parameters have learned from since the last training.
    """

    certifier: Certifier = "measured"
    _committed: Commitment | None

    def __init__(self, spec: PerturbedSpec, problem: Problem, key: tuple[Field, ...]) -> None:
        self.table, self.law = spec, spec.law
        self.draw, self.bound, self.seen = 0, 0.0, np.empty(0, np.int64)
        super().__init__(spec.base, problem, key)
        self.perturbation = self._drawn()

    def begin(self, data: Rows) -> None:
        """Start anew on ``data``, which may be empty, with the first perturbation."""
        super().begin(data)
        self.draw, self.bound, self.seen = 0, 0.0, self.rows.ids[:0]
        self.perturbation = self._drawn()

    @property
    def settings(self) -> PerturbedSpec:
        """Return the whole table."""
        return self.table

    def linear(self) -> Tensor:
        """Return the perturbation."""
        return self.perturbation

    def solve(self) -> int:
        """Replace the parameters by the optimum, and charge the residual that the solver leaves."""
        steps = super().solve()
        self.seen = self.rows.ids.copy()
        self.bound = self.objective().at(self.weights).residual if len(self.rows) and self.law.sigma else 0.0
        if self.law.sigma:
            self._commitment()  # now, so that no request waits for it
        return steps

    def drop(self, ids: Ids) -> None:
        """Drop held rows by id, and everything made of them."""
        super().drop(ids)
        self._committed = self._committed and self._committed.without(ids)

    def forgotten(self, ids: Ids) -> Outcome | None:
        """Drop held rows; return the outcome if that is all, and exact: before the first round, and where no row remains.

        Nothing has been learned then, or nothing of it stays.
        """
        self.drop(ids)
        if not self.progress:
            return Outcome(Cost(), "exact")
        if not len(self.rows):
            self.solve()
            return Outcome(Cost(parts=1), "exact")
        return None

    def certified(self, steps: int) -> Outcome:
        """Return the outcome with a certificate of the parameters, which ``steps`` Newton steps have led to.

        If their bound exceeds the budget, train again with a fresh perturbation.
        """
        notes = [f"certifier {self.certifier}: residual at most {self.bound:.2g} of a budget of {self.law.budget:.2g}"]
        if self.bound > self.law.budget:
            self.draw += 1
            self.perturbation = self._drawn()
            steps += self.solve()
            notes.append(f"the budget is spent: trained again with a fresh perturbation, residual at most {self.bound:.2g}")
        notes.append(f"{COST_NOTE}{steps} Newton steps")
        if self.bound > self.law.budget:
            return Outcome(Cost(parts=1), "approximate", notes=(*notes, "no certificate: rounding alone exceeds the budget"))
        return Outcome(Cost(parts=1), self.table.claim, self._certificate(), tuple(notes))

    def _hold(self, rows: Rows) -> None:
        super()._hold(rows)
        self._committed = None

    def _commitment(self) -> Commitment:
        """Return the hashes of the held rows."""
        if self._committed is None:
            self._committed = Commitment.of(self.rows)
        return self._committed

    def _drawn(self) -> Tensor:
        return torch.tensor(self.law.draw(self.shape, *self.key, "perturbation", self.draw))

    def _certificate(self) -> dict[str, Any]:
        """Return the certificate of the present parameters as plain values."""
        law, lipschitz = self.law, self.loss.lipschitz
        told = Residual(
            model=self.convex,
            epsilon=law.epsilon,
            delta=law.delta,
            sigma=law.sigma,
            factor=law.factor,
            lipschitz=lipschitz if np.isfinite(lipschitz) else None,
            budget=law.budget,
            certifier=self.certifier,
            bound=self.bound,
            rows=len(self.rows),
            draw=self.draw,
            commitment=self._commitment().told(),
        )
        return told.model_dump(mode="json")

    def arrays(self) -> State:
        """Return parameters, perturbation and its number, bound, and the ids of rows that the parameters have learned from."""
        numbers = {"draw": np.array([self.draw]), "bound": np.array([self.bound])}
        return {WEIGHTS: self.weights.numpy(), PERTURBATION: self.perturbation.numpy(), **numbers, "seen": self.seen}

    def take(self, arrays: State, rows: Rows, progress: int) -> None:
        """Take over the arrays of a state; ``UnlearningError`` if its perturbation is not the key's."""
        seen = seen_ids(arrays, rows.ids, progress)
        fits(arrays, {name: array for name, array in self.arrays().items() if name != "seen"})
        draw = int(arrays["draw"][0])
        drawn = self.law.draw(self.shape, *self.key, "perturbation", draw)
        if draw < 0 or drawn.tobytes() != arrays[PERTURBATION].tobytes():
            raise UnlearningError("state: its perturbation is not one of this key: give the same key and settings")
        self.weights, self.perturbation = torch.tensor(arrays[WEIGHTS]), torch.tensor(drawn)
        self.draw, self.bound, self.seen = draw, float(arrays["bound"][0]), seen

    def stored(self) -> list[Stored]:
        """Return the parameters with the ids of all rows that they have learned from since the last training."""
        return [Stored(WEIGHTS, self.seen.copy())]
