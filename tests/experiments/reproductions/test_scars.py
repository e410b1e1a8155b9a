"""Scars of erasers, on a model too small for numbers: what is zero, what was changed, and what is completed."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace

import pytest
import torch

from clients.diffusion.denoiser import Denoiser, build
from clients.diffusion.images import Images, digits
from clients.diffusion.judges.svm import SvmJudge
from clients.diffusion.metrics import Budget
from clients.diffusion.spec import SMOKE, DenoiserTraining, Sampling
from clients.unlearning.pruning import ERASERS
from clients.unlearning.pruning.concept_prune import ConceptPrune
from clients.unlearning.pruning.gradients import copies
from experiments.reproductions import scars, studies
from experiments.reproductions.intervals import text
from experiments.reproductions.lines import Lines
from experiments.reproductions.roots_pairs import Work
from experiments.reproductions.scars import Trial, measured, read, study
from experiments.reproductions.scars_tables import Scar, tables

pytestmark = pytest.mark.slow

SETTINGS = {
    "concept_prune": {"calls": 2},
    "ssd": {"batches": 2, "batch_size": 2, "scope": "feed_forward_out"},
    "uce": {},
    "resistant": {"steps": 1, "batch_size": 2, "relearning": 1},
}


@pytest.fixture(scope="module")
def images() -> Images:
    return digits()


@pytest.fixture(scope="module")
def work(images: Images) -> Work:
    how = {"sampling": Sampling(steps=2), "eraser": ConceptPrune(calls=2), "budget": Budget(2, 1)}
    few = SvmJudge(images.select(torch.arange(300)))
    return Work(images, few, SMOKE, DenoiserTraining(backbone_steps=2, concept_steps=2), **how)


@pytest.fixture(scope="module")
def denoiser() -> Denoiser:
    return build(SMOKE.model_copy(update={"feed_forward_std": None}), ("scars",))


@pytest.fixture(autouse=True)
def _few_steps(monkeypatch: pytest.MonkeyPatch) -> None:
    real = ERASERS.load
    monkeypatch.setattr(scars, "ERASERS", SimpleNamespace(load=lambda kind: lambda: real(kind)(**SETTINGS[kind]), targets=ERASERS.targets))


@pytest.fixture(scope="module")
def found(work: Work, denoiser: Denoiser, images: Images) -> dict[str, Scar]:
    with pytest.MonkeyPatch.context() as patch:
        real = ERASERS.load
        patch.setattr(scars, "ERASERS", SimpleNamespace(load=lambda kind: lambda: real(kind)(**SETTINGS[kind])))
        trial = Trial(work, images, (1, 1))
        return {kind: measured(trial, denoiser, kind, 0, 3, lambda _: None) for kind in SETTINGS}


def test_scars_are_what_erasers_leave(found: dict[str, Scar]) -> None:
    cut, dampened, edited, trained = (found[kind] for kind in SETTINGS)
    assert cut.zeros == cut.changed > 0, "a cut changes what it cuts, and nothing else"
    assert not cut.elsewhere
    assert dampened.zeros == 0 < dampened.changed < 1
    assert (edited.zeros, edited.changed, edited.elsewhere) == (0, 0, True)
    assert trained.changed > 0.9
    assert trained.elsewhere
    assert all(scar.completed is not None for scar in (cut, dampened))
    assert edited.completed is None, "nothing was changed that could be completed"
    for scar in found.values():
        assert all(set(each) == set(range(10)) for each in (scar.released, scar.relearned, scar.embedding))


def test_the_denoiser_stays_as_it_was(work: Work, denoiser: Denoiser, images: Images) -> None:
    before = copies(dict(denoiser.named_parameters()))
    for kind in ("concept_prune", "uce"):
        done: list[int] = []
        measured(Trial(work, images, (1, 1)), denoiser, kind, 0, 3, done.append)
        assert sum(done) == len(scars.PARTS), "progress ends where there is nothing to complete as well"
    assert all(torch.equal(value, before[name]) for name, value in denoiser.named_parameters())


def test_tables_say_where_there_is_nothing_to_complete(found: dict[str, Scar]) -> None:
    left, back = tables(list(found.values()), (2, 1))
    assert list(left.columns[0].cells) == list(SETTINGS)
    assert list(back.columns[5].cells)[:3] == ["zeros", "the smallest", "none changed"]
    assert list(back.columns[2].cells)[2] == "-"
    worst = min((share, one) for one, share in found["ssd"].released.items() if one != 3)
    assert list(left.columns[3].cells)[1].startswith(f"{worst[1]}: {worst[0]:.2f} (")


def test_seeds_are_pooled_and_their_range_is_told(found: dict[str, Scar]) -> None:
    none, all_of_it = (replace(found["uce"], seed=seed, released=dict.fromkeys(range(10), share)) for seed, share in enumerate((0.0, 1.0)))
    left, back, apart = tables([none, all_of_it], (2, 1))
    assert list(left.columns[1].cells) == list(back.columns[1].cells) == [text(0.5, 4)]
    assert list(left.columns[2].cells) == [text(0.5, 18)]
    assert list(apart.columns[1].cells) == ["0.00 to 1.00"]
    assert list(apart.columns[-1].cells) == ["-"], "nothing was completed"


def test_what_completion_adds_is_told_cut_by_cut(found: dict[str, Scar]) -> None:
    def scar(seed: int, before: float, after: float) -> Scar:
        return replace(found["ssd"], seed=seed, released=dict.fromkeys(range(10), before), completed=dict.fromkeys(range(10), after))

    *_, apart = tables([scar(0, 0.1, 0.6), scar(1, 0.5, 0.7)], (2, 1))
    assert list(apart.columns[2].cells) == ["0.60 to 0.70"]
    assert list(apart.columns[-1].cells) == ["0.20 to 0.50"]


@pytest.fixture
def trained_once(work: Work, denoiser: Denoiser, monkeypatch: pytest.MonkeyPatch) -> list[int]:
    """Hand in the small denoiser; returns the seeds for which it was asked."""
    asked = list[int]()
    learned = SimpleNamespace(learned=lambda images: work.judge)
    monkeypatch.setattr(scars, "JUDGES", SimpleNamespace(load=lambda kind: lambda: learned))
    monkeypatch.setattr(scars, "Work", lambda *_, **__: work)
    monkeypatch.setattr(studies, "trained", lambda _, seed, *__: (asked.append(seed), (denoiser, True))[1])
    return asked


def test_finished_scars_are_not_measured_again(tmp_path: Path, work: Work, images: Images, trained_once: list[int]) -> None:
    things, folders = [("uce", 3)], (Lines(tmp_path), tmp_path)
    trial = study(Trial(work, images, (1, 1)))
    first = trial.lines([0], things, *folders)
    both = trial.lines([0, 1], things, *folders)
    assert trained_once == [0, 1], "seed 0 was finished"
    assert read(both[0]) == read(first[0]), "what is stored is read as it was measured"
    assert [line["seed"] for line in both] == [0, 1]
    longer = study(Trial(work, images, (2, 1))).lines([0], things, *folders)
    assert trained_once == [0, 1, 0], "other steps are another measurement"
    assert longer[0]["seed"] == 0


def test_the_command_prints_all_tables(tmp_path: Path, trained_once: list[int], capsys: pytest.CaptureFixture[str]) -> None:
    few = ["--erasers", "uce", "--concepts", "3", "--steps", "1", "1", "--samples", "2", "1"]
    scars.main([*few, "--seeds", "0", "--cache", str(tmp_path), "--out", str(tmp_path)])
    out = capsys.readouterr().out
    assert "what is released" in out
    assert "none changed" in out
    for wrong, said in (
        (["--steps", "0", "1"], "--steps 0 1: wants positive numbers"),
        (["--seeds", "-1"], "--seeds -1: wants numbers from 0"),
        (["--seeds", "1", "1"], "--seeds: one is given twice; name each once"),
    ):
        with pytest.raises(SystemExit):
            scars.main(wrong)
        assert capsys.readouterr().err == f"scars: {said}\n"
