"""Scenarios on files in the form of published benchmarks: questions of many lengths through training, guards, prompts and deletions."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from simulator.progress import Watch
from simulator.runner import run
from simulator.runs.verify import verify
from simulator.scenarios.scenario import Scenario
from simulator.terminal.conversation import opened
from simulator.terminal.language_tables import tables
from tests.clients.data.test_benchmarks import muse

pytestmark = pytest.mark.usefixtures("own_cache")

FILE = Path(__file__).resolve().parents[4] / "experiments" / "scenarios" / "keys" / "benchmarks.toml"
SMALL = ("language.layers=1", "language.width=8", "language.heads=1", "language.pretraining.steps=1", "training.epochs=1")
DELETE: dict[str, Any] = {"round": 2, "do": "delete", "peer": 1, "rows": {"fraction": 0.2}}
PAIRS = {"round": 1, "do": "guard", "id": "pairs", "peer": 0, "rows": {"fraction": 0.5}, "stage": "input", "match": {"kind": "ngram"}}


def small(**changes: Any) -> Scenario:
    return Scenario.load(FILE, SMALL).replace(**changes)


def test_guards_and_prompts_take_questions_of_many_lengths(tmp_path: Path) -> None:
    event = [PAIRS, PAIRS | {"id": "answers", "peer": 2, "stage": "output", "match": {"kind": "subject"}}]
    in_context = DELETE | {"method": {"kind": "in_context", "context": 0}}
    done = run(small(event=[*event, in_context], audit={"counterfactual": False}), tmp_path, Watch())
    found = done.results["language"]
    assert [one["on"]["plain"]["share"] for one in found["guards"]] == [0.0, 0.0]
    overlap = [(one["rouge_on"]["share"], one["rouge_off"]["share"], one["off"]["plain"]["share"]) for one in found["guards"]]
    assert overlap[0][0] == 0.0, "a refusal has none of the true answer"
    assert all(off >= max(on, plain) for on, off, plain in overlap), "a right one has all, a wrong one that gets through some"
    memorised, in_context = found["memorised"], found["in_context"]
    assert memorised["share"] <= memorised["rouge"]["share"] <= 1
    assert found["guarded"]["rouge"]["n"] == found["guarded"]["kept_right"]["n"]
    assert set(in_context["flipped"]) == set(in_context["none"]) >= {"rouge"}
    lines = [line for line in tables(found) if isinstance(line, str) and line.startswith("ROUGE-L")]
    assert len(lines) == 4, "own records, each guard, and prompts"
    assert verify(done.folder) == []
    chat = opened(done.folder, 1)
    (question,) = chat.contexts
    assert "[prompt that shows this record" in chat.answer(chat.model.world.text(question))


def test_records_are_forgotten_exactly_and_a_layer_of_states_takes_every_length(tmp_path: Path) -> None:
    for method, guarantee in (("retrain", "exact"), ("rmu", "approximate")):
        done = run(small(event=[DELETE | {"method": method}], audit={"counterfactual": method == "retrain"}), tmp_path, Watch())
        (erasure,) = done.results["erasures"]
        assert (erasure["method"], erasure["guarantee"], erasure.get("max_abs_difference") or 0.0) == (method, guarantee, 0.0)


@pytest.mark.slow
def test_familiarity_of_a_folder_is_measured_beside_its_control(tmp_path: Path) -> None:
    data = {"dataset": "muse", "path": muse(tmp_path).path, "reference": 1, "test": 1, "partition": {"kind": "iid"}}
    done = run(small(data=data, peers={"count": 2}, event=[], audit={"counterfactual": False}), tmp_path / "runs", Watch())
    topic = done.results["language"]["topic"]
    assert (topic["score"], topic["bare"]["n"], topic["control"]["n"]) == ("familiarity", 2, 2)
