"""The outcome of requests that were carried out by Newton's steps on sums over peers."""

from __future__ import annotations

from clients.unlearning.approximate.certified.shared import SharedResidual
from clients.unlearning.approximate.certified.spec import CertifiedRemoval
from clients.unlearning.contract import COST_NOTE, Cost, Outcome
from clients.unlearning.convex.losses import loss_of
from server.classification.sums.newton.solving import Reached
from server.classification.sums.newton.state import Kept

EMPTY = Outcome(Cost(parts=1), "exact", notes=("no row is left of any peer: the model is empty",))
"""The outcome of requests after which no peer has a row, or no peer is left."""


def outcome(table: CertifiedRemoval, kept: Kept, here: Reached, again: bool) -> Outcome:
    """Return the outcome, with a certificate if the residual keeps the budget and the shares of the present peers suffice."""
    if not here.sums.rows:
        return EMPTY
    law, shares = table.law, len(kept.members)
    notes = [f"residual over {shares} peers at most {kept.bound:.2g} of a budget of {law.budget:.2g}"]
    if again:
        notes.append("the budget is spent, or shares of the perturbation have left: trained again with a fresh perturbation")
    more = f", and {here.rejected} exchanges at points that were not taken" if here.rejected else ""
    notes.append(f"{COST_NOTE}{here.steps} Newton steps, each with an exchange{more}")
    if kept.bound > law.budget:
        return Outcome(Cost(parts=1), "approximate", notes=(*notes, "no certificate: rounding alone exceeds the budget"))
    if kept.divisor < 1:
        return Outcome(Cost(parts=1), "approximate", notes=(*notes, "no certificate: no more peers are left than may collude"))
    told = SharedResidual(
        model=table.base,
        epsilon=law.epsilon,
        delta=law.delta,
        sigma=law.sigma,
        factor=law.factor,
        lipschitz=loss_of(table.base).lipschitz,
        budget=law.budget,
        certifier="measured",
        bound=kept.bound,
        rows=here.sums.rows,
        draw=kept.draw,
        commitment=kept.commitment,
        shares=shares,
        divisor=kept.divisor,
    )
    return Outcome(Cost(parts=1), table.claim, told.model_dump(mode="json"), tuple(notes))
