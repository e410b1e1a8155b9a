from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest

from clients.diffusion.metrics import Budget
from clients.diffusion.spec import SMOKE, DenoiserTraining, Sampling
from clients.unlearning.pruning.concept_prune import ConceptPrune
from experiments.reproductions import reader, roots_pairs


@pytest.fixture(autouse=True)
def _small(monkeypatch: pytest.MonkeyPatch) -> None:
    real = roots_pairs.Work
    for budget in ("QUICK_BUDGET", "FULL_BUDGET"):
        monkeypatch.setattr(reader, budget, DenoiserTraining(backbone_steps=6, concept_steps=6))
    monkeypatch.setattr(reader, "DIGITS", SMOKE)
    small = {"eraser": ConceptPrune(calls=2), "sampling": Sampling(steps=2), "budget": Budget(target=4, others=1)}
    monkeypatch.setattr(reader, "Work", lambda *what: replace(real(*what), **small))


@pytest.mark.slow
def test_a_plain_cut_shows_and_its_columns_did_not_show_before(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    reader.main(["--own", "1", "--seeds", "0", "--concepts", "1", "7", "--fills", "gaussian", "--cache", str(tmp_path)])
    cells = [line.replace("│", " ").split() for line in capsys.readouterr().out.splitlines() if "│" in line]
    areas = {(cell[0], cell[1]): float(cell[3]) for cell in cells}
    assert [len(cell) for cell in cells] == [8, 8, 12, 12, 12, 12]
    assert areas.keys() == {(release, model) for release in ("original", "pruned", "gaussian") for model in ("own", "released")}
    for model in ("own", "released"):
        assert areas["pruned", model] > 0.9
        assert 0.3 < areas["original", model] < 0.7
    assert len(list(tmp_path.glob("*.safetensors"))) == 2


def test_the_attacker_does_not_learn_from_what_it_reads(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit):
        reader.main(["--own", "2", "--seeds", "2"])
    assert "--own 2: is among the seeds" in capsys.readouterr().err
