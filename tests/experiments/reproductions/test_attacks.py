"""Attacks on fills, on a model too small for numbers: every row is there, an interrupted command goes on, and unseen images are unseen."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
import torch

from clients.diffusion.images import digits
from clients.diffusion.metrics import Budget
from clients.diffusion.spec import SMOKE, DenoiserTraining, Sampling
from clients.unlearning.pruning.concept_prune import ConceptPrune
from experiments.reproductions import attacks, attacks_parts, attacks_tables, roots_pairs
from experiments.reproductions.attacks_picture import LABELS, picture

LADDER = attacks_parts.Ladder(images=(2,), steps=(1,), benign=(1,), inversion=(1,), keep=(0.2,))


@pytest.fixture(autouse=True)
def _small(monkeypatch: pytest.MonkeyPatch) -> None:
    real = roots_pairs.Work
    few = {"eraser": ConceptPrune(calls=2), "sampling": Sampling(steps=2), "budget": Budget(target=4, others=1)}
    monkeypatch.setattr(attacks, "DIGITS", SMOKE)
    monkeypatch.setattr(attacks, "Work", lambda *what, **own: real(*what, **few, **own))
    tiny = DenoiserTraining(backbone_steps=2, concept_steps=2)
    monkeypatch.setitem(attacks.BUDGETS, "quick", (tiny, LADDER, (0,), (3,)))


@pytest.fixture(scope="session")
def finished(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder for what one undisturbed command leaves behind, filled by the first test that asks."""
    return tmp_path_factory.mktemp("attacks")


def command(folder: Path, *more: str) -> list[str]:
    return ["--budget", "quick", "--out", str(folder / "out"), "--cache", str(folder / "cache"), *more]


def lines(folder: Path) -> list[dict[str, Any]]:
    return [json.loads(line) for line in (folder / "out" / "pairs.jsonl").read_text().splitlines()]


@pytest.mark.slow
def test_every_row_is_printed_and_an_interrupted_command_goes_on(
    finished: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    real, count = attacks.measure, 0

    def measure(*arguments: Any) -> Any:
        nonlocal count
        count += 1
        if count == 3:
            raise KeyboardInterrupt
        return real(*arguments)

    with monkeypatch.context() as patch:
        patch.setattr(attacks, "measure", measure)
        with pytest.raises(SystemExit) as left:
            attacks.main(command(finished))
    assert left.value.code == 130
    assert [line["part"] for line in lines(finished)] == ["cut", "gaussian"]
    first = lines(finished)
    attacks.main(command(finished))
    said = capsys.readouterr()
    assert "denoiser from the cache; 2 of 4 to measure" in said.err
    assert lines(finished)[:2] == first
    assert [line["part"] for line in lines(finished)] == list(attacks.PARTS)
    for line in lines(finished):
        assert len(line["rows"]) == attacks_parts.length(LADDER, line["part"])
        assert line["n"] == {"target": 4, "others": 9}
        assert all(row in said.out for row in line["rows"])
    assert all(label in said.out for label in attacks_tables.FIGURES.values())
    assert "named right" in said.out
    assert (finished / "out" / "attacks.svg").read_text().rstrip().endswith("</svg>")
    again = (finished / "out" / "pairs.jsonl").read_bytes()
    attacks.main(command(finished))
    assert (finished / "out" / "pairs.jsonl").read_bytes() == again


@pytest.mark.parametrize("parts", [["cut", "gaussian", "signs"], ["signs"], ["redrawn_columns"]])
def test_the_figure_has_a_curve_for_each_fill_that_was_attacked(parts: list[str], tmp_path: Path) -> None:
    names = ("pruned", "original", "true signs, random sizes", "revived, 0.2 of signs kept", "released", "relearnt: 1 steps, 2 images")
    line = {"seed": 0, "n": {"target": 4}, "rows": {name: {"target": 0.5} for name in names}}
    picture([{**line, "part": part} for part in parts], LADDER, tmp_path / "attacks.svg")
    drawn = (tmp_path / "attacks.svg").read_text()
    for part, label in LABELS.items():
        assert (f"<!-- {label} -->" in drawn) == (part in parts)
    assert ("share of them that is kept" in drawn) == ("signs" in parts)


def test_no_training_sees_the_images_of_adversaries() -> None:
    every = digits()
    seen, unseen = attacks_parts.divided(every, 0.2)
    assert len(seen) + len(unseen) == len(every)
    assert unseen.classes.unique().tolist() == list(range(10))
    known = {bytes(one.numpy().tobytes()) for one in seen.pixels}
    assert not known & {bytes(one.numpy().tobytes()) for one in unseen.pixels}


def test_the_surrogate_is_the_original_and_the_noisy_one_is_not() -> None:
    draw = torch.Generator().manual_seed(0)
    original = {"a": torch.randn(16, 32, generator=draw)}
    noisy = attacks_parts._noisy(original, 0, 3)["a"] - original["a"]
    assert float(noisy.std() / original["a"].std()) == pytest.approx(attacks_parts.NOISE, rel=0.15)


def test_fills_are_compared_with_the_plain_cut_of_the_same_seed_and_concept() -> None:
    def line(seed: int, concept: str, part: str, share: float) -> dict[str, Any]:
        return {"seed": seed, "concept": concept, "part": part, "n": {"target": 10, "others": 10}, "target": 0, "named": 0} | {
            "rows": {"released": {"target": share, "others": 1.0}}
        }

    cuts = [(0, "3", 0.2), (0, "7", 0.8), (1, "3", 0.4), (1, "7", 0.6)]
    plain = [line(seed, concept, "cut", share) for seed, concept, share in cuts]
    filled = [line(seed, concept, "gaussian", share - 0.1) for seed, concept, share in reversed(cuts[:3])]
    found = attacks_tables.tables([*plain, *filled])
    assert [str(column.header) for column in found[2].columns] == ["", "gaussian, 3 cuts"]
    assert list(found[2].columns[1].cells) == ["-0.100 ± 0.000, p 0.25"]
    assert "less after the plain cut" not in "".join(str(table.title) for table in attacks_tables.tables(plain))


@pytest.mark.parametrize(
    ("arguments", "says"),
    [
        (["--concepts", "10"], "invalid choice: 10"),
        (["--seeds", "-1"], "--seeds -1: wants numbers from 0"),
        (["--parts", "cut", "cut"], "--parts: one is given twice"),
        (["--parts", "uncut"], "invalid choice"),
        (["--held-out", "0.9"], "--held-out 0.9: wants a share from 0.05 to 0.5"),
    ],
)
def test_bad_arguments_are_one_line(arguments: list[str], says: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as left:
        attacks.main(command(tmp_path, *arguments))
    said = capsys.readouterr()
    assert left.value.code == 2
    assert says in said.err
    assert said.err.count("\n") == 1
    assert not any(tmp_path.iterdir())
