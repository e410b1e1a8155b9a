"""Relearning after erasers, on a model too small for numbers: every row is printed, and each starts from what was released."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch

from clients.diffusion.denoiser import build
from clients.diffusion.images import digits
from clients.diffusion.spec import SMOKE, DenoiserTraining, Sampling
from clients.unlearning.pruning.gradients import copies
from experiments.reproductions import relearning, roots_pairs
from experiments.reproductions.attacks_parts import divided


@pytest.fixture(autouse=True)
def _small(monkeypatch: pytest.MonkeyPatch) -> None:
    real = roots_pairs.Work
    monkeypatch.setattr(relearning, "DIGITS", SMOKE)
    monkeypatch.setattr(relearning, "QUICK_BUDGET", DenoiserTraining(backbone_steps=2, concept_steps=2))
    monkeypatch.setattr(relearning, "Work", lambda *what, **own: real(*what, **own, sampling=Sampling(steps=2)))
    settings = {"resistant": {"steps": 1, "batch_size": 4}, "salun": {"steps": 1, "batches": 1, "batch_size": 4}}
    monkeypatch.setattr(relearning, "SETTINGS", settings)


def test_every_row_is_printed(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    how = ("--erasers", "salun", "resistant", "--concepts", "3", "--steps", "1", "--samples", "3", "1", "--cache", str(tmp_path))
    relearning.main(how)
    lines = [line.split(": erased")[0] for line in capsys.readouterr().out.splitlines()]
    rows = [f"{kind}, {row}" for kind in ("salun", "resistant") for row in ("released", "1 steps on feed_forward_out", "1 steps on all")]
    assert lines[1:7] == [f"seed 0, 3 {row}" for row in rows]
    assert lines[8:] == rows
    assert "8 images of the adversary" in lines[0]


def test_who_holds_five_times_the_steps_is_told_over_seeds() -> None:
    def found(early: float, late: float) -> relearning.Found:
        shares = {("a", "all", 2): early, ("a", "all", 10): 0.9, ("b", "all", 2): 0.1, ("b", "all", 10): late}
        return {row: [{"target": share, "others": 1.0}] for row, share in shares.items()}

    def told(late: float) -> str:
        return relearning.over_seeds([found(0.5, late), found(0.52, late), found(0.54, late)], ["a", "b"])[-1]

    assert told(0.2).endswith("seen")
    assert not told(0.2).endswith("not seen")
    assert told(0.52).endswith("not seen")
    assert told(0.8).endswith("the opposite")
    assert told(0.2).startswith("b after 10 steps on all shows less than a after 2: 0.320 ± ")


def test_the_adversary_trains_what_is_in_scope() -> None:
    seen, unseen = divided(digits(), 0.2)
    work = relearning.Work(seen, None, SMOKE, DenoiserTraining())
    denoiser = build(SMOKE, ("relearning",))
    before = copies(dict(denoiser.unet.named_parameters()))
    for scope in ("feed_forward_out", "all"):
        relearning.relearned(work, unseen, denoiser, 0, 3, scope, 2)  # type: ignore[arg-type]
        changed = {name for name, value in denoiser.unet.named_parameters() if not torch.equal(value, before[name])}
        assert changed
        assert (scope == "all") == any(not name.endswith(".ff.net.2.weight") for name in changed)
        relearning.restore(denoiser, before)
        assert all(torch.equal(value, before[name]) for name, value in denoiser.unet.named_parameters())


@pytest.mark.parametrize("wrong", [("--steps", "0"), ("--samples", "3", "0")])
def test_what_cannot_be_counted_is_refused(wrong: tuple[str, ...], capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as stopped:
        relearning.main(wrong)
    assert stopped.value.code == 2
    assert capsys.readouterr().err == f"relearning: {' '.join(wrong)}: wants positive numbers\n"
