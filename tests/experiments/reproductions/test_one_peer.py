"""What one peer may cut, on a model too small for numbers: what is cut, what the budget allows, and what the table tells."""

from __future__ import annotations

from functools import partial
from pathlib import Path

import pytest
import torch

from clients.diffusion.denoiser import build
from clients.diffusion.images import digits
from clients.diffusion.judges.svm import SvmJudge
from clients.diffusion.spec import SMOKE, DenoiserTraining, Sampling
from clients.unlearning.pruning.concept_prune import ConceptPrune
from clients.unlearning.pruning.layers import feed_forward_weights
from experiments.reproductions import one_peer
from experiments.reproductions.lines import Lines
from experiments.reproductions.roots_pairs import Work
from experiments.reproductions.studies import Study


@pytest.fixture(scope="module")
def work() -> Work:
    images = digits().select(torch.arange(300))
    how = {"sampling": Sampling(steps=2), "eraser": ConceptPrune(calls=2)}
    return Work(images, SvmJudge(images), SMOKE, DenoiserTraining(backbone_steps=2, concept_steps=2), **how)


def test_who_means_harm_cuts_the_largest_and_the_budget_refuses_above_its_share(work: Work) -> None:
    denoiser = build(SMOKE.model_copy(update={"feed_forward_std": None}), ("one", "peer"))
    weights = feed_forward_weights(denoiser.unet)
    masks = one_peer.masks(work, denoiser, 0, (one_peer.LARGEST, 0.25))
    assert masks.keys() == weights.keys()
    for layer, mask in masks.items():
        assert float(mask.double().mean()) == pytest.approx(0.25, abs=0.01)
        assert weights[layer][mask].abs().min() >= weights[layer][~mask].abs().max()


def test_a_cut_that_was_measured_under_another_default_budget_is_measured_again(work: Work, monkeypatch: pytest.MonkeyPatch) -> None:
    before = one_peer.name(work, 0, (one_peer.LARGEST, 0.3))
    assert one_peer.name(work, 0, (one_peer.LARGEST, 0.3)) == before
    monkeypatch.setattr(one_peer, "UnionZero", partial(one_peer.UnionZero, budget=0.2))
    assert one_peer.name(work, 0, (one_peer.LARGEST, 0.3)) != before


def test_the_table_pools_samples_and_counts_seeds() -> None:
    line = {"n": 300, "worst": 0.5, "entries": 0.3, "squares": 0.6, "cut": one_peer.said(("largest", 0.3))}
    cuts = [{**line, "seed": seed, "kept": 0.2 + 0.2 * seed, "allowed": seed == 0} for seed in (0, 1)]
    drawn = one_peer.table([*cuts, cuts[0] | {"cut": one_peer.said(("concepts", (0, 1)))}])
    first = [next(iter(column.cells)) for column in drawn.columns]
    assert first[:3] == ["the largest 0.3 of every layer", "0.30 ± 0.00", "0.60 ± 0.00"]
    assert first[3:] == ["0.30 (0.26-0.34)", "600", "0.50 ± 0.00", "allows 1 of 2"]
    assert list(drawn.columns[0].cells)[1] == "concepts 0, 1"


def test_one_concept_is_kept(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as left:
        one_peer.main(["--concepts", *map(str, range(10))])
    assert left.value.code == 2
    assert capsys.readouterr().err == "one_peer: --concepts 0 1 2 3 4 5 6 7 8 9: name up to nine, so that one is kept\n"


@pytest.mark.slow
def test_concepts_of_one_peer_are_cut_for_all_and_not_counted_as_kept(
    work: Work, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(one_peer, "SAMPLES", 1)
    (tmp_path / "out").mkdir()
    study = Study("one_peer", work, partial(one_peer.name, work), partial(one_peer.measure, work), lambda _: 1)
    cuts = [("nothing", ()), ("concepts", (0,)), ("concepts", (0, 3)), ("largest", 1.0)]
    nothing, one, two, all_of_it = study.lines([0], cuts, Lines(tmp_path / "out"), tmp_path / "cache")
    for most in ("entries", "squares"):
        assert (nothing[most], all_of_it[most]) == (0.0, 1.0)
        assert 0 < one[most] <= two[most] < 1
    assert [line["n"] for line in (nothing, one, two, all_of_it)] == [10, 9, 8, 10]
    assert (nothing["allowed"], all_of_it["allowed"]) == (True, False)
    assert study.lines([0], cuts, Lines(tmp_path / "out"), tmp_path / "cache") == [nothing, one, two, all_of_it]
