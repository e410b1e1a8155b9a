"""The time to forget: rounds from the request until shadow models are, and stay, as models that never had the rows."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING, Annotated, ClassVar

from pydantic import Field

from simulator.audits.contract import RETRAINED, Column, NotJudgedError, Row
from simulator.audits.disturbed import right
from simulator.audits.tier_two import TierTwo, columns

if TYPE_CHECKING:
    import numpy as np
    import numpy.typing as npt

    from server.audit.margins import Floats
    from simulator.audits.lives import Shadows


class TimeToForget(TierTwo):
    """Counts the rounds of training after a request until models are as retrained ones are at the same round (after FOUL, 2026).

    They are when their mean margin on the forgotten rows and their accuracies on kept and on test rows are within two standard deviations
    of those of retrained models, and stay there for ``hold`` more rounds. Retraining itself begins at 0; the work of the method is in the
    column of its cost.

    Parameters
    ----------
    rounds : int
        Largest number of rounds, at most 1,000; read a figure of this size as *at least*.
    hold : int
        For how many more rounds, at most 1,000, models must stay: who crosses and leaves again has not forgotten.
    """

    rounds: Annotated[int, Field(ge=1, le=1000)] = 10
    hold: Annotated[int, Field(ge=0, le=1000)] = 3

    columns: ClassVar[tuple[Column, ...]] = columns(
        "time_to_forget",
        "time to forget",
        "rounds",
        "steps",
        "Rounds of training on what was kept, from the request on, until models are as retrained ones, and stay. 0: at once.",
        ("epochs", "time to forget, epochs", "client-epochs", "steps", "The same in epochs of the client that forgets."),
        (
            "never",
            "time to forget, never",
            "share",
            "share",
            "Share of the models that were not there within the rounds that were looked at.",
        ),
        over="models",
    )

    def values(self, shadows: Shadows, row: Row) -> Floats:
        """Return rounds, (models, 1); the largest number where a model never gets there."""
        import numpy as np

        return np.minimum(self._times(shadows, row), self.rounds)[:, None]

    def more(self, shadows: Shadows, row: Row) -> Iterator[float]:
        """Yield the mean in epochs, and the share of models that never got there."""
        import numpy as np

        times = self._times(shadows, row)
        yield float(np.minimum(times, self.rounds).mean()) * shadows.life.problem.training.epochs
        yield float(np.isinf(times).mean())

    def _times(self, shadows: Shadows, row: Row) -> Floats:
        from server.audit.time_to_forget import times_to_forget, within

        ours, usual = self._curves(shadows, row), self._curves(shadows, RETRAINED)
        steps = (0.0, 1 / len(shadows.kept), 1 / len(shadows.population))
        return times_to_forget([within(one, other, least) for one, other, least in zip(ours, usual, steps, strict=True)], self.hold)

    def _curves(self, shadows: Shadows, row: Row) -> npt.NDArray[np.float64]:
        """Return margins on forgotten rows and accuracies on kept and test rows, right after the request and after each round.

        Shape (3, rounds + hold + 1, models).
        """
        import numpy as np

        from clients.progress import told
        from server.audit.margins import margins

        found = []
        rounds = self.rounds + self.hold
        for weights in told("time to forget: rounds after the request", shadows.from_request(row, rounds), rounds + 1):
            try:
                known = margins(shadows.stack.logits(weights, shadows.gone.x), shadows.gone.y)
            except ValueError as reason:
                raise NotJudgedError(f"shadow models: {reason}") from None
            found.append([known.mean(axis=1), *(right(shadows, weights, rows).mean(axis=1) for rows in (shadows.kept, shadows.population))])
        return np.array(found).swapaxes(0, 1)
