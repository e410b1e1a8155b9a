"""Backdoors: a trigger in some of a peer's rows, which it labels with one class, so that the trigger calls for that class."""

from __future__ import annotations

from dataclasses import replace
from typing import Annotated

import numpy as np
import numpy.typing as npt
from pydantic import Field as Setting
from pydantic import NonNegativeInt, PositiveInt

from clients import streams
from clients.data.rows import Rows
from clients.spec import Spec
from clients.streams import Field

Inputs = npt.NDArray[np.float32]


class Stamp(Spec):
    """A value in the last inputs of a row, and the class that it calls for (BadNets: Gu, Dolan-Gavitt, Garg, 2017, arXiv 1708.06733).

    Parameters
    ----------
    target : int
        Number of the class, from 0 on.
    size : int
        How many inputs, the last ones of a row, make the trigger.
    value : float
        What they are set to, as models see inputs.
    """

    target: NonNegativeInt = 0
    size: PositiveInt = 4
    value: float = 1.0

    def stamped(self, x: Inputs) -> Inputs:
        """Return inputs (n, ...) with the trigger."""
        return stamped(x, self.size, self.value)


class Trigger(Stamp):
    """A trigger in some of a peer's rows; see `Stamp`.

    Parameters
    ----------
    share : float
        Share of a peer's rows that have the trigger and the class, drawn row by row.
    """

    share: Annotated[float, Setting(gt=0, le=1)] = 0.5

    def planted(self, rows: Rows, key: tuple[Field, ...]) -> Rows:
        """Return rows of which a share, drawn by key, has the trigger and the target class; it does not depend on the other rows."""
        hit = streams.uniforms(rows.ids, *key, "backdoor") < self.share
        x, y = rows.x.copy(), rows.y.copy()
        x[hit], y[hit] = self.stamped(rows.x[hit]), self.target
        return replace(rows, x=x, y=y)


def stamped(x: Inputs, size: int, value: npt.ArrayLike) -> Inputs:
    """Return inputs (n, ...) whose last ``size`` values are ``value``, one for all or one for each."""
    flat = x.reshape(len(x), -1).copy()
    flat[:, -size:] = value
    return flat.reshape(x.shape)
