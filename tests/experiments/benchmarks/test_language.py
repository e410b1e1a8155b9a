"""Language models in benchmarks, too small for numbers: every line is there, with the hash of its weights; rounding leaves few values."""

from __future__ import annotations

import numpy as np
import pytest

from clients.unlearning.prompts.prompting import CONTROLS
from experiments.benchmarks import in_context, pretending


def test_margins_are_told_by_context_and_findings_after_them(capsys: pytest.CaptureFixture[str]) -> None:
    assert in_context.main(["--quick"]) == 0
    said = capsys.readouterr().out
    assert all(f"│    1 │       {context} │" in said for context in in_context.CONTEXTS)
    assert "weights unchanged" in said
    assert "in 0 of 4 seeds and contexts" in said, "an untrained model shows nothing, and the command says so"


@pytest.mark.slow
def test_gpt2_takes_the_models_place(capsys: pytest.CaptureFixture[str]) -> None:
    in_context.main(["--quick", "--kind", "gpt2"])
    assert "weights unchanged" in capsys.readouterr().out


def test_findings_are_seen_where_they_are_and_not_where_they_are_not() -> None:
    draws = np.random.default_rng(0)
    found = {control: draws.normal(0, 1, 40) for control in CONTROLS}
    seen = found | {"flipped": found["true"] - 5 + draws.normal(0, 1, 40), "other": found["true"] + draws.normal(0, 1, 40)}
    first, second, third = in_context.verdicts([seen, found | {"flipped": found["true"]}], [(0.0, 1.0), (1.0, 1.0)])
    assert "below 0: in 1 of 2" in first
    assert "those under flipped: in 1 of 2" in second
    assert "in 1 of 2 seeds" in third


def test_guards_stand_beside_methods_with_the_hash_of_their_weights(capsys: pytest.CaptureFixture[str]) -> None:
    pretending.main(["--quick"])
    lines = {line.split("│")[1].strip(): line for line in capsys.readouterr().out.splitlines() if line.startswith("│")}
    assert {"original", "retrained", *pretending.KINDS, *(f"guard ({stage})" for stage in pretending.STAGES), "in_context"} <= lines.keys()
    for name, line in lines.items():
        if "behavioural" in line:
            assert "the original's" in line, name
    assert "changed" in lines["npo"]
    assert "changed" in lines["rmu"]


def test_rounding_leaves_at_most_fifteen_values_a_row() -> None:
    weights = np.random.default_rng(0).normal(size=(3, 200)).astype(np.float32)
    (found,) = pretending.rounded({"w": weights}).values()
    assert all(8 < len(np.unique(row)) <= 15 for row in found)
    assert np.abs(found - weights).max() <= np.abs(weights).max() / 14 + 1e-6
    assert pretending.rounded({"b": np.zeros(4, np.float32)})["b"].tolist() == [0.0] * 4
