"""A convex learner that forgets with a certificate."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np
import torch
from torch import Tensor

from clients.data.rows import Ids, Rows
from clients.streams import Field
from clients.unlearning.approximate.certified.certificate import PERTURBATION, Residual, committed
from clients.unlearning.approximate.certified.certifiers import Step
from clients.unlearning.approximate.certified.kept import Kept
from clients.unlearning.approximate.certified.spec import CertifiedRemoval
from clients.unlearning.contract import COST_NOTE, Cost, Outcome, Problem, State, Stored, UnlearningError
from clients.unlearning.convex.learner import WEIGHTS, ConvexLearner
from clients.unlearning.requests import named_rows
from clients.unlearning.states import fits, seen_ids

_KEPT = ("anchor", "inverse", "gradient")
"""Names, in a state, of what is kept between requests."""


class Removing(ConvexLearner):
    """Trained with a secret perturbation, and trained again with a fresh one when a removal would exceed the budget.

    Parameters
    ----------
    spec : CertifiedRemoval
    problem : Problem
    key : tuple
        Key of the perturbations: who knows it knows them.

    Attributes
    ----------
    perturbation : float64 tensor, shape (d, K)
    draw : int
        Perturbations drawn before this one.
    bound : float
        Bound on the residual of the parameters.
    kept : Kept or None
        The inverse Hessian, if the table asks to keep it and there was a solve on rows.
    seen : int64 array
        Ids of all rows that the parameters have learned from since the last training.
    """

    def __init__(self, spec: CertifiedRemoval, problem: Problem, key: tuple[Field, ...]) -> None:
        self.spec, self.law = spec, spec.law
        self.draw, self.bound, self.seen = 0, 0.0, np.empty(0, np.int64)
        self.kept: Kept | None = None
        super().__init__(spec.base, problem, key)
        self.perturbation = self._drawn()

    def begin(self, data: Rows) -> None:
        """Start anew on ``data``, which may be empty, with the first perturbation."""
        super().begin(data)
        self.draw, self.bound, self.seen, self.kept = 0, 0.0, self.rows.ids[:0], None
        self.perturbation = self._drawn()

    @property
    def settings(self) -> CertifiedRemoval:
        """Return the whole table."""
        return self.spec

    def linear(self) -> Tensor:
        """Return the perturbation."""
        return self.perturbation

    def solve(self) -> int:
        """Replace the parameters by the optimum, and charge the residual that the solver leaves."""
        steps = super().solve()
        self.seen = self.rows.ids.copy()
        self.bound = self.objective().at(self.weights).residual if len(self.rows) else 0.0
        self._renew()
        return steps

    def forget(self, request: Ids) -> Outcome:
        """Drop the rows and take Newton steps on the rest; if the bound exceeds the budget, train again with a fresh perturbation.

        Before the first round, and where no row remains, this is exact: nothing has been learned, or nothing of it stays.
        """
        ids = named_rows(request, self.rows.ids)
        if not len(ids):
            return Outcome(Cost(), "exact")
        self.kept = self.kept and self.kept.without(self.part(ids), self.weights)
        self.drop(ids)
        if not self.progress:
            return Outcome(Cost(), "exact")
        if not len(self.rows):
            self.solve()
            return Outcome(Cost(parts=1), "exact")
        steps = 0 if self._step_with_kept() else self._step(len(ids))
        asked = self.bound
        notes = [f"certifier {self.spec.certifier}: residual at most {asked:.2g} of a budget of {self.law.budget:.2g}"]
        if asked > self.law.budget:
            self.draw += 1
            self.perturbation = self._drawn()
            steps += self.solve()
            notes.append(f"the budget is spent: trained again with a fresh perturbation, residual at most {self.bound:.2g}")
        notes.append(f"{COST_NOTE}{steps} Newton steps")
        if self.bound > self.law.budget:
            return Outcome(Cost(parts=1), "approximate", notes=(*notes, "no certificate: rounding alone exceeds the budget"))
        return Outcome(Cost(parts=1), self.spec.claim, self._certificate(), tuple(notes))

    def _step(self, removed: int) -> int:
        """Take one Newton step on the held rows, and another where the first leaves more than half the budget; return their number."""
        self.weights, self.bound = self._newton(removed)
        taken = 1
        if self.bound > self.law.budget / 2:
            weights, bound = self._newton(0)
            taken = 2
            if bound < self.bound:
                self.weights, self.bound = weights, bound
        self._renew()
        return taken

    def _step_with_kept(self) -> bool:
        """Take a step with the kept inverse Hessian if there is one and the step leaves at most half the budget; return whether."""
        if self.kept is None:
            return False
        weights = self.weights + self.kept.step()
        point = self.objective().at(weights)
        if not point.residual <= self.law.budget / 2:
            return False
        self.weights, self.bound, self.kept = weights, point.residual, replace(self.kept, gradient=point.gradient)
        return True

    def _renew(self) -> None:
        """Keep the Hessian at the present parameters, if that is asked for and there are rows."""
        self.kept = Kept.renewed(self.objective(), self.weights) if self.spec.hessian == "kept" and len(self.rows) else None

    def _newton(self, removed: int) -> tuple[Tensor, float]:
        """Return the parameters after a Newton step, and the certifier's bound on their residual; ``removed`` rows left just before."""
        objective = self.objective()
        change = objective.newton(self.weights, objective.gradient(self.weights))
        step = Step(objective, self.weights, change, removed, self.bound)
        bound: float = getattr(step, self.spec.certifier)()
        return step.end, bound

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
            certifier=self.spec.certifier,
            bound=self.bound,
            rows=len(self.rows),
            draw=self.draw,
            commitment=committed(self.rows),
        )
        return told.model_dump(mode="json")

    def arrays(self) -> State:
        """Return parameters, perturbation and its number, bound, and the ids of rows that the parameters have learned from."""
        numbers = {"draw": np.array([self.draw]), "bound": np.array([self.bound])}
        kept = {name: getattr(self._kept(), name).numpy() for name in _KEPT} if self.spec.hessian == "kept" else {}
        return {WEIGHTS: self.weights.numpy(), PERTURBATION: self.perturbation.numpy(), **numbers, **kept, "seen": self.seen}

    def _kept(self) -> Kept:
        """Return what is kept; zeros before training and without rows."""
        none = self.loss.roots(self._x[:0], self._x[:0] @ self.weights, self._targets[:0])
        return self.kept or Kept(self.zeros(), torch.zeros((*none.shape[:2], none.shape[1]), dtype=torch.float64), self.zeros())

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
        keeps = self.spec.hessian == "kept" and progress and len(rows)
        self.kept = Kept(**{name: torch.tensor(arrays[name]) for name in _KEPT}) if keeps else None

    def stored(self) -> list[Stored]:
        """Return the parameters with the ids of all rows that they have learned from since the last training."""
        return [Stored(WEIGHTS, self.seen.copy())]
