"""The figure of what guards do as they become more."""

from __future__ import annotations

from typing import Any

import numpy as np

from simulator.report import svg
from simulator.report.language.capacity import figure

POINT: dict[str, Any] = {"asked": 8, "leaked": 1, "kept": 20, "kept_stopped": 4, "kept_right": 10, "public": 100, "public_stopped": 0}


def test_every_curve_has_its_name_its_shares_and_a_gap_where_there_is_none() -> None:
    points = [POINT | {"guards": 1, "precision": None, "kept": 0}, POINT | {"guards": 2, "precision": 0.5}]
    (axes,) = figure(points, svg.WIDE).axes
    drawn = {line.get_label(): np.asarray(line.get_ydata(), float).tolist() for line in axes.lines}
    nan = float("nan")
    assert drawn.keys() == {"leaks", "false refusals", "others answered right", "precision"}
    assert drawn["leaks"] == [1 / 8, 1 / 8]
    for name, share in (("false refusals", 0.2), ("others answered right", 0.5), ("precision", 0.5)):
        np.testing.assert_equal(drawn[name], [nan, share])
    assert all(np.asarray(line.get_xdata()).tolist() == [1, 2] for line in axes.lines)
    assert axes.get_xlabel() == "guards"
