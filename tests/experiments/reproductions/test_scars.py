"""Scars of erasers, on a model too small for numbers: what is zero, what was changed, and what is completed."""

from __future__ import annotations

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
from experiments.reproductions import scars
from experiments.reproductions.roots_pairs import Work
from experiments.reproductions.scars import Scar, measured, table

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
        return {kind: measured(work, images, denoiser, kind, 0, 3, (1, 1)) for kind in SETTINGS}


@pytest.mark.slow
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
    measured(work, images, denoiser, "concept_prune", 0, 3, (1, 1))
    assert all(torch.equal(value, before[name]) for name, value in denoiser.named_parameters())


def test_tables_say_where_there_is_nothing_to_complete(found: dict[str, Scar]) -> None:
    left, back = table(list(found.values()), (2, 1))
    assert list(left.columns[0].cells) == list(SETTINGS)
    assert list(back.columns[3].cells)[:3] == ["zeros", "the smallest", "none changed"]
    assert list(back.columns[2].cells)[2] == "-"
    worst = min((share, one) for one, share in found["ssd"].released.items() if one != 3)
    assert list(left.columns[3].cells)[1].startswith(f"{worst[1]}: {worst[0]:.2f} (")


def test_the_command_prints_both_tables(
    tmp_path: Path, work: Work, denoiser: Denoiser, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    learned = SimpleNamespace(learned=lambda images: work.judge)
    monkeypatch.setattr(scars, "JUDGES", SimpleNamespace(load=lambda kind: lambda: learned))
    monkeypatch.setattr(scars, "Work", lambda *_, **__: work)
    monkeypatch.setattr(scars, "trained", lambda *_: (denoiser, True))
    scars.main(["--erasers", "uce", "--concepts", "3", "--steps", "1", "1", "--samples", "2", "1", "--cache", str(tmp_path)])
    out = capsys.readouterr().out
    assert "what is released" in out
    assert "none changed" in out
    with pytest.raises(SystemExit):
        scars.main(["--steps", "0", "1"])
    assert capsys.readouterr().err == "scars: --steps 0 1: wants positive numbers\n"
