"""The dilution experiment on a model too small for accuracies: what is left of a cut follows the theory of each policy all the same."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from clients.diffusion.metrics import Budget
from clients.diffusion.spec import SMOKE, DenoiserTraining, Sampling
from clients.unlearning.pruning.concept_prune import ConceptPrune
from experiments.reproductions import dilution, dilution_federation
from experiments.reproductions.dilution_tables import certainty


@pytest.fixture
def _small(monkeypatch: pytest.MonkeyPatch) -> None:
    work, trial = dilution_federation.Work, dilution_federation.Trial
    few = {"eraser": ConceptPrune(calls=2), "sampling": Sampling(steps=2)}
    tuning = DenoiserTraining(concept_steps=2, batch_size=8, lr=1e-5)
    monkeypatch.setattr(dilution, "DIGITS", SMOKE)
    monkeypatch.setattr(dilution, "TRAINING", DenoiserTraining(backbone_steps=4, concept_steps=12, batch_size=16))
    monkeypatch.setattr(dilution, "Work", lambda *what, budget, **where: work(*what, **few, **where, budget=Budget(target=4, others=1)))
    monkeypatch.setattr(dilution, "Trial", lambda w, seed: trial(w, seed, peers=4, tuning=tuning, pruning=(1, 2, 3), history=(2,)))


@pytest.mark.slow
@pytest.mark.usefixtures("_small")
def test_what_is_left_of_a_cut_is_what_each_policy_promises(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    dilution.main(["--concepts", "7", "--out", str(tmp_path / "out"), "--cache", str(tmp_path / "cache")])
    said = capsys.readouterr().out
    assert all(policy in said for policy in dilution.POLICIES)
    assert "target: n = 4, 95 % intervals over samples at most ±" in said
    assert all(share in said for share in ("25%", "50%", "75%"))
    assert (tmp_path / "out" / "dilution.svg").read_text().rstrip().endswith("</svg>")
    points: list[dict[str, Any]] = json.loads((tmp_path / "out" / "points.json").read_text())
    assert len(points) == 1 + 6 * 3
    left = {(point["policy"], point["pruning"]): point for point in points}
    assert 0 < left["none", 0]["mask_overlap"] < 1  # the peers' cuts differ, so the policies have something to disagree about
    for count in (1, 2, 3):
        assert left["mean", count]["residual"] == pytest.approx(1 - count / 4, abs=0.02)
        assert left["masked_mean", count]["residual"] == pytest.approx(1, abs=0.02)
        assert left["mean", count]["survival"] == left["masked_mean", count]["survival"] == 0
        for policy in ("union_zero", "union_noise(1)", "server_mask"):
            assert left[policy, count]["survival"] == 1
        assert left["server_mask", count]["residual"] == 0
        assert (left["vote(.5)", count]["survival"] > 0) == (count >= 2)
        assert ("history_target" in left["mean", count]) == (count == 2)


def test_the_least_certain_accuracy_bounds_the_others() -> None:
    shares = {("mean", 1): (0.5, 1.0), ("mean", 2): (1.0, 1.0)}
    points = [
        {"concept": concept, "policy": policy, "pruning": count, "target": target, "others": others}
        for concept in (1, 4)
        for (policy, count), (target, others) in shares.items()
    ]
    said = "95 % intervals over samples at most"
    assert certainty(points, {"target": 48, "others": 48}) == f"target: n = 96, {said} ±0.098; others: n = 96, {said} ±0.038"


@pytest.mark.parametrize("wrong", [["--concepts", "10"], ["--concepts", "1", "1"], ["--seed", "-1"], ["--out", "/dev/null/x"]])
def test_wrong_arguments_are_answered_in_one_line(wrong: list[str], capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as ended:
        dilution.main(wrong)
    assert ended.value.code == 2
    assert capsys.readouterr().err.count("\n") == 1
