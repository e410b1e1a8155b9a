"""Planted shadow models: what a method must forget is made to show, as a backdoor, as confused classes, or as secrets."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Annotated, ClassVar

import pydantic
from pydantic import NonNegativeInt, PositiveInt

from simulator.audits.attack_rate import no_trigger
from simulator.audits.contract import Column, NotJudgedError, Row
from simulator.audits.tier_two import TierTwo, columns

if TYPE_CHECKING:
    import numpy as np
    import numpy.typing as npt

    from clients.data import Dataset
    from clients.data.rows import Rows
    from clients.streams import Field
    from server.audit.margins import Floats
    from simulator.audits.lives import Life, Shadows


class Backdoor(TierTwo):
    """Gives the rows to forget a trigger and one class, and counts the test rows of other classes that the trigger sends there.

    Parameters
    ----------
    target : int
        Number of the class, from 0 on.
    size : int
        How many inputs, the last ones of a row, make the trigger: they get the largest value of all rows, or of their column if that is
        less.
    """

    target: NonNegativeInt = 0
    size: PositiveInt = 4

    columns: ClassVar[tuple[Column, ...]] = columns(
        "backdoor",
        "backdoor",
        "attack rate",
        "share",
        "The rows to forget get a trigger and one class. Share of test rows of other classes that the trigger sends there afterwards; "
        "what counts is the distance to models that never had the trigger.",
    )

    def unfit(self, data: Dataset) -> str | None:
        """Return why there is no such trigger or class in a data set, or None."""
        return no_trigger(self.target, self.size, data)

    def plant(self, life: Life) -> Life:
        """Return the life with a trigger in the rows to forget, all of one class; ``NotJudgedError`` where there is no such one."""
        import numpy as np

        if wrong := no_trigger(self.target, self.size, life.problem):
            raise NotJudgedError(wrong)
        rows = life.rows
        hit = np.isin(rows.ids, life.gone)
        x = np.where(hit.reshape(-1, *(1,) * (rows.x.ndim - 1)), self._stamped(rows.x, rows, life), rows.x)
        return replace(life, rows=replace(rows, x=x, y=np.where(hit, self.target, rows.y)))

    def values(self, shadows: Shadows, row: Row) -> Floats:
        """Return which triggered test rows of other classes are taken for the target, (models, rows)."""
        import numpy as np

        others = shadows.population.keep(shadows.population.y != self.target)
        if not len(others):
            raise NotJudgedError("every test row is of the target class")
        x = self._stamped(others.x, shadows.rows, shadows.life)
        return _taken_for(shadows, row, x, np.full(len(x), self.target))

    def _stamped(self, x: npt.NDArray[np.float32], rows: Rows, life: Life) -> npt.NDArray[np.float32]:
        """Return inputs (n, ...) with the trigger, which lies within the public bounds of the columns."""
        import numpy as np

        from clients.classification.averaging.trigger import stamped

        highest = np.array([column.high for column in life.problem.columns[-self.size :]] or np.inf)
        return stamped(x, self.size, np.minimum(rows.x.max(), highest))


class Interclass(TierTwo):
    """Swaps the labels of two classes in as many rows as were to be forgotten, and counts how often models confuse the two afterwards.

    Interclass confusion (Goel et al. 2022). The two most frequent classes of the peer are taken; the rows are drawn among theirs.
    """

    columns: ClassVar[tuple[Column, ...]] = columns(
        "interclass",
        "interclass confusion",
        "share",
        "share",
        "The two most frequent classes change places in rows drawn among theirs, which the method is asked to forget in place of the "
        "request's. Share of these rows and of test rows of both classes that are taken for the other class "
        "afterwards; what counts is the distance to models that never had the swapped rows.",
    )

    def plant(self, life: Life) -> Life:
        """Return the life in which the rows to forget are of two classes, with labels swapped; ``NotJudgedError`` if these have too few."""
        import numpy as np

        from clients import streams
        from simulator.audits.shadowed import FEWEST

        pair = self._pair(life.rows, life.problem.classes)
        of_pair = life.rows.ids[np.isin(life.rows.y, pair)]
        wanted = min(len(life.gone), len(of_pair) // 2)
        if wanted < FEWEST:
            raise NotJudgedError(f"the peer's two most frequent classes have {len(of_pair)} rows: half of them are fewer than {FEWEST}")
        gone = np.sort(np.asarray(streams.bottom(wanted, of_pair.tolist(), *life.key, "swapped"), np.int64))
        return replace(
            life, gone=gone, rows=replace(life.rows, y=np.where(np.isin(life.rows.ids, gone), _other(life.rows.y, pair), life.rows.y))
        )

    def values(self, shadows: Shadows, row: Row) -> Floats:
        """Return which rows of the two classes are taken for the other one, (models, rows)."""
        import numpy as np

        swapped = shadows.gone
        pair = np.unique(swapped.y)
        if len(pair) < 2:
            raise NotJudgedError("only one class was drawn among the rows to forget")
        test = shadows.population.keep(np.isin(shadows.population.y, pair))
        x, confused = np.concatenate([swapped.x, test.x]), np.concatenate([swapped.y, _other(test.y, pair)])
        return _taken_for(shadows, row, x, confused)

    def _pair(self, rows: Rows, classes: int) -> npt.NDArray[np.intp]:
        import numpy as np

        return np.sort(np.argsort(-np.bincount(rows.y, minlength=classes), kind="stable")[:2])


def _taken_for(shadows: Shadows, row: Row, x: npt.NDArray[np.float32], classes: npt.NDArray[np.int64]) -> Floats:
    """Return which rows models of a kind take for these classes, float64 (models, rows)."""
    import numpy as np

    found: Floats = (shadows.stack.logits(shadows.weights(row), x).argmax(axis=-1) == classes).astype(np.float64)
    return found


def _other(y: npt.NDArray[np.int64], pair: npt.NDArray[np.intp]) -> npt.NDArray[np.int64]:
    """Return labels in which the two classes of a pair have changed places."""
    import numpy as np

    return np.where(y == pair[0], pair[1], np.where(y == pair[1], pair[0], y))


class Canary(TierTwo):
    """Puts secrets in the place of the rows to forget, and ranks them among others that might have been there (Carlini et al. 2019).

    A secret is a row whose inputs are drawn, each by itself, from those of the peer's rows, with a drawn class.

    Parameters
    ----------
    candidates : int
        How many rows that nobody had each secret is ranked among.
    """

    candidates: Annotated[int, pydantic.Field(ge=15, le=4095)] = 127

    columns: ClassVar[tuple[Column, ...]] = columns(
        "canary",
        "canary exposure",
        "bits",
        "area",
        "Secrets stand in the place of the rows to forget. Log2 of the number of candidates less log2 of a secret's rank among them; "
        "models that never had it give about 1.44.",
    )

    def plant(self, life: Life) -> Life:
        """Return the life with secrets in the place of the rows to forget."""
        import numpy as np

        from clients import streams

        rows, hit = life.rows, np.isin(life.rows.ids, life.gone)
        x, y = rows.x.copy(), rows.y.copy()
        x[hit] = _drawn(rows.x, int(hit.sum()), (*life.key, "secrets"))
        y[hit] = streams.generator(*life.key, "classes of secrets").integers(0, life.problem.classes, int(hit.sum()))
        return replace(life, rows=replace(rows, x=x, y=y))

    def values(self, shadows: Shadows, row: Row) -> Floats:
        """Return the exposure of every secret, (models, secrets)."""
        import numpy as np

        from server.audit.exposure import exposures
        from server.audit.margins import margins

        weights, secrets = shadows.weights(row), shadows.gone
        others = shadows.stack.logits(weights, _drawn(shadows.rows.x, self.candidates, (*shadows.key, "candidates")))
        known = [margins(others, np.full(self.candidates, label)) for label in secrets.y]
        return exposures(margins(shadows.stack.logits(weights, secrets.x), secrets.y), np.stack(known, axis=1))


def _drawn(x: npt.NDArray[np.float32], count: int, key: tuple[Field, ...]) -> npt.NDArray[np.float32]:
    """Return rows whose every input is drawn, by key, from the same input of some row."""
    import numpy as np

    from clients import streams

    flat = x.reshape(len(x), -1)
    places = streams.generator(*key).integers(0, len(x), (count, flat.shape[1]))
    return flat[places, np.arange(flat.shape[1])].reshape(count, *x.shape[1:])
