"""The common base class of audits that ask what is still inside: something is done to many models of each kind, and counted.

Each figure stands beside that of models that never had the rows, with an interval of how far the two differ: over models and rows, or over
models alone where rows act together. Such an audit objects or does not; only those of tier one let a method pass.
"""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Iterable, Sequence
from typing import TYPE_CHECKING

from server.timeline import Erasure
from simulator.audits.contract import ORIGINAL, RETRAINED, RUN, Branches, Column, Figures, Format, NotJudgedError, Row, keyed
from simulator.audits.shadowed import Models, Shadowed
from simulator.audits.tier_one import COMPARED, Other

if TYPE_CHECKING:
    from server.audit.margins import Floats
    from simulator.audits.lives import Life, Shadows


class TierTwo(Shadowed):
    """An audit that does something to shadow models, which have all of the peer's rows and differ by their keys.

    Parameters
    ----------
    models : int
        Shadow models of each kind; at least 8.
    """

    models: Models = 16

    def judge(self, erasure: Erasure, targets: Sequence[int], branches: Branches) -> Figures:
        """Return figures with intervals, the threshold, and over how many models and rows; see `AuditSpec.judge`."""
        from simulator.audits.lives import life_of

        return self.of_life(life_of(erasure, targets, branches[RUN]))

    def of_life(self, life: Life) -> Figures:
        """Return the same of what a main model went through."""
        import numpy as np

        from server.audit.calibration import grand_mean, mixed, threshold
        from simulator.audits.lives import Shadows

        shadows = Shadows(self.plant(life), self.models, half=False)
        for row in (*COMPARED, RETRAINED, ORIGINAL):
            _check_finite(shadows, row)
        values = {row: self.values(shadows, row) for row in (*COMPARED, RETRAINED)}
        usual = values[RETRAINED].mean(axis=0)
        ends = min(each.min() for each in values.values()), max(each.max() for each in values.values())
        main, low, high, calibrated, models, rows, *others = self.columns
        found: dict[str, float | None] = {}
        for row in COMPARED:
            beyond = grand_mean(values[row] - usual, shadows.key)  # row by row: all kinds are judged on the same rows, some of them hard
            interval = np.clip(usual.mean() + np.array([beyond.value, beyond.low, beyond.high]), *ends)
            figures = [*map(float, interval), *self.more(shadows, row)]
            found |= keyed((main, low, high, *others), row, figures)
        pairs = mixed(values[COMPARED[1]], values[RETRAINED], shadows.key)
        found[calibrated.name] = threshold(np.array([abs(one.mean() - other.mean()) for one, other in pairs]))
        return found | dict(zip((models.name, rows.name), map(float, values[RUN].shape), strict=True))

    def plant(self, life: Life) -> Life:
        """Return the life that the shadow models live: that of the main model, unless something is planted in the rows to forget."""
        return life

    @abstractmethod
    def values(self, shadows: Shadows, row: Row) -> Floats:
        """Return what is counted in every model of a kind and on every row, float64 (models, rows); one row where rows act together."""

    def more(self, shadows: Shadows, row: Row) -> Iterable[float | None]:
        """Return the figures of further columns."""
        return ()


def _check_finite(shadows: Shadows, row: Row) -> None:
    """Raise ``NotJudgedError`` if a model of a kind has diverged: what it answers counts as forgotten, and it has forgotten nothing."""
    import numpy as np

    from server.audit.margins import DIVERGED

    for rows in (shadows.gone, shadows.population):
        if not np.isfinite(shadows.stack.logits(shadows.weights(row), rows.x)).all():
            raise NotJudgedError(f"shadow models: {DIVERGED}")


def columns(
    name: str, heading: str, unit: str, format: Format, meaning: str, *others: Other, over: str = "models and rows"
) -> tuple[Column, ...]:
    """Return the columns of such an audit: its figure, the interval's ends, the threshold, the numbers of models and rows, and others.

    Each of the others is a suffix of the name, heading, unit, format and meaning; ``over`` is what intervals are drawn over.
    """

    def hidden(suffix: str, heading: str, unit: str, format: Format, meaning: str, rows: tuple[Row, ...] = COMPARED) -> Column:
        return Column(f"{name}_{suffix}", heading, unit, format, meaning, rows=rows, shown=False)

    apart = "95 % quantile of the difference between retrained models."
    return (
        Column(name, heading, unit, format, meaning, rows=COMPARED, shown=False),  # the table of shadow models shows it with its interval
        hidden("low", f"{heading}, low", unit, format, f"Lower end of the 95 % interval over {over}."),
        hidden("high", f"{heading}, high", unit, format, f"Upper end of the 95 % interval over {over}."),
        hidden("threshold", f"{heading}, threshold", unit, format, apart, (RUN,)),
        hidden("models", f"{heading}, models", "count", "steps", "Models of each kind.", (RUN,)),
        hidden("rows", f"{heading}, rows", "count", "steps", "Rows on which each is judged; 1 where they act together.", (RUN,)),
        *(hidden(*other) for other in others),
    )
