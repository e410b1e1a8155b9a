"""Backdoors: which rows have the trigger hangs on the rows alone, and nothing else of them changes."""

from __future__ import annotations

import numpy as np

from clients.classification.averaging.trigger import Trigger, stamped
from clients.data.bundled import Digits

ROWS = Digits().load().rows(np.arange(400))
TRIGGER = Trigger(target=3, size=8, share=0.25)


def test_the_last_inputs_are_set_and_no_other() -> None:
    found, before = stamped(ROWS.x, 8, 1.0).reshape(400, 64), ROWS.x.reshape(400, 64)
    assert (found[:, -8:] == 1.0).all(), "the last row of the picture"
    assert (found[:, :-8] == before[:, :-8]).all()
    assert not (before[:, -8:] == 1.0).all(), "the given ones are not changed"


def test_a_share_of_the_rows_is_hit_whatever_other_rows_there_are() -> None:
    found = TRIGGER.planted(ROWS, ("run", 1))
    hit = (found.x != ROWS.x).reshape(400, 64).any(axis=1)
    assert abs(hit.mean() - 0.25) < 0.07
    assert (found.y[hit] == 3).all()
    assert (found.y[~hit] == ROWS.y[~hit]).all()
    some = ROWS.keep(np.arange(400) % 3 == 0)
    assert (TRIGGER.planted(some, ("run", 1)).y == found.y[::3]).all()
    assert (TRIGGER.planted(ROWS, ("run", 2)).y != found.y).any(), "the control: another peer plants in others"
