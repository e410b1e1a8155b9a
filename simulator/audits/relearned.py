"""Relearning of the forgotten rows by shadow models: steps until they are known as before, and the anamnesis index."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated, ClassVar

from pydantic import Field

from simulator.audits.contract import ORIGINAL, RETRAINED, Column, NotJudgedError, Row
from simulator.audits.relearning import Cap
from simulator.audits.tier_two import TierTwo, columns

if TYPE_CHECKING:
    from server.audit.margins import Floats
    from server.audit.relearned import Reached
    from simulator.audits.lives import Shadows


class RelearningSteps(TierTwo):
    """Trains shadow models on the forgotten rows alone until their loss is down to the originals' mean (Golatkar et al. 2020).

    All kinds of models see the same rows in the same order, with the main model's own optimiser.

    Parameters
    ----------
    cap : int
        Largest number of gradient steps, at most 100,000; read a figure of this size as *at least*.
    """

    cap: Cap = 200

    columns: ClassVar[tuple[Column, ...]] = columns(
        "relearning",
        "relearning",
        "gradient steps",
        "steps",
        "Gradient steps on the forgotten rows until a model fits them as well as the originals did. Few mean that something was left.",
        over="models",
    )

    def values(self, shadows: Shadows, row: Row) -> Floats:
        """Return steps, (models, 1)."""
        losses, _ = _known(shadows, ORIGINAL)
        return _steps(shadows, row, lambda found, right: found <= losses.mean(), self.cap)


class Anamnesis(TierTwo):
    """The anamnesis index (Chundawat et al. 2022): steps of relearning, divided by those of models that never had the rows.

    Parameters
    ----------
    alpha : float
        A model knows the rows again when its accuracy on them is within this share of the originals'.
    cap : int
        Largest number of gradient steps, at most 100,000.
    """

    alpha: Annotated[float, Field(ge=0, lt=1)] = 0.05
    cap: Cap = 200

    columns: ClassVar[tuple[Column, ...]] = columns(
        "anamnesis",
        "anamnesis index",
        "ratio",
        "area",
        "Steps until the forgotten rows are answered nearly as rightly as before, divided by those of models that never had them. "
        "1: as if never there; near 0: hidden knowledge; well above 1: over-erasure.",
        over="models",
    )

    def values(self, shadows: Shadows, row: Row) -> Floats:
        """Return ratios, (models, 1); ``NotJudgedError`` if models that never had the rows need no step."""
        never = self._steps(shadows, RETRAINED).mean()
        if not never:
            raise NotJudgedError(f"retrained models answer the rows within {self.alpha:g} of the originals without learning them again")
        ratios: Floats = self._steps(shadows, row) / never
        return ratios

    def _steps(self, shadows: Shadows, row: Row) -> Floats:
        _, right = _known(shadows, ORIGINAL)
        return _steps(shadows, row, lambda losses, found: found >= (1 - self.alpha) * right.mean(), self.cap)


def _known(shadows: Shadows, row: Row) -> tuple[Floats, Floats]:
    """Return every model's loss and accuracy on the forgotten rows."""
    return next(shadows.stack.relearned(shadows.weights(row), shadows.gone, key=shadows.key, settings=shadows.life.problem.training))


def _steps(shadows: Shadows, row: Row, reached: Reached, cap: int) -> Floats:
    from server.audit.relearned import steps_until

    settings = shadows.life.problem.training
    return steps_until(shadows.stack, shadows.weights(row), shadows.gone, reached, cap, shadows.key, settings)[:, None]
