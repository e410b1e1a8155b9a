"""Relearning by many models at once: how many steps each needs until it knows rows again."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

from clients.data.rows import Rows
from clients.models.stacked import Stack
from clients.progress import told
from clients.streams import Field
from clients.training import Arrays, Steps
from server.audit.margins import Floats, Mask

Reached = Callable[[Floats, Floats], Mask]
"""From every model's mean loss and accuracy on the rows to whether it knows them."""


def steps_until(stack: Stack, weights: Arrays, rows: Rows, reached: Reached, cap: int, key: tuple[Field, ...], settings: Steps) -> Floats:
    """Return how many steps of training on the rows each model takes until it knows them for the first time, float64 (models,).

    All models see the same rows in the same order. A result of ``cap`` means *at least* that many.
    """
    steps = np.full(len(next(iter(weights.values()))), float(cap))
    relearned = told("relearning: gradient steps", stack.relearned(weights, rows, key=key, settings=settings), cap + 1)
    for number, known in enumerate(relearned):
        steps = np.where(reached(*known), np.minimum(steps, number), steps)
        if number == cap or (steps < cap).all():
            break
    return steps
