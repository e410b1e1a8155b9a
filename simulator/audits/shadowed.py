"""What all audits by shadow models share."""

from __future__ import annotations

from typing import Annotated, ClassVar

from pydantic import Field

from server.timeline import Erasure
from simulator.audits.contract import RUN, AuditSpec, Row

Models = Annotated[int, Field(ge=8, le=4096)]


FEWEST = 8
"""A request for fewer rows is not judged, nor one that leaves fewer."""


def barred(erasure: Erasure) -> str | None:
    """Return why shadow models cannot judge a request, or None."""
    if erasure.correction is not None:
        return "rows were corrected and stay"
    if not erasure.rows:
        return "edges were deleted, margins are of rows"
    if (count := len(set(erasure.rows))) < FEWEST:
        return f"too few rows ({count}) to tell models apart by: delete at least {FEWEST} in one request"
    return None


class Shadowed(AuditSpec):
    """An audit by networks that train, forget and train on as the peer's main model did.

    Parameters
    ----------
    models : int
        Shadow models of each kind; at least 8.
    """

    models: Models = 64

    shadows: ClassVar[bool] = True
    sections: ClassVar[tuple[str, ...]] = ("simulator.report.audits.tier_one:SECTION",)

    def barred(self, erasure: Erasure) -> str | None:
        """Return why shadow models cannot judge a request, or None."""
        return barred(erasure)

    @property
    def terms(self) -> tuple[tuple[str, str], ...]:
        """The audit and how to read its figure."""
        main = self.columns[0]
        return ((main.heading, main.meaning),)

    def rows(self, exact: bool) -> tuple[Row, ...]:
        """Return the run, from which the main model's life is taken; whatever is compared are shadow models."""
        return (RUN,)
