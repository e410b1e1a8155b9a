"""The time to forget of planted curves: who arrives and stays, who crosses and leaves again, and who never comes."""

from __future__ import annotations

import numpy as np
import pytest

from server.audit.time_to_forget import times_to_forget, within

USUAL = np.tile([-1.0, 0.0, 1.0], (12, 1))
"""Three retrained models: mean 0, standard deviation 1, so that the tolerance is 2."""
PLANTED = np.array([[5, 4, 3, 1, 0, 0, 0, 0, 0, 0, 0, 0], [5, 3, 1, -1, -3, -5, -5, -5, -5, -5, -5, -5], [5] * 12, [0] * 12], float).T


def test_planted_curves_have_the_time_that_was_planted() -> None:
    there = within(PLANTED, USUAL)
    assert times_to_forget([there], hold=3).tolist() == [3, np.inf, np.inf, 0], "monotone, crossing, never, at once"
    assert times_to_forget([there], hold=0)[1] == 2, "the control: without holding, crossing is taken for arriving"


def test_the_time_does_not_depend_on_how_long_is_measured_beyond_holding() -> None:
    for times in range(7, 13):
        assert times_to_forget([within(PLANTED[:times], USUAL[:times])], hold=3)[0] == 3
    assert times_to_forget([within(PLANTED[:6], USUAL[:6])], hold=3)[0] == np.inf, "three more rounds have not been seen"


def test_every_quantity_must_be_there_together() -> None:
    forgot, ruined = within(PLANTED, USUAL), within(PLANTED[::-1], USUAL)
    assert times_to_forget([forgot, ruined], hold=3).tolist() == [3, np.inf, np.inf, 0]
    assert times_to_forget([forgot[:, [3]], forgot[:, [2]]], hold=3) == np.inf


def test_where_retrained_models_agree_one_row_is_tolerated() -> None:
    same, ours = np.full((1, 3), 0.9), np.array([[0.9, 0.89, 0.87]])
    assert within(ours, same, least=0.01).tolist() == [[True, True, False]]
    assert within(ours, same).tolist() == [[True, False, False]]


@pytest.mark.parametrize("hold", [-1, 12])
def test_holding_for_longer_than_is_measured_is_refused(hold: int) -> None:
    with pytest.raises(ValueError, match="fewer than the 12 times"):
        times_to_forget([within(PLANTED, USUAL)], hold=hold)
