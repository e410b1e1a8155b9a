"""The figures of one run, from results made up by hand."""

from __future__ import annotations

from simulator.audits.counterfactual import DIFFERENCE
from simulator.audits.privleak import Privleak
from simulator.sweeps.measures import _forgetting


def test_differences_with_a_sign_have_their_mean_and_absolute_ones_the_largest() -> None:
    columns = [DIFFERENCE.told(), Privleak.columns[0].told()]
    found = ((0.1, -0.6), (0.3, 0.2))
    free = {"kind": "rows", "gradient_steps": 0, "bytes": 0}
    erasures = [free | {"max_abs_difference": largest, "privleak": leak} for largest, leak in found]
    told = {measure.name: value for measure, value in _forgetting({"erasures": erasures, "audits": {"made up": columns}})}
    assert (told["rows.max_abs_difference"], round(told["rows.privleak"], 9)) == (0.3, -0.2)
