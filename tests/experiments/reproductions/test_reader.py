"""The trained reader on models too small for numbers: what is told, stored, and refused."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from clients.diffusion.images import digits
from clients.diffusion.metrics import Budget
from clients.diffusion.spec import SMOKE, DenoiserTraining, Sampling
from clients.unlearning.pruning.concept_prune import ConceptPrune
from experiments.reproductions import reader, roots_pairs
from experiments.reproductions.reader_tables import table


@pytest.fixture(autouse=True)
def _small(monkeypatch: pytest.MonkeyPatch) -> None:
    real = roots_pairs.Work
    for budget in ("QUICK_BUDGET", "FULL_BUDGET"):
        monkeypatch.setattr(reader, budget, DenoiserTraining(backbone_steps=6, concept_steps=6))
    monkeypatch.setattr(reader, "DIGITS", SMOKE)
    small = {"eraser": ConceptPrune(calls=2), "sampling": Sampling(steps=2), "budget": Budget(target=4, others=1)}
    monkeypatch.setattr(reader, "Work", lambda *what: replace(real(*what), **small))


@pytest.mark.slow
def test_a_plain_cut_shows_its_columns_did_not_show_before_and_an_interrupted_command_goes_on(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    how = ["--own", "1", "--seeds", "0", "--concepts", "1", "7", "--fills", "gaussian", "--cache", str(tmp_path), "--out", str(tmp_path)]
    real, count = reader.measure, 0

    def stopped(*arguments: Any, **named: Any) -> Any:
        nonlocal count
        count += 1
        if count == 4:
            raise KeyboardInterrupt
        return real(*arguments, **named)

    with monkeypatch.context() as patch:
        patch.setattr(reader, "measure", stopped)
        with pytest.raises(SystemExit) as left:
            reader.main(how)
    assert left.value.code == 130
    assert "reader: interrupted; what is finished is in " in capsys.readouterr().err
    reader.main(how)
    told = capsys.readouterr()
    assert "denoiser from the cache; 3 of 6 to measure" in told.err
    cells = [line.replace("│", " ").split() for line in told.out.splitlines() if "│" in line]
    areas = {(cell[0], cell[1]): float(cell[3]) for cell in cells}
    assert [len(cell) for cell in cells] == [8, 8, 12, 12, 12, 12]
    assert areas.keys() == {(release, model) for release in ("original", "pruned", "gaussian") for model in ("own", "released")}
    for model in ("own", "released"):
        assert areas["pruned", model] > 0.9
        assert 0.3 < areas["original", model] < 0.7
    assert len(list(tmp_path.glob("*.safetensors"))) == 2
    reader.main(how)
    again = capsys.readouterr()
    assert (again.out, again.err) == (told.out, "")


def test_what_the_reader_learns_from_is_in_the_name_of_what_it_finds() -> None:
    work, own = (reader.Work(digits(), SimpleNamespace(accuracy=1.0), SMOKE, DenoiserTraining(backbone_steps=n)) for n in (1, 2))
    trial = reader.Trial(work, own, 1, ("own",))
    names = [trial.name(0, release) for release in (("pruned", 1), ("gaussian", 1), ("decoys", 1), ("gaussian", 7))]
    names += [replace(trial, **other).name(0, ("gaussian", 1)) for other in ({"seed": 2}, {"examples": ("released",)}, {"own": work})]
    assert len(set(names)) == 7


def test_areas_have_intervals_over_seeds_and_one_seed_has_none() -> None:
    def areas(*found: tuple[int, float]) -> list[str]:
        lines = [{"seed": seed, "release": "original", "areas": {"own": area}, "rows": {}} for seed, area in found]
        return list(table(lines).columns[2].cells)

    assert areas((0, 0.5), (0, 0.6), (1, 0.6), (1, 0.7)) == ["0.600 ± 0.635"], "t(1) = 12.706 times the standard error of two means"
    assert areas((0, 0.5), (0, 0.6)) == ["0.550"]


@pytest.mark.parametrize(
    ("wrong", "said"),
    [
        (["--own", "2", "--seeds", "2"], "--own 2: is among the seeds that are read; name another"),
        (["--own", "-1"], "--own -1: wants a number from 0"),
        (["--seeds", "-1"], "--seeds -1: wants numbers from 0"),
        (["--concepts", "3", "3"], "--concepts: one is given twice; name each once"),
        (["--examples", "own", "own"], "--examples: one is given twice; name each once"),
        (["--cache", "/dev/null/x"], "--cache /dev/null/x: no folder can be there (Not a directory); name another"),
    ],
)
def test_bad_arguments_are_one_line(wrong: list[str], said: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as left:
        reader.main(["--out", str(tmp_path), *wrong])
    assert left.value.code == 2
    assert capsys.readouterr().err == f"reader: {said}\n"
