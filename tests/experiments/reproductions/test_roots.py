"""The reproduction on a model too small for numbers: it runs, goes on after any interruption with equal results, and prints every row."""

from __future__ import annotations

import json
import re
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from clients.diffusion.metrics import Budget
from clients.diffusion.spec import SMOKE, DenoiserTraining, Sampling
from clients.unlearning.pruning.concept_prune import ConceptPrune
from experiments.reproductions import roots, roots_pairs, roots_tables

ARGUMENTS = ["--seeds", "0", "--concepts", "1", "7", "--budget", "quick"]


@pytest.fixture(autouse=True)
def _small(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(roots, "DIGITS", SMOKE)
    monkeypatch.setitem(roots.BUDGETS, "quick", DenoiserTraining(backbone_steps=6, concept_steps=6))
    real = roots_pairs.Work
    few = {"eraser": ConceptPrune(calls=2), "sampling": Sampling(steps=2), "budget": Budget(target=4, others=1)}
    monkeypatch.setattr(roots, "Work", lambda *what, **own: real(*what, **few, **own))


@pytest.fixture(scope="session")
def finished(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder for what one undisturbed command leaves behind, filled by the first test that asks."""
    return tmp_path_factory.mktemp("roots")


def command(folder: Path, *more: str) -> list[str]:
    return [*ARGUMENTS, "--out", str(folder / "out"), "--cache", str(folder / "cache"), *more]


def ensure(finished: Path) -> Path:
    if not (finished / "out" / "seed0.png").is_file():
        roots.main(command(finished))
    return finished


def lines(folder: Path) -> list[dict[str, Any]]:
    """The pairs on disk, without the one thing that no two runs share."""
    pairs = [json.loads(line) for line in (folder / "out" / "pairs.jsonl").read_text().splitlines()]
    return [{key: value for key, value in pair.items() if key != "seconds"} for pair in pairs]


def interrupted_after(pairs: int, error: type[BaseException]) -> Callable[..., Any]:
    real, count = roots.measure, 0

    def measure(*arguments: Any) -> Any:
        nonlocal count
        count += 1
        if count > pairs:
            raise error
        return real(*arguments)

    return measure


def test_every_row_is_printed_and_a_second_run_has_nothing_to_do(finished: Path, capsys: pytest.CaptureFixture[str]) -> None:
    folder = ensure(finished)
    capsys.readouterr()
    before = (folder / "out" / "pairs.jsonl").read_bytes()
    roots.main(command(folder))
    said = capsys.readouterr()
    assert said.err == ""
    assert (folder / "out" / "pairs.jsonl").read_bytes() == before
    for labels in (roots_tables.ROWS, roots_tables.SINGLE, roots_tables.WHERE):
        assert all(label in said.out for label in labels.values())
    assert all(figure in said.out for figure in ("0.08", "0.54", "0.91", "> 0.70"))
    assert "training seeds 0; concepts 1, 7" in said.out
    assert re.search(r"target: n = 8, 95 % intervals over samples at most ±0\.\d{3}; others: n = 18, 95 % intervals", said.out)
    assert said.out.count("holds  ") + said.out.count("FAILS  ") == 17
    assert (folder / "out" / "seed0.png").read_bytes().startswith(b"\x89PNG")


@pytest.mark.parametrize(("line", "status"), [("holds  all", 0), ("FAILS  one of them", 1)])
def test_a_bar_that_fails_is_the_exit_status(line: str, status: int, finished: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    folder = ensure(finished)
    monkeypatch.setattr(roots, "bars", lambda summary, data: ["holds  the first", line])
    assert roots.main(command(folder)) == status


def test_the_pairs_say_what_they_are(finished: Path) -> None:
    first, second = lines(ensure(finished))
    assert (first["seed"], first["concept"], second["concept"]) == (0, 1, 7)
    assert first["rows"].keys() == roots_tables.ROWS.keys()
    assert first["rows"]["mask_oracle"] == first["rows"]["revived"]
    assert {"quantised", "relearnt"} < first["rows"].keys()
    assert first["where"]["pruned"]["location_auc"] > 0.99
    assert abs(first["where"]["defended"]["location_auc"] - 0.5) < 0.2
    assert 0 < first["density"] < 0.5


@pytest.mark.slow
def test_another_concept_takes_the_denoiser_from_the_cache(
    finished: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    shutil.copytree(ensure(finished), tmp_path, dirs_exist_ok=True)
    monkeypatch.setattr(roots_pairs, "train", interrupted_after(0, AssertionError))
    roots.main(command(tmp_path, "--concepts", "7", "2"))
    assert "denoiser from the cache; 1 of 2 to measure" in capsys.readouterr().err
    assert [pair["concept"] for pair in lines(tmp_path)] == [1, 7, 2]
    with pytest.raises(AssertionError):  # other settings are another denoiser
        roots.main(command(tmp_path, "--seeds", "5"))


@pytest.mark.slow
def test_an_interrupted_command_goes_on_and_ends_the_same(
    finished: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    folder = ensure(finished)
    capsys.readouterr()
    with monkeypatch.context() as patch:
        patch.setattr(roots, "measure", interrupted_after(1, KeyboardInterrupt))
        with pytest.raises(SystemExit) as left:
            roots.main(command(tmp_path))
    assert left.value.code == 130
    assert len(capsys.readouterr().err.splitlines()) == 3  # the seed, the first concept, the interruption
    assert lines(tmp_path) == lines(folder)[:1]
    with (tmp_path / "out" / "pairs.jsonl").open("ab") as file:
        file.write(b'{"pair": "12')  # as a kill in the middle of a line leaves it
    roots.main(command(tmp_path))
    kept, expected = (roots.Store(each / "out") for each in (tmp_path, folder))
    assert kept.finished().keys() == expected.finished().keys()
    for name, pair in kept.finished().items():
        other = expected.finished()[name]
        assert {**pair, "seconds": 0} == {**other, "seconds": 0}
        assert np.array_equal(kept.samples(pair), expected.samples(other))


def keep(store: roots.Store, pair: str, samples: np.ndarray) -> None:
    store.keep({"pair": pair}, samples)
    store.append({"pair": pair})


@pytest.mark.parametrize("damage", [b'{"pair": "12', b'{"pair": "12"\xc3}\n', b"\n\n", b"[]\n", b"{}\n"])
def test_a_damaged_line_costs_itself_alone(damage: bytes, tmp_path: Path) -> None:
    store, samples = roots.Store(tmp_path), np.zeros((6, 1, 1, 2, 2), np.uint8)
    keep(store, "a", samples)
    with store.lines.open("ab") as file:
        file.write(damage)
    keep(store, "b", samples + 1)
    assert store.finished() == {"a": {"pair": "a"}, "b": {"pair": "b"}}
    assert store.samples({"pair": "b"}).all()


def test_a_pair_without_its_samples_is_measured_again(finished: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    shutil.copytree(ensure(finished), tmp_path, dirs_exist_ok=True)
    next((tmp_path / "out" / "samples").glob("*.npy")).unlink()
    capsys.readouterr()
    roots.main(command(tmp_path))
    assert "1 of 2 to measure" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("arguments", "says"),
    [
        (["--concepts", "10"], "--concepts 10: wants numbers from 0 to 9"),
        (["--seeds", "-1"], "--seeds -1: wants numbers from 0"),
        (["--seeds", "1", "1"], "--seeds: one is given twice"),
        (["--seeds", "one"], "invalid int value"),
        (["--budget", "huge"], "invalid choice"),
        (["--data", "mnist"], "--path: give it with --data mnist"),
        (["--path", "mnist"], "--path: give it with --data mnist"),
        (["--data", "mnist", "--path", "nowhere/mnist"], "no file *images*idx3* there"),
        (["--concepts", "inverted"], "--concepts inverted: wants numbers from 0 to 9, or styles that --styles names"),
        (["--styles", "inverted"], "--styles inverted: one alone cannot be told from others"),
        (["--styles", "striped", "plain"], "invalid choice"),
        (["--unknown"], "unrecognized arguments"),
        (["--judge", "jury"], "invalid choice"),
        pytest.param(["--device", "cuda"], "no CUDA device here", marks=pytest.mark.skipif(torch.cuda.is_available(), reason="one is")),
    ],
)
def test_bad_arguments_are_one_line(arguments: list[str], says: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as left:
        roots.main(["--out", str(tmp_path / "out"), "--cache", str(tmp_path / "cache"), *arguments])
    said = capsys.readouterr()
    assert left.value.code == 2
    assert says in said.err
    assert said.err.count("\n") == 1
    assert said.out == ""
    assert not any(tmp_path.iterdir())


def test_a_file_where_a_folder_should_be_is_one_line(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (tmp_path / "out").write_text("")
    with pytest.raises(SystemExit) as left:
        roots.main(["--out", str(tmp_path / "out"), "--cache", str(tmp_path / "cache")])
    assert left.value.code == 2
    assert capsys.readouterr().err.count("\n") == 1


@pytest.mark.slow
def test_a_style_is_erased_beside_a_class_and_each_is_scored_on_the_other_axis_too(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    roots.main(command(tmp_path, "--styles", "plain", "inverted", "thick", "--concepts", "7", "inverted"))
    said = capsys.readouterr().out
    assert said.index("training seeds 0; concepts 7;") < said.index("training seeds 0; concepts inverted;")
    assert said.count("the other axis") == 2
    seven, inverted = lines(tmp_path)
    assert (seven["concept"], inverted["concept"]) == (7, "inverted")
    for row in (*seven["rows"].values(), *inverted["rows"].values()):
        assert row.keys() == {"target", "others", "cross"}
    work = roots._options(command(tmp_path, "--styles", "plain", "inverted")).work
    assert work.spec.axis(work.spec.concepts.index("inverted")) == ("style", 1)
    assert work.images.styles.unique().tolist() == [0, 1]
    assert (work.images.pixels[work.images.styles == 1][:, 0, 0, 0] == 1).all(), "an inverted digit has a bright corner"


@pytest.mark.slow
def test_denoisers_are_kept_where_the_environment_says(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("LETHE_CACHE", str(tmp_path / "elsewhere"))
    roots.main([*ARGUMENTS[:3], "1", "--budget", "quick", "--out", str(tmp_path / "out")])
    assert [file.suffix for file in (tmp_path / "elsewhere").iterdir()] == [".safetensors"]


def test_means_and_spread_are_over_seeds_and_bars_can_fail(finished: Path) -> None:
    pair = lines(ensure(finished))[0]
    good = {name: {"target": 0.95, "others": 0.95} for name in roots_tables.ROWS}
    for name in ("pruned", "random_signs", "defended", "adaptive", "redrawn"):
        good[name] = {"target": 0.2, "others": 0.9}
    quiet = {name: dict.fromkeys(roots_tables.AREAS, 0.5) for name in roots_tables.WHERE}
    holding = [{**pair, "seed": seed, "rows": good, "where": quiet} for seed in (0, 1)]
    assert not any("FAILS" in line for line in roots_tables.bars(roots_tables.Summary(holding), "digits"))
    worse = {**good, "revived": {"target": 0.3, "others": 0.95}}
    failing = roots_tables.Summary([{**holding[0], "rows": worse}, {**holding[1], "rows": worse}])
    failed = [line for line in roots_tables.bars(failing, "digits") if line.startswith("FAILS")]
    assert {line.split(" 0.")[0].split(" 1.")[0] for line in failed} == {
        "FAILS  revived: target",
        "FAILS  revived less random signs",
        "FAILS  revived less pruned, less what a random mask of equal density takes",
        "FAILS  revived over pruned",
    }
    mixed = roots_tables.Summary([holding[0], {**holding[1], "rows": worse}])
    assert mixed.text(lambda one: one["rows"]["revived"]["target"]) == "0.625 ± 4.130"
    assert roots_tables.Summary(holding[:1]).text(lambda one: one["rows"]["revived"]["target"]) == "0.950"
    assert len(roots_tables.bars(mixed, "mnist")) == 7
