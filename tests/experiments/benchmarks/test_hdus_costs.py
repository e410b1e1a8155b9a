from __future__ import annotations

import pytest

from clients.classification.hdus.distillation import Distillation
from clients.models.linear import Linear
from clients.training import Training
from experiments.benchmarks import hdus, hdus_costs

SMALL = hdus.Settings(
    mains=(Linear(),), seed=Linear(), rounds=1, training=Training(epochs=1), distillation=Distillation(epochs=1), reference=40
)


def test_dropping_is_exact_and_second_hand_seeds_must_be_distilled_anew(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    found = hdus_costs.measure(SMALL, 0)
    difference = {name: one.difference for name, one in found.items()}
    assert difference["first-hand, drop"] == difference["first-hand, distil anew"] == difference["second-hand, distil anew"] == 0.0
    assert difference["second-hand, drop"] > 0.0, "the control: a trace of the leaver is left"
    steps = {name: one.steps for name, one in found.items()}
    assert steps["first-hand, drop"] == steps["second-hand, drop"] == 0
    assert steps["first-hand, distil anew"] == steps["second-hand, distil anew"] == 9 * 2
    assert steps["first-hand, retrain"] + 18 == steps["second-hand, retrain"]
    monkeypatch.setattr(hdus_costs, "measure", lambda settings, seed: found)
    hdus_costs.main(["--quick"])
    assert capsys.readouterr().out.count("hand, ") == 6
