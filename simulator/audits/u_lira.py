"""U-LiRA: can rows that were unlearned be told, one by one, from rows that were never seen."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING, ClassVar

from simulator.audits.contract import Column
from simulator.audits.tier_one import Ranked, columns

if TYPE_CHECKING:
    from server.audit.ranking import Scored
    from simulator.audits.lives import Outputs, Shadows


class ULira(Ranked):
    """Per-example likelihood ratios over shadow models (Hayes et al. 2024), each of which learns from a half of the rows."""

    columns: ClassVar[tuple[Column, ...]] = columns(
        "u_lira",
        "U-LiRA",
        "area under the curve",
        "area",
        "For each forgotten row, an attacker with shadow models weighs how likely its margin is after unlearning and without the row. "
        "0.5: unlearned models cannot be told from retrained ones.",
        ("accuracy", "U-LiRA, balanced accuracy", "share", "share", "Likelihood ratios above 1 are taken for unlearned."),
        ("tpr_1", "U-LiRA, TPR at 1 % FPR", "share", "share", "None where it is not resolvable."),
        ("tpr_01", "U-LiRA, TPR at 0.1 % FPR", "share", "share", "None where it is not resolvable."),
        ("worst", "U-LiRA, worst decile", "area under the curve", "area", "Areas of single rows: a tenth of the rows exceed this one."),
        ("kept", "U-LiRA, kept rows", "area under the curve", "area", "The same on kept rows, which unlearning can expose."),
    )

    def scored(self, shadows: Shadows, outputs: Outputs, never: Outputs) -> Scored:
        """Return likelihood ratios of the forgotten rows."""
        from server.audit.u_lira import likelihood_ratios

        return likelihood_ratios(outputs.gone, never.gone, shadows.inside)

    def more(self, shadows: Shadows, outputs: Outputs) -> Iterator[float | None]:
        """Yield balanced accuracy, true-positive rates, the worst decile of rows, and the area on kept rows."""
        import numpy as np

        from server.audit.ranking import area, areas_by_row, balanced_accuracy, true_positive_rate
        from server.audit.u_lira import likelihood_ratios

        scored = self.scored(shadows, outputs, shadows.never)
        yield balanced_accuracy(*scored.groups)
        yield true_positive_rate(*scored.groups, 0.01)
        yield true_positive_rate(*scored.groups, 0.001)
        yield float(np.nanquantile(areas_by_row(scored), 0.9))
        kept = area(*likelihood_ratios(outputs.kept, shadows.never.kept, shadows.held).groups)
        yield None if np.isnan(kept) else kept
