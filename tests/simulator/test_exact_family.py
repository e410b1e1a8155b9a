"""Every unlearner of rows that classifies serves as a peer's main model; the others are refused before anything is trained."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from clients.unlearning import UNLEARNERS
from simulator.errors import ScenarioError
from simulator.runner import run
from simulator.runs.run import Run
from simulator.runs.verify import verify
from simulator.scenarios.resolution import resolve
from simulator.scenarios.scenario import Scenario

LINEAR = {"kind": "linear"}
MAINS: list[dict[str, Any]] = [
    {"kind": "convex"},
    {"kind": "convex", "multiclass": "softmax"},
    {"kind": "convex", "loss": "huber_hinge"},
    {"kind": "dare", "trees": 5, "depth": 6},
    {"kind": "dare", "trees": 5, "depth": 6, "random_depth": 1, "share": 0.6, "lazy": True},
    {"kind": "hedgecut", "trees": 5, "budget": 0.5},
    {"kind": "hedgecut", "trees": 5},
    {"kind": "naive_bayes"},
    {"kind": "naive_bayes", "distribution": "multinomial"},
    {"kind": "naive_bayes", "distribution": "bernoulli", "threshold": 0.3},
    {"kind": "ridge"},
    {"kind": "sisa", "shards": 2, "slices": 2, "base": LINEAR},
    {"kind": "retrain", "base": LINEAR},
]
REFUSED = [kind for kind in UNLEARNERS.targets() if UNLEARNERS.load(kind).unit != "rows" or not UNLEARNERS.load(kind).classifier]
NOT_EXACT = {kind for kind, spec in UNLEARNERS.working().items() if spec.guarantee != "exact"}


def scenario(dataset: str = "wine", **changes: Any) -> Scenario:
    """Return a small scenario in which peer 0 leaves and everyone who stays deletes rows, two kinds of request."""
    count = len(changes.get("main", MAINS))
    table = {
        "name": dataset,
        "seed": 4,
        "rounds": 3,
        "data": {"dataset": dataset, "reference": 30, "test": 40, "partition": {"kind": "iid"}},
        "peers": {"count": count, "main": MAINS, "seed": LINEAR},
        "training": {"epochs": 3},
        "distillation": {"epochs": 2},
        "topology": {"kind": "ring", "on_leave": "bridge"},
        "event": [
            {"round": 2, "do": "leave", "peers": [0], "erase": True},
            {"round": 3, "do": "delete", "peers": list(range(1, count)), "rows": {"fraction": 0.2}},
        ],
    }
    merged = {key: value | changes.pop(key, {}) if isinstance(value, dict) else value for key, value in table.items()}
    return Scenario.parse(merged | changes)


@pytest.fixture(scope="module", params=[*(pytest.param(name, marks=pytest.mark.slow) for name in ("digits", "breast_cancer")), "wine"])
def finished(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Run:
    return run(scenario(request.param), tmp_path_factory.mktemp("runs"))


def test_every_exact_classifier_is_among_the_mains() -> None:
    able = set(UNLEARNERS.targets()) - set(REFUSED) - NOT_EXACT
    assert {main["kind"] for main in MAINS} == able


def test_departure_and_deletions_are_exact_whatever_the_main_models(finished: Run) -> None:
    assert finished.results["incidents"] == []
    departure, *deletions = finished.results["erasures"]
    assert [row["method"] for row in (departure, *deletions)] == ["drop_seed", *(main["kind"] for main in MAINS[1:])]
    for row in (departure, *deletions):
        assert row["guarantee"] == "exact"
        assert row["max_abs_difference"] == 0.0
        assert row["max_abs_difference_nothing"] > 0.0, "the comparison would notice if nothing had been forgotten"
    assert verify(finished.folder) == []


def test_the_main_models_have_learned(finished: Run) -> None:
    best = {"digits": 0.6, "breast_cancer": 0.8, "wine": 0.5}[finished.results["name"]]
    assert finished.accuracy["global"]["main"] > best


@pytest.mark.parametrize("kind", REFUSED)
def test_what_does_not_classify_rows_is_refused_in_one_line(kind: str) -> None:
    with pytest.raises(ScenarioError) as error:
        resolve(scenario(peers={"main": [LINEAR, {"kind": kind}]}))
    (line,) = error.value.lines
    assert line.startswith(f"scenario: peers.main.1: {kind} ")
    assert line.endswith("take another kind")
    assert "a peer's main model must" in line


@pytest.mark.parametrize(
    ("main", "said"),
    [
        ({"kind": "sisa", "slices": 6, "shards": 1, "base": LINEAR}, "sisa cannot spread 3 epochs over 6 slices: ask for at most 5"),
        ({"kind": "sisa", "slices": 4, "shards": 9, "base": LINEAR}, "peer 1: sisa cuts 10 rows into 9 shards x 4 slices: ask for at most"),
        ({"kind": "naive_bayes", "distribution": "multinomial", "low": -1.0}, "x0: low is below 0, multinomial counts cannot be"),
        ({"kind": "ridge", "high": 0.5}, "lies outside the public range [0, 0.5]: set low and high"),
        ({"kind": "ridge", "low": 2.0}, "high 1.0 lies below low 2.0: swap them"),
    ],
    ids=lambda value: value if isinstance(value, str) else value["kind"],
)
def test_what_a_main_model_cannot_learn_is_said_before_the_run(main: dict[str, Any], said: str) -> None:
    images = {"dataset": "digits", "rows": 170, "reference": 30, "test": 40}
    with pytest.raises(ScenarioError) as error:
        resolve(scenario(data=images, peers={"count": 10, "main": [LINEAR, main]}, training={"epochs": 1}, event=[]))
    (line,) = error.value.lines
    assert line.startswith("scenario: peers.main.1: peer ")
    assert said in line


def test_just_as_many_slices_as_there_are_epochs_for_are_allowed() -> None:
    main = {"kind": "sisa", "slices": 5, "shards": 1, "base": LINEAR}
    assert resolve(scenario(peers={"count": 2, "main": [main]}, training={"epochs": 1}, event=[]))


def test_data_of_one_class_is_refused(tmp_path: Path) -> None:
    (tmp_path / "one.csv").write_text("a,label\n" + "".join(f"{i},yes\n" for i in range(200)))
    with pytest.raises(ScenarioError) as error:
        resolve(scenario(data={"dataset": "csv", "path": str(tmp_path / "one.csv")}))
    assert error.value.lines == ("scenario: data: every row is of class 'yes': choose data with at least two classes",)


def test_checking_forests_and_sums_compiles_nothing(tmp_path: Path) -> None:
    (tmp_path / "family.toml").write_text(scenario().to_toml())
    code = (
        "import sys; from simulator.scenarios.resolution import resolve; from simulator.scenarios.scenario import Scenario\n"
        f"resolve(Scenario.load({str(tmp_path / 'family.toml')!r}))\n"
        "assert not {'torch', 'numba', 'sklearn', 'ray'} & set(sys.modules)"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
