"""The proof of ignorance: models that never saw the forgotten rows say how well such rows are answered by who does not know them."""

from __future__ import annotations

from typing import TYPE_CHECKING, ClassVar

from simulator.audits.contract import RETRAINED, Column, NotJudgedError, Row
from simulator.audits.shadowed import Models
from simulator.audits.tier_two import TierTwo, columns

if TYPE_CHECKING:
    from server.audit.margins import Floats
    from simulator.audits.lives import Shadows


class Ignorance(TierTwo):
    """Compares shadow models with verification models, each trained on its own keyed half of the kept rows (Ye et al. 2026).

    Parameters
    ----------
    verification : int
        Verification models; at least 8.
    """

    verification: Models = 24

    columns: ClassVar[tuple[Column, ...]] = columns(
        "ignorance",
        "ignorance",
        "standard deviations",
        "area",
        "By how much margins on the forgotten rows exceed those on rows of the same classes that nobody held, less that of verification "
        "models, which never saw the forgotten rows, in standard deviations of these. Models that never had the rows are not at 0: they "
        "learned from more rows than verification models.",
        over="models",
    )

    def values(self, shadows: Shadows, row: Row) -> Floats:
        """Return deviations, (models, 1); ``NotJudgedError`` if no row that nobody held is of a forgotten row's class."""
        from server.audit.ignorance import deviations
        from simulator.audits.lives import Shadows

        ignorant = Shadows(shadows.life, self.verification, half=True)
        return deviations(_leads(shadows, row), _leads(ignorant, RETRAINED))[:, None]


def _leads(shadows: Shadows, row: Row) -> Floats:
    from server.audit.ignorance import lead
    from server.audit.margins import margins

    weights, gone, others = shadows.weights(row), shadows.gone, shadows.population
    known, unknown = (margins(shadows.stack.logits(weights, rows.x), rows.y) for rows in (gone, others))
    try:
        return lead(known, unknown, gone.y, others.y)
    except ValueError as reason:
        raise NotJudgedError(str(reason)) from None
