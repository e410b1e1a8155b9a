"""Relearning after erasers, on a model too small for numbers: every row is printed, and each starts from what was released."""

from __future__ import annotations

import errno
import tempfile
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
import torch

from clients.diffusion.denoiser import build
from clients.diffusion.images import digits
from clients.diffusion.spec import SMOKE, DenoiserTraining, Sampling
from clients.unlearning.pruning.gradients import copies
from experiments.reproductions import relearning, roots_pairs
from experiments.reproductions.attacks_parts import divided
from experiments.reproductions.relearning_tables import means


@pytest.fixture(autouse=True)
def _small(monkeypatch: pytest.MonkeyPatch) -> None:
    real = roots_pairs.Work
    monkeypatch.setattr(relearning, "DIGITS", SMOKE)
    monkeypatch.setattr(relearning, "QUICK_BUDGET", DenoiserTraining(backbone_steps=2, concept_steps=2))
    monkeypatch.setattr(relearning, "Work", lambda *what, **own: real(*what, **own, sampling=Sampling(steps=2)))
    settings = {"resistant": {"steps": 1, "batch_size": 4}, "salun": {"steps": 1, "batches": 1, "batch_size": 4}}
    monkeypatch.setattr(relearning, "SETTINGS", settings)


def test_every_row_is_printed_and_an_interrupted_command_goes_on(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    how = ["--erasers", "salun", "resistant", "--concepts", "3", "--steps", "1", "--samples", "3", "1"]
    how += ["--cache", str(tmp_path / "cache"), "--out", str(tmp_path / "out")]
    real = relearning.measure

    def stopped(trial: Any, denoiser: Any, kind: str, *more: Any) -> Any:
        if kind == "resistant":
            raise KeyboardInterrupt
        return real(trial, denoiser, kind, *more)

    with monkeypatch.context() as patch:
        patch.setattr(relearning, "measure", stopped)
        with pytest.raises(SystemExit) as left:
            relearning.main(how)
    assert left.value.code == 130
    told = capsys.readouterr()
    assert told.out == ""
    assert told.err.splitlines()[-1].startswith("relearning: interrupted; what is finished is in ")
    relearning.main(how)
    told = capsys.readouterr()
    assert "denoiser from the cache; 1 of 2 to measure" in told.err
    lines = [line.split(": erased")[0] for line in told.out.splitlines()]
    rows = [f"{kind}, {row}" for kind in ("salun", "resistant") for row in ("released", "1 steps on feed_forward_out", "1 steps on all")]
    assert lines[1:7] == [f"seed 0, 3 {row}" for row in rows]
    assert lines[8:] == rows
    assert "8 images of the adversary" in lines[0]


def test_everything_that_determines_a_measurement_is_in_its_name(monkeypatch: pytest.MonkeyPatch) -> None:
    seen, unseen = divided(digits(), 0.2)
    work = relearning.Work(seen, SimpleNamespace(accuracy=1.0), SMOKE, DenoiserTraining())
    trial = relearning.Trial(work, unseen, ("all",), (1,))
    names = [trial.name(0, "salun", 3), trial.name(1, "salun", 3), trial.name(0, "resistant", 3), trial.name(0, "salun", 4)]
    names += [replace(trial, **other).name(0, "salun", 3) for other in ({"steps": (2,)}, {"scopes": ("feed_forward_out",)})]
    monkeypatch.setitem(relearning.SETTINGS, "salun", {"steps": 2})
    names.append(trial.name(0, "salun", 3))
    assert len(set(names)) == 7


def line(seed: int, kind: str, shares: dict[int, float]) -> dict[str, Any]:
    rows = [{"scope": "all", "steps": steps, "target": share, "others": 1 - share} for steps, share in shares.items()]
    return {"seed": seed, "concept": 3, "eraser": kind, "n": {"target": 10, "others": 9}, "rows": rows}


def test_who_holds_five_times_the_steps_is_told_over_seeds() -> None:
    def told(late: float) -> list[str]:
        early = enumerate((0.5, 0.52, 0.54))
        lines = [one for seed, share in early for one in (line(seed, "a", {2: share, 10: 0.9}), line(seed, "b", {2: 0.1, 10: late}))]
        return list(means(lines, ["a", "b"]))[-2:]

    assert told(0.2)[0].endswith("seen")
    assert not told(0.2)[0].endswith("not seen")
    assert told(0.52)[0].endswith("not seen")
    assert told(0.8)[0].endswith("the opposite")
    assert told(0.2)[0].startswith("b after 10 steps on all shows less than a after 2: 0.320 ± ")
    assert told(0.2)[1] == "  b less a, paired, 3 cuts: erased -0.320 ± 0.050, p 0.25; others 0.320 ± 0.050, p 0.25"


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


@pytest.mark.parametrize(
    ("wrong", "said"),
    [
        (("--steps", "0"), "--steps 0: wants positive numbers"),
        (("--samples", "3", "0"), "--samples 3 0: wants positive numbers"),
        (("--seeds", "-1"), "--seeds -1: wants numbers from 0"),
        (("--scopes", "all", "all"), "--scopes: one is given twice; name each once"),
        (("--cache", "/dev/null/x"), "--cache /dev/null/x: no folder can be there (Not a directory); name another"),
    ],
)
def test_bad_arguments_are_one_line(wrong: tuple[str, ...], said: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as stopped:
        relearning.main(["--out", str(tmp_path), *wrong])
    assert stopped.value.code == 2
    assert capsys.readouterr().err == f"relearning: {said}\n"


def test_a_folder_where_nothing_can_be_written_is_refused_before_anything_is_measured(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    def refused(dir: Path) -> None:
        raise PermissionError(errno.EACCES, "Permission denied", dir)

    monkeypatch.setattr(tempfile, "TemporaryFile", refused)
    with pytest.raises(SystemExit) as stopped:
        relearning.main(["--out", str(tmp_path), "--cache", str(tmp_path)])
    assert stopped.value.code == 2
    assert capsys.readouterr().err == f"relearning: --out {tmp_path}: nothing can be written there (Permission denied); name another\n"
