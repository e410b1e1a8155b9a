"""RMIA: are rows that were unlearned more familiar than public rows, relative to models that never saw either."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING, ClassVar

from simulator.audits.contract import Column
from simulator.audits.tier_one import Ranked, columns

if TYPE_CHECKING:
    from server.audit.ranking import Scored
    from simulator.audits.lives import Outputs, Shadows


class Rmia(Ranked):
    """Relative membership inference (Zarifzadeh et al. 2024) on the shadow models of ``u_lira``."""

    columns: ClassVar[tuple[Column, ...]] = columns(
        "rmia",
        "RMIA",
        "area under the curve",
        "area",
        "An attacker compares a row's probability, relative to models that never saw it, with that of public rows. "
        "0.5: what was unlearned cannot be told from what the model never had.",
        ("tpr_1", "RMIA, TPR at 1 % FPR", "share", "share", "None where it is not resolvable."),
    )

    def scored(self, shadows: Shadows, outputs: Outputs, never: Outputs) -> Scored:
        """Return relative scores of rows that a model has unlearned, and of rows that it never had."""
        import numpy as np

        from server.audit.ranking import Scored
        from server.audit.rmia import relative_scores

        scores = relative_scores(outputs.gone, outputs.population, never.gone, never.population)
        return Scored(np.where(shadows.inside, scores, np.nan), np.where(shadows.inside, np.nan, scores))

    def more(self, shadows: Shadows, outputs: Outputs) -> Iterator[float | None]:
        """Yield the true-positive rate at one false positive in a hundred."""
        from server.audit.ranking import true_positive_rate

        yield true_positive_rate(*self.scored(shadows, outputs, shadows.never).groups, 0.01)
