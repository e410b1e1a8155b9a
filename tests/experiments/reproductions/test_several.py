"""Several concepts cut from one denoiser, on a model too small for numbers: unions, order, and what is printed."""

from __future__ import annotations

from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
import torch

from clients.diffusion.denoiser import Denoiser, build
from clients.diffusion.images import digits
from clients.diffusion.judges.svm import SvmJudge
from clients.diffusion.metrics import Budget
from clients.diffusion.spec import SMOKE, DenoiserTraining, Sampling
from clients.unlearning.pruning.concept_prune import ConceptPrune
from clients.unlearning.pruning.layers import feed_forward_weights, set_feed_forward_weights
from experiments.reproductions import several
from experiments.reproductions.lines import Lines
from experiments.reproductions.roots_pairs import Work, masks_of, trained
from experiments.reproductions.several import AT_ONCE, IN_TURN, WHOLE, Cut, cuts, masks, measured, pruned, read, study


@pytest.fixture(scope="module")
def work() -> Work:
    how = {"sampling": Sampling(steps=2), "eraser": ConceptPrune(calls=2), "budget": Budget(2, 2)}
    every = digits()
    return Work(every, SvmJudge(every.select(torch.arange(300))), SMOKE, DenoiserTraining(backbone_steps=2, concept_steps=2), **how)


@pytest.fixture(scope="module")
def denoiser() -> Denoiser:
    return build(SMOKE.model_copy(update={"feed_forward_std": None}), ("several",))


def test_at_once_is_the_union_and_in_turn_each_is_made_on_what_is_left(work: Work, denoiser: Denoiser) -> None:
    original = feed_forward_weights(denoiser.unet)
    asked = cuts((3, 7))
    assert asked == [Cut(WHOLE, ()), Cut(AT_ONCE, (3,)), Cut(AT_ONCE, (3, 7)), Cut(IN_TURN, (3, 7))]
    found = {(cut.how, cut.concepts): masks(work, denoiser, 0, cut) for cut in asked}
    three, seven = (masks_of(work, denoiser, 0, concept) for concept in (3, 7))
    set_feed_forward_weights(denoiser.unet, pruned(original, three))
    later = masks_of(work, denoiser, 0, 7)
    set_feed_forward_weights(denoiser.unet, original)
    for layer in original:
        assert torch.equal(found[AT_ONCE, (3,)][layer], three[layer])
        assert torch.equal(found[AT_ONCE, (3, 7)][layer], three[layer] | seven[layer])
        assert torch.equal(found[IN_TURN, (3, 7)][layer], three[layer] | later[layer])
    assert any(not torch.equal(seven[layer], later[layer]) for layer in original), "the control: the first cut matters to the second"
    assert any(not torch.equal(seven[layer], three[layer]) for layer in original), "the control: they are cut in other places"


def test_every_cut_is_revived_and_the_denoiser_stays_as_it_was(work: Work, denoiser: Denoiser) -> None:
    original = feed_forward_weights(denoiser.unet)
    rows = [measured(work, denoiser, 0, cut, lambda _: None) for cut in cuts((3, 7))]
    assert [(row.how, row.concepts) for row in rows] == [(WHOLE, ()), (AT_ONCE, (3,)), (AT_ONCE, (3, 7)), (IN_TURN, (3, 7))]
    assert 0 == rows[0].density < rows[1].density < min(rows[2].density, rows[3].density)
    assert all(set(shares) == set(range(10)) for row in rows for shares in (row.released, row.revived))
    assert all(torch.equal(weight, original[layer]) for layer, weight in feed_forward_weights(denoiser.unet).items())


def test_means_are_over_the_erased_and_over_the_others_alone() -> None:
    shares = {number: number / 10 for number in range(10)}
    erased, others, worst = several._cells(shares, (0, 9), 20)
    assert erased.startswith("0.45 (")
    assert others.startswith("0.45 (")
    assert worst.startswith("1: 0.10 (")
    assert several._cells(shares, (), 20)[0] == "-"


def test_the_command_goes_on_and_prints_a_row_for_each_cut(
    tmp_path: Path, work: Work, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    learned = SimpleNamespace(learned=lambda images: work.judge)
    monkeypatch.setattr(several, "JUDGES", SimpleNamespace(load=lambda kind: lambda: learned))
    monkeypatch.setattr(several, "Work", lambda *_, **__: work)
    how = ["--concepts", "3", "7", "--samples", "2", "--cache", str(tmp_path), "--out", str(tmp_path)]

    def stopped(work: Work, denoiser: Denoiser, seed: int, cut: Cut, advance: Any) -> several.Shares:
        if cut.how == IN_TURN:
            raise KeyboardInterrupt
        return measured(work, denoiser, seed, cut, advance)

    with monkeypatch.context() as patch:
        patch.setattr(several, "measured", stopped)
        with pytest.raises(SystemExit) as left:
            several.main(how)
    assert left.value.code == 130
    assert "several: interrupted; what is finished is in " in capsys.readouterr().err
    several.main(how)
    told = capsys.readouterr()
    assert "1 of 4 to measure\nseed 0, 3 7 one after another: measured (1 of 1)" in told.err
    assert "2 of each class" in told.out
    assert sum(line.split()[1:3] == ["one", "after"] for line in told.out.splitlines()) == 1
    (line,) = study(work).lines([0], [Cut(AT_ONCE, (3,))], Lines(tmp_path), tmp_path)
    fresh = measured(work, trained(work, 0, tmp_path)[0], 0, Cut(AT_ONCE, (3,)), lambda _: None)
    assert read(line) == fresh, "what is stored is read as it was measured"


@pytest.mark.parametrize("wrong", [("--samples", "0"), ("--concepts", "3", "3"), ("--seed", "-1"), ("--cache", "/dev/null/x")])
def test_what_cannot_be_is_refused(wrong: tuple[str, ...], tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as stopped:
        several.main(["--out", str(tmp_path), *wrong])
    assert stopped.value.code == 2
    assert capsys.readouterr().err.startswith(f"several: {' '.join(wrong)}: ")
