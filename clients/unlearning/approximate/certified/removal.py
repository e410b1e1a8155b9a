"""A convex learner that forgets with a certificate."""

from __future__ import annotations

from dataclasses import replace

import torch
from torch import Tensor

from clients.data.rows import Ids, Rows
from clients.streams import Field
from clients.unlearning.approximate.certified.certifiers import Step
from clients.unlearning.approximate.certified.kept import Kept
from clients.unlearning.approximate.certified.perturbed import Perturbed
from clients.unlearning.approximate.certified.spec import CertifiedRemoval
from clients.unlearning.contract import Cost, Outcome, Problem, State
from clients.unlearning.requests import named_rows

_KEPT = ("anchor", "inverse", "gradient")
"""Names, in a state, of what is kept between requests."""


class Removing(Perturbed):
    """Forgets by Newton steps within the budget; see `Perturbed`.

    Parameters
    ----------
    spec : CertifiedRemoval
    problem : Problem
    key : tuple
        Key of the perturbations: who knows it knows them.

    Attributes
    ----------
    kept : Kept or None
        The inverse Hessian, if the table asks to keep it and there was a solve on rows.
    """

    def __init__(self, spec: CertifiedRemoval, problem: Problem, key: tuple[Field, ...]) -> None:
        self.spec, self.certifier = spec, spec.certifier
        self.kept: Kept | None = None
        super().__init__(spec, problem, key)

    def begin(self, data: Rows) -> None:
        """Start anew on ``data``, which may be empty, with the first perturbation."""
        super().begin(data)
        self.kept = None

    def solve(self) -> int:
        """Replace the parameters by the optimum, and charge the residual that the solver leaves."""
        steps = super().solve()
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
        if (done := self.forgotten(ids)) is not None:
            return done
        return self.certified(0 if self._step_with_kept() else self._step(len(ids)))

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
        bound: float = getattr(step, self.certifier)()
        return step.end, bound

    def arrays(self) -> State:
        """Return the arrays of `Perturbed`, and what is kept, if that is asked for."""
        kept = {name: getattr(self._kept(), name).numpy() for name in _KEPT} if self.spec.hessian == "kept" else {}
        return {**super().arrays(), **kept}

    def _kept(self) -> Kept:
        """Return what is kept; zeros before training and without rows."""
        none = self.loss.roots(self._x[:0], self._x[:0] @ self.weights, self._targets[:0])
        return self.kept or Kept(self.zeros(), torch.zeros((*none.shape[:2], none.shape[1]), dtype=torch.float64), self.zeros())

    def take(self, arrays: State, rows: Rows, progress: int) -> None:
        """Take over the arrays of a state; ``UnlearningError`` if its perturbation is not the key's."""
        super().take(arrays, rows, progress)
        keeps = self.spec.hessian == "kept" and progress and len(rows)
        self.kept = Kept(**{name: torch.tensor(arrays[name]) for name in _KEPT}) if keeps else None
