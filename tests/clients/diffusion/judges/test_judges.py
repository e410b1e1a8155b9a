"""Judges by kind: the default is what it was, the network learns, is kept, and says how well it knows real images."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch

from clients.diffusion.images import Images, digits
from clients.diffusion.judges import cnn
from clients.diffusion.judges.spec import JUDGES, Cnn, Svm, doubt
from clients.diffusion.judges.svm import SvmJudge
from clients.streams import bottom

QUICK = Cnn(widths=(16, 32), steps=160, batch_size=32, lr=0.05)


@pytest.fixture(autouse=True)
def cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("LETHE_CACHE", str(tmp_path))
    return tmp_path


@pytest.fixture(scope="module")
def images() -> Images:
    return digits().select(torch.arange(600))


def test_the_default_is_the_machine_that_it_was(images: Images) -> None:
    chosen = images.select(torch.tensor(sorted(bottom(300, range(600), "judge"))))
    before, now = SvmJudge(chosen, gamma=0.001), Svm().learned(images, most=300)
    assert now.accuracy == before.accuracy
    assert (now.features(images.pixels[:20]) == before.features(images.pixels[:20])).all()
    assert JUDGES.load("svm")() == Svm()


def test_the_network_learns_and_is_kept(images: Images, cache: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    first = QUICK.learned(images)
    assert first.accuracy > 0.5, "chance is 0.1"
    assert len(list(cache.iterdir())) == 1
    assert first.features(images.pixels[:5]).shape == (5, 32)
    monkeypatch.setattr(cnn, "_train", lambda *_, **__: pytest.fail("it was kept"))
    again = QUICK.learned(images)
    assert again.accuracy == first.accuracy
    assert (again.predict(images.pixels) == first.predict(images.pixels)).all()


def test_what_is_held_out_is_not_learned_from(images: Images) -> None:
    spoiled = Images(images.pixels, (images.classes + 1) % 10)
    fit, test = cnn._split(images, 0.2)
    assert len(fit) + len(test) == len(images)
    assert torch.bincount(test.classes, minlength=10).min() >= 1
    assert not (test.pixels[:, None] == fit.pixels[None]).flatten(2).all(2).any()
    untaught = QUICK.model_copy(update={"steps": 1}).learned(spoiled)
    assert untaught.accuracy < 0.5, "the accuracy is measured, not promised"


def test_styles_are_told_apart(images: Images) -> None:
    judge = QUICK.model_copy(update={"steps": 40}).learned(images, styles=("plain", "inverted"), axis="style")
    assert judge.accuracy > 0.9
    assert set(judge.predict(-images.pixels[:50]).tolist()) == {1}


def test_a_poor_judge_is_doubted() -> None:
    assert doubt(0.8) is None
    assert "37%" in str(doubt(0.37))
