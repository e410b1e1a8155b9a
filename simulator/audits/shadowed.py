"""What all audits by shadow models share."""

from __future__ import annotations

from typing import Annotated, ClassVar

from pydantic import Field

from simulator.audits.contract import RUN, AuditSpec, Row

Models = Annotated[int, Field(ge=8, le=4096)]


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

    @property
    def terms(self) -> tuple[tuple[str, str], ...]:
        """The audit and how to read its figure."""
        main = self.columns[0]
        return ((main.heading, main.meaning),)

    def rows(self, exact: bool) -> tuple[Row, ...]:
        """Return the run, from which the main model's life is taken; whatever is compared are shadow models."""
        return (RUN,)
