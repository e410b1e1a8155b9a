"""The certificate of a removal from a model of several peers' rows, each of which has a share of the perturbation."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Literal

from pydantic import PositiveInt

from clients.unlearning.approximate.certified.certificate import Residual, remaining
from clients.unlearning.certificates import Evidence
from clients.unlearning.states import fingerprint


class SharedResidual(Residual):
    """That the gradient of the perturbed objective over all peers is shorter than what the perturbation hides.

    ``rows`` are those of all peers, ``commitment`` is a hash over their hashes. No peer's artefact alone shows the residual, so that it is
    computed again where all peers are at hand, by the federation's own check.

    Parameters
    ----------
    shares : int
        Peers with a share of the perturbation.
    divisor : int
        Shares that suffice: each has the standard deviation sigma / sqrt(divisor).
    """

    kind: Literal["shared_residual"] = "shared_residual"  # type: ignore[assignment]  # the tag of another class
    shares: PositiveInt
    divisor: PositiveInt

    def disproof(self, evidence: Evidence) -> str | None:
        """Check the arithmetic, and that the peer learns from none of the rows; None if all of it holds."""
        if wrong := self.inconsistent(evidence.guarantee):
            return wrong
        if self.shares < self.divisor:
            return f"{self.shares} shares of sigma / sqrt({self.divisor}) make less than sigma = {self.sigma:g}"
        found = remaining(self.model, evidence)
        return found if isinstance(found, str) else None


def combined(commitments: Sequence[str]) -> str:
    """Return the hash over the commitments of peers, in peer order."""
    return fingerprint(*commitments)
