"""The reproduction of spiking networks: its metrics, its verdicts, and, slowly, the whole of it on few rows."""

from __future__ import annotations

import numpy as np
import pytest

from clients.data.bundled import Digits
from experiments.reproductions import spiking
from experiments.reproductions.spiking_tables import PRUNED, findings, metrics, of_revival, revived


def test_metrics_are_means_over_classes() -> None:
    found = metrics(np.array([0, 0, 1, 1, 2]), np.array([0, 1, 1, 1, 1]))
    assert found["accuracy"] == pytest.approx(3 / 5)
    assert found["precision"] == pytest.approx((1 + 2 / 4 + 0) / 3), "a class never predicted counts as 0"
    assert found["recall"] == pytest.approx((1 / 2 + 1 + 0) / 3)
    assert found["F1"] == pytest.approx((2 / 3 + 2 / 3 + 0) / 3)


def moved(original: list[float], after: list[float], repaired: list[float]) -> list[dict[str, dict[str, float]]]:
    names = ("accuracy", "precision", "recall", "F1")
    lines = [dict(zip(("original", "10%", "repaired"), one, strict=True)) for one in zip(original, after, repaired, strict=True)]
    return [{line: dict.fromkeys(names, value) for line, value in one.items()} for one in lines]


def test_a_finding_is_seen_only_where_the_whole_interval_says_so() -> None:
    clear = moved([0.9, 0.91, 0.9], [0.7, 0.72, 0.7], [0.88, 0.9, 0.89])
    unclear = moved([0.8, 0.8, 0.8], [0.9, 0.6, 0.8], [0.8, 0.8, 0.8])
    trends = {"digits": [0.9, 0.8, 0.9], "activities": [-0.9, -0.8, -0.9]}
    told = list(findings({"digits": clear, "activities": unclear}, trends, "10%"))
    verdicts = {line.split(": ")[0] + line.split(": ")[1].split(",")[0]: line.rsplit(", ", 1)[1] for line in told}
    assert verdicts["1. digitsaccuracy falls"] == "seen"
    assert verdicts["1. activitiesaccuracy falls"] == "not seen"
    assert verdicts["2. activitiesaccuracy falls more than on digits"] == "not seen"
    assert verdicts["3. digitsby more than half of what fell"] == "seen"
    assert [line.rsplit(", ", 1)[1] for line in told if line.startswith("4.")] == ["seen", "the opposite"]


@pytest.mark.parametrize(
    ("after", "verdict"),
    [
        ([0.7, 0.72, 0.7], ": 0.093 ± 0.014, seen"),
        ([0.9, 0.72, 0.7], " (nothing fell in 1 of 3 seeds): 0.090 ± 0.000, seen"),
        ([0.9, 0.92, 0.7], " (nothing fell in 2 of 3 seeds): too few for an interval, not seen"),
        ([0.9, 0.92, 0.9], " (nothing fell in 3 of 3 seeds): too few for an interval, not seen"),
    ],
)
def test_a_seed_in_which_nothing_fell_is_not_seen_to_recover(after: list[float], verdict: str) -> None:
    found = moved([0.9, 0.9, 0.9], after, [0.9, 0.9, 0.89])
    told = findings({"digits": found, "activities": found}, {}, "10%")
    assert f"3. digits: by more than half of what fell{verdict}" in list(told)


@pytest.mark.parametrize(
    ("wrong", "said"),
    [(["--seeds", "1"], "--seeds 1: an interval needs at least 2"), (["--mnist", "/nowhere"], "--mnist /nowhere: ")],
)
def test_bad_arguments_are_one_line_before_anything_is_measured(wrong: list[str], said: str, capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as caught:
        spiking.main(wrong)
    assert caught.value.code == 2
    (line,) = capsys.readouterr().err.splitlines()
    assert line.startswith(f"spiking: {said}")


def more(quantile: float) -> tuple[str, str]:
    return f"{quantile}: filled, revived", f"{quantile}: filled, mask known"


def test_pruned_synapses_meet_the_attack_and_its_controls(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(spiking, "EPOCHS", 3)
    found = revived(spiking.trial("digits", Digits(rows=650), 3, 0))
    names = ("revived", "random signs", "true signs")
    lines = [(f"pruned above {q}", *(f"{q}: {name}" for name in names), f"filled above {q}", *more(q)) for q in PRUNED]
    assert list(found) == ["original", *(name for line in lines for name in line)]
    assert all(0 <= part <= 1 for line in found.values() for part in line)
    assert len(found["0.5: revived"]) == 3, "the share of right signs comes last"
    assert found["0.5: true signs"] != found["pruned above 0.5"], "refilled weights are used, and no mask hides them"
    for q in PRUNED:
        assert found[f"{q}: filled, revived"] == found[f"filled above {q}"], "no zero tells what was cut, and the attack finds nothing"
        assert len(found[f"{q}: filled, mask known"]) == 3
    assert of_revival("digits", [found, found]).row_count == len(found)


@pytest.mark.slow
def test_every_table_and_finding_is_told(capsys: pytest.CaptureFixture[str]) -> None:
    spiking.main(["--seeds", "2", "--quick"])
    said = capsys.readouterr().out
    assert all(name in said for name in (*spiking.PHASES, "never there (retrained)", "revived", "random signs", "true signs"))
    assert {line[:2] for line in said.splitlines() if line[:2] in ("1.", "2.", "3.", "4.")} == {"1.", "2.", "3.", "4."}
