from __future__ import annotations

import pytest

from clients.classification.hdus.distillation import Distillation
from experiments.benchmarks import reference
from experiments.benchmarks.reference import BASELINE, Measured


def test_every_reference_set_gets_a_line_beside_real_rows(capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> None:
    small = reference.TABLE.model_copy(update={"rounds": 1, "distillation": Distillation(epochs=2)})
    setting = reference.SETTINGS[1]
    monkeypatch.setattr(reference, "SETTINGS", (setting, reference.Setting(setting.source, small, setting.test, setting.tried)))
    reference.main(["--quick"])
    said = capsys.readouterr().out
    assert said.count("(baseline)") == 1
    assert [said.count(name) for name in ("real rows", "generated, 120", "noise, 120")] == [1, 1, 1]


def test_differences_are_paired_by_seed() -> None:
    found = [{BASELINE: Measured(0.9 + part, 0.5, 0.9), "noise, 5": Measured(0.7 + part, 0.4, 0.5)} for part in (0.0, 0.05)]
    real, noise = reference.lines(found)
    assert real.endswith("(baseline)")
    assert "-0.200 ± 0.000" in noise
    assert "± 0.318" in noise, "accuracies themselves vary between seeds"
