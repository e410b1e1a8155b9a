"""RULI: can rows that were unlearned be told from rows held out, in the unlearned models and in the trained ones."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING, ClassVar

from simulator.audits.contract import Column
from simulator.audits.tier_one import Ranked, columns

if TYPE_CHECKING:
    from server.audit.ranking import Scored
    from simulator.audits.lives import Outputs, Shadows


class Ruli(Ranked):
    """RULI's two games with kernel densities (Naderloui et al. 2025) on the shadow models of ``u_lira``."""

    columns: ClassVar[tuple[Column, ...]] = columns(
        "ruli",
        "RULI",
        "area under the curve",
        "area",
        "For each forgotten row, an attacker weighs the density of its margin in models that unlearned it and in models that never had it. "
        "0.5: what was unlearned cannot be told from what was held out.",
        (
            "efficacy",
            "RULI, efficacy",
            "area under the curve",
            "area",
            "The same beside rows held out of models that have forgotten nothing.",
        ),
        ("tpr_1", "RULI, TPR at 1 % FPR", "share", "share", "None where it is not resolvable."),
    )

    def scored(self, shadows: Shadows, outputs: Outputs, never: Outputs) -> Scored:
        """Return density ratios in the game of privacy: unlearned rows and rows held out, in the same models."""
        from server.audit.ruli import kernel_ratios

        return kernel_ratios(outputs.gone, outputs.gone, shadows.inside)

    def more(self, shadows: Shadows, outputs: Outputs) -> Iterator[float | None]:
        """Yield the area of the game of efficacy, and the true-positive rate of that of privacy."""
        from server.audit.ranking import area, true_positive_rate
        from server.audit.ruli import kernel_ratios

        yield area(*kernel_ratios(outputs.gone, shadows.nothing.gone, shadows.inside).groups)
        yield true_positive_rate(*self.scored(shadows, outputs, shadows.never).groups, 0.01)
