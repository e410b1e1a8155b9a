"""Levels of a fill, and models that never learned a concept, on models too small for numbers: what is compared, stored and told."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest
import torch

from clients.diffusion.denoiser import Denoiser, build
from clients.diffusion.images import digits
from clients.diffusion.judges.svm import SvmJudge
from clients.diffusion.metrics import Budget
from clients.diffusion.spec import SMOKE, DenoiserTraining, Sampling
from clients.unlearning.pruning.concept_prune import ConceptPrune
from experiments.reproductions import noise, retrained
from experiments.reproductions.lines import Lines
from experiments.reproductions.noise_tables import edges, table
from experiments.reproductions.retrained_tables import HOWS, ratios
from experiments.reproductions.roots_pairs import Work

LEVELS = (0.0, 1.0)


@pytest.fixture(scope="module")
def work() -> Work:
    images = digits().select(torch.arange(300))
    how = {"sampling": Sampling(steps=2), "eraser": ConceptPrune(calls=2), "budget": Budget(2, 1)}
    return Work(images, SvmJudge(images), SMOKE, DenoiserTraining(backbone_steps=2, concept_steps=2), **how)


def line(seed: int, areas: tuple[float, ...], others: tuple[float, ...]) -> dict[str, Any]:
    drawn = [{"filled": {"target": 0.2, "others": own}, "attacked": {"target": 0.5, "others": own}} for own in others]
    levels = [{"level": float(i), "entries": area, "columns": 0.9, "hits": area, **drawn[i]} for i, area in enumerate(areas)]
    return {"seed": seed, "concept": 3, "n": {"target": 60, "others": 90}, "share": 0.16, "levels": levels}


def test_edges_are_where_areas_come_near_chance_and_where_others_surely_fall() -> None:
    lines = [line(seed, (0.9, 0.52, 0.3), (0.9, 0.9 + 0.01 * seed, 0.5 + 0.01 * seed)) for seed in range(3)]
    hidden, ruined = edges(lines)
    assert hidden.endswith("at levels 1"), "an area below one half tells as much as its complement"
    assert ruined.endswith("from level 2 on")
    dip = [line(seed, (0.9, 0.52, 0.3), (0.9, 0.8 + 0.01 * seed, 0.9)) for seed in range(3)]
    assert edges(dip)[1].endswith("at no level, as far as these seeds tell"), "a quieter level that is worse by chance is no edge"
    assert edges(lines[:1])[1].endswith("at no level, as far as these seeds tell")
    drawn = table(lines)
    assert list(drawn.columns[-1].cells) == ["1.00", "0.16", "0.09"], "re-pruning a fill as loud as the rest hits by chance"


def test_seconds_are_compared_within_each_seed() -> None:
    rows = {how: {"target": 0.1, "others": 0.9, "seconds": 100.0} for how in HOWS}
    lines = [{"seed": seed, "rows": {**rows, "pruned": {"seconds": 1.0 + seed}}} for seed in range(2)]
    assert "phase 2 without it: 75 ± " in ratios(lines)[0]
    assert ratios(lines[:1])[0].endswith("phase 2 without it: 100 times")


@pytest.mark.parametrize("command", [noise, retrained])
def test_bad_arguments_are_one_line(command: ModuleType, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as left:
        command.main(["--seeds", "1", "1", "--out", str(tmp_path / "out"), "--cache", str(tmp_path / "cache")])
    assert left.value.code == 2
    assert capsys.readouterr().err == f"{command.__name__.rpartition('.')[2]}: --seeds: one is given twice; name each once\n"
    assert not any(tmp_path.iterdir())


@pytest.mark.slow
def test_a_level_of_zero_is_the_plain_cut_and_the_model_stays(work: Work) -> None:
    denoiser = build(SMOKE.model_copy(update={"feed_forward_std": None}), ("noise",))
    before = [parameter.clone() for parameter in denoiser.parameters()]
    steps: list[int] = []
    found = noise.measure(work, LEVELS, denoiser, 0, 3, steps.append)
    plain, loud = found["levels"]
    assert (plain["level"], plain["entries"]) == (0.0, pytest.approx(1.0)), "zeros are smaller than all others"
    assert loud["entries"] == pytest.approx(0.5, abs=0.1)
    assert plain["hits"] == 1
    assert loud["hits"] == pytest.approx(found["share"], abs=0.1)
    assert len(steps) == 2 * len(LEVELS)
    assert all(torch.equal(a, b) for a, b in zip(before, denoiser.parameters(), strict=True))


@pytest.mark.slow
def test_what_never_learned_is_what_training_without_the_class_gives(work: Work, tmp_path: Path) -> None:
    (found,) = retrained.study(work).lines([0], [3], Lines(tmp_path), tmp_path)
    assert list(found["rows"]) == list(HOWS)
    assert retrained.study(work).lines([0], [3], Lines(tmp_path), tmp_path) == [found], "the second time from the folder"
    without = work.images.select(work.images.classes != 3)

    def same(a: Denoiser, b: Denoiser) -> bool:
        return all(torch.equal(p, q) for p, q in zip(a.parameters(), b.parameters(), strict=True))

    (seen, phase_two), (blind, both) = (retrained.never(work, 0, backbone, without) for backbone in (work.images, without))
    assert both >= 0 < phase_two
    assert not same(seen, blind), "the control: backbones differ by the images of the concept"
    whole, _ = retrained.never(replace(work, images=without), 0, without, without)
    assert same(blind, whole), "the concept's images are of no account"
