"""The common base classes of audits that compare many unlearned models with many retrained ones.

Each figure has an interval over models and rows, and stands beside that of *retrained again*, which is the floor, and of *did nothing*. Its
threshold is the 95 % quantile of what the audit says of retrained models against retrained ones. It has power where the interval of *did
nothing* lies apart from that of *retrained again*, and a planted shift of the margins by one standard deviation crosses the threshold.
"""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Callable, Iterable, Sequence
from typing import TYPE_CHECKING, ClassVar

from server.timeline import Erasure
from simulator.audits.contract import (
    AGAIN,
    NOTHING,
    RUN,
    Branches,
    Column,
    Figures,
    Format,
    NotJudgedError,
    Row,
    keyed,
)
from simulator.audits.shadowed import Shadowed

if TYPE_CHECKING:
    from server.audit.margins import Floats
    from server.audit.ranking import Interval, Scored
    from simulator.audits.lives import Outputs, Shadows

COMPARED = (RUN, AGAIN, NOTHING)
"""The kinds of models that are compared with retrained ones."""


class TierOne(Shadowed):
    """An audit by shadow models of which one interval lets a method pass; see `Shadowed`."""

    passes: ClassVar[bool] = True
    half: ClassVar[bool]
    """Whether each shadow model has a keyed half of the rows; else all of them."""

    def judge(self, erasure: Erasure, targets: Sequence[int], branches: Branches) -> Figures:
        """Return figures with intervals, the threshold, and what a planted shift gives; see `AuditSpec.judge`."""
        import numpy as np

        from server.audit.calibration import threshold
        from simulator.audits.lives import Shadows, life_of

        shadows = Shadows(life_of(erasure, targets, branches[RUN]), self.models, half=self.half)
        found: dict[str, float | None] = {}
        for row, outputs in zip(COMPARED, (shadows.unlearned, shadows.again, shadows.nothing), strict=True):
            interval = self.measure(shadows, outputs)
            if np.isnan(interval.value):
                raise NotJudgedError(f"not resolvable: {len(shadows.life.gone)} rows and {self.models} models leave no pair to compare")
            figures = [interval.value, interval.low, interval.high, *self.more(shadows, outputs)]
            found |= keyed(self.columns[:3] + self.columns[5:], row, figures)
        calibrated, power = self.columns[3:5]
        found[calibrated.name] = threshold(np.array([self.figure(shadows, *pair) for pair in shadows.exchanges()]))
        found[power.name] = self.figure(shadows, shadows.planted, shadows.never)
        return found

    @abstractmethod
    def figure(self, shadows: Shadows, outputs: Outputs, never: Outputs) -> float:
        """Return how far models are from those that never had the rows: larger is farther."""

    @abstractmethod
    def measure(self, shadows: Shadows, outputs: Outputs) -> Interval:
        """Return the figure with its interval."""

    @abstractmethod
    def more(self, shadows: Shadows, outputs: Outputs) -> Iterable[float | None]:
        """Return the figures of the columns from the sixth on."""


class Ranked(TierOne):
    """An audit that ranks pairs of a model and a row; its figure is the area under the curve."""

    half: ClassVar[bool] = True

    @abstractmethod
    def scored(self, shadows: Shadows, outputs: Outputs, never: Outputs) -> Scored:
        """Return scores of rows in models that unlearned them, and in models that never had them."""

    def figure(self, shadows: Shadows, outputs: Outputs, never: Outputs) -> float:
        """Return the area under the curve, in [0, 1]."""
        from server.audit.ranking import area

        return area(*self.scored(shadows, outputs, never).groups)

    def measure(self, shadows: Shadows, outputs: Outputs) -> Interval:
        """Return the area under the curve with its interval."""
        from server.audit.ranking import area_interval

        return area_interval(self.scored(shadows, outputs, shadows.never), shadows.key)


class Distant(TierOne):
    """An audit that measures, row by row, how far margins of unlearned models lie from those of retrained ones; its figure is the mean."""

    half: ClassVar[bool] = False

    @property
    @abstractmethod
    def distances(self) -> Callable[[Floats, Floats], Floats]:
        """The distance of every row, from two arrays (models, rows)."""

    def figure(self, shadows: Shadows, outputs: Outputs, never: Outputs) -> float:
        """Return the mean distance over rows."""
        return float(self.distances(outputs.gone, never.gone).mean())

    def measure(self, shadows: Shadows, outputs: Outputs) -> Interval:
        """Return the mean distance with its interval."""
        from server.audit.calibration import mean_interval

        return mean_interval(self.distances, outputs.gone, shadows.never.gone, shadows.key)


Other = tuple[str, str, str, Format, str]


def columns(name: str, heading: str, unit: str, format: Format, meaning: str, *others: Other) -> tuple[Column, ...]:
    """Return the columns of such an audit: its figure, the interval's ends, the threshold, a planted shift's figure, and others.

    Each of the others is a suffix of the name, heading, unit, format and meaning.
    """

    def hidden(suffix: str, heading: str, unit: str, format: Format, meaning: str, rows: tuple[Row, ...] = COMPARED) -> Column:
        return Column(f"{name}_{suffix}", heading, unit, format, meaning, rows=rows, shown=False)

    return (
        Column(name, heading, unit, format, meaning, rows=COMPARED, shown=False),  # their own table shows it with its interval
        hidden("low", f"{heading}, low", unit, format, "Lower end of the 95 % interval over models and rows."),
        hidden("high", f"{heading}, high", unit, format, "Upper end of the 95 % interval over models and rows."),
        hidden("threshold", f"{heading}, threshold", unit, format, "95 % quantile between retrained models.", (RUN,)),
        hidden("planted", f"{heading}, planted", unit, format, "Retrained models, margins shifted by a standard deviation.", (RUN,)),
        *(hidden(*other) for other in others),
    )
