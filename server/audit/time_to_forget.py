"""Time to forget: how much work passes until a model is, and stays, as models are that never had the rows.

After FOUL, arXiv 2603.13795, which asks how fast unlearning reaches its best; the definition is of this project.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import numpy.typing as npt

from server.audit.margins import Floats, Mask


def within(values: Floats, usual: Floats, least: float = 0.0) -> Mask:
    """Return which models are within two standard deviations of the mean of retrained ones, bool (times, models).

    Parameters
    ----------
    values : float64 array, shape (times, models)
        A quantity of the models that are judged.
    usual : float64 array, shape (times, retrained models)
        The same of at least two retrained models, at the same times.
    least : float
        Smallest tolerance: what a single row changes, where retrained models do not differ at all.
    """
    tolerance = np.maximum(2 * usual.std(axis=1, ddof=1), least)
    found: Mask = np.abs(values - usual.mean(axis=1)[:, None]) <= tolerance[:, None] + 1e-12
    return found


def times_to_forget(there: Sequence[Mask], hold: int) -> Floats:
    """Return the first time at which every quantity is within its tolerance, and stays there for ``hold`` more, float64 (models,).

    Who crosses the tolerance and leaves it again has not arrived. Infinity where it never happens: the time is censored.

    Parameters
    ----------
    there : sequence of bool arrays, each of shape (times, models)
        Whether each quantity is within its tolerance, at times 0, 1, ...; more than ``hold`` of them.
    hold : int
        At least 0.
    """
    every: npt.NDArray[np.bool_] = np.logical_and.reduce(list(there))
    if hold < 0 or len(every) <= hold:
        raise ValueError(f"hold = {hold}: take at least 0, and fewer than the {len(every)} times that were measured")
    stays = np.lib.stride_tricks.sliding_window_view(every, hold + 1, axis=0).all(axis=-1)
    found: Floats = np.where(stays.any(axis=0), stays.argmax(axis=0), np.inf)
    return found
