"""What holds for every audit, and that one which claims without measuring is caught."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator
from types import SimpleNamespace
from typing import Any, ClassVar

import pytest

from clients.unlearning.approximate.finetune import Finetune
from simulator.audits import AUDITS
from simulator.audits.contract import (
    AGAIN,
    NOTHING,
    ORIGINAL,
    RETRAINED,
    ROWS,
    RUN,
    AuditError,
    AuditSpec,
    Branches,
    Column,
    NotJudgedError,
    RunAuditSpec,
    keys,
)
from simulator.audits.gaps import Gaps
from simulator.audits.inversion import Inversion
from simulator.errors import LetheError
from simulator.runs.audits import _Branches
from simulator.runs.run import Run
from simulator.runs.verify import verify
from simulator.scenarios.resolution import resolve
from simulator.scenarios.scenario import Scenario
from simulator.storage.store import RunStore
from simulator.tasks.classification.hdus.federation import HdusClassification
from simulator.tasks.contract import cell_of

Play = Callable[..., Run]
LEAVE = {"round": 2, "do": "leave", "peers": [4], "erase": True}
DELETE = {"round": 2, "do": "delete", "peer": 2, "rows": {"fraction": 0.2}}


class Probe(AuditSpec):
    """Counts parameters: an honest audit made in a test; `Liar` is not."""

    columns: ClassVar[tuple[Column, ...]] = (Column("parameters", "parameters", "number", "steps", "How many there are."),)

    def judge(self, erasure: Any, targets: Any, branches: Branches) -> dict[str, float | None]:
        return {self.columns[0].key(row): float(len(branches[row].peers)) for row in branches.rows}


@pytest.fixture
def audits(monkeypatch: pytest.MonkeyPatch) -> Iterator[Callable[[type[AuditSpec]], None]]:
    """Puts another audit into the place of the relearning one."""

    def place(spec: type[AuditSpec]) -> None:
        from simulator.audits.relearning import Relearning

        monkeypatch.setattr(Relearning, "columns", spec.columns)
        monkeypatch.setattr(Relearning, "judge", spec.judge)

    return place


@pytest.mark.parametrize("spec", [spec for spec in AUDITS.specs() if not issubclass(spec, RunAuditSpec)])
def test_columns_are_told_apart_and_explained(spec: type[AuditSpec]) -> None:
    assert spec.__doc__
    assert spec.columns[0].rows[0] == RUN, "the first column is of the run itself"
    names = [key for key, _ in keys(spec.columns)]
    assert len(names) == len(set(names))
    assert all(column.heading and column.unit and (column.meaning or not column.shown) for column in spec.columns)
    made = spec.model_construct()
    exactly = ROWS if spec is Inversion else (RUN, RETRAINED, NOTHING) + ((ORIGINAL,) if spec is Gaps else ())
    compared = {True: exactly, False: ROWS}
    for exact, rows in compared.items():
        assert made.rows(exact) == ((RUN,) if spec.shadows else rows)
    assert all(term and meaning for term, meaning in made.terms)


def test_no_two_audits_give_the_same_figure() -> None:
    names = [key for spec in AUDITS.specs() for key, _ in keys(spec.columns)]
    assert len(names) == len(set(names))


def claims(**found: Any) -> type[AuditSpec]:
    class Liar(Probe):
        def judge(self, erasure: Any, targets: Any, branches: Branches) -> dict[str, float | None]:
            branches[RUN]
            return found

    return Liar


@pytest.mark.parametrize(
    ("found", "said"),
    [
        ({"parameters": 1.0, "parameters_nothing": 0.0}, "gives parameters_nothing = 0 without having looked at the run 'did nothing'"),
        ({"parameters": 1.0, "difference": 0.0}, "'difference' is no figure of its columns"),
        ({"parameters": 1.0, "parameters_again": 0.0}, "'parameters_again' is no figure"),
        ({"parameters": None}, "gives no parameters, and not why"),
        ({}, "gives no parameters, and not why"),
        ({"parameters": math.nan}, "parameters is nan: give a number"),
        ({"parameters": "none"}, "parameters is 'none': give a number"),
        ({"parameters": True}, "parameters is True: give a number"),
    ],
)
def test_an_audit_that_claims_without_measuring_is_caught(
    found: dict[str, Any], said: str, play: Play, audits: Callable[[type[AuditSpec]], None]
) -> None:
    audits(claims(**found))
    with pytest.raises(AuditError) as error:
        play(rounds=2, event=[DELETE], audit={"counterfactual": False, "relearn": True})
    assert isinstance(error.value, LetheError)
    assert str(error.value).startswith("audit relearn: ")
    assert said in str(error.value)


def test_nothing_compared_is_no_difference_of_zero(play: Play) -> None:
    everybody = {"round": 2, "do": "leave", "peers": list(range(6)), "erase": True}
    run = play(rounds=2, event=[everybody], audit={"counterfactual": True, "membership_inference": True})
    for row in run.results["erasures"]:
        assert row["max_abs_difference"] is None
        assert row["not_judged"]["counterfactual"].startswith("not judged: no peer is left")
        assert row["not_judged"]["membership_inference"].startswith("not judged: nobody who is left held")
    assert verify(run.folder) == []


def test_a_run_that_nobody_looks_at_is_not_played(
    play: Play, audits: Callable[[type[AuditSpec]], None], monkeypatch: pytest.MonkeyPatch
) -> None:
    audits(claims(parameters=7.0))
    played: list[Any] = []
    honest = HdusClassification.coordinator
    monkeypatch.setattr(HdusClassification, "coordinator", lambda *args: played.append(1) or honest(*args))  # type: ignore[func-returns-value]
    run = play(rounds=2, event=[DELETE], audit={"counterfactual": False, "relearn": True})
    assert run.results["erasures"][0]["parameters"] == 7.0
    assert len(played) == 1


@pytest.fixture(scope="module")
def floor(scenario: Callable[..., Scenario], tmp_path_factory: pytest.TempPathFactory) -> Run:
    """A run that asks for every row, though its methods are exact."""
    from simulator.runner import run

    audit = {"counterfactual": {"again": True, "original": True}, "membership_inference": True}
    one = scenario(rounds=3, event=[LEAVE | {"round": 3}, DELETE | {"round": 3}], audit=audit)
    return run(one, tmp_path_factory.mktemp("runs"))


def test_retraining_again_shows_the_floor_and_leaves_the_plan_alone(floor: Run) -> None:
    for row in floor.results["erasures"]:
        assert row["max_abs_difference"] == 0.0
        assert row["max_abs_difference_again"] > 0.0, "training keyed otherwise ends elsewhere"
        assert row["max_abs_difference_original"] > 0.0
        assert row["retrain_gradient_steps_again"] > 0
        assert 0 <= row["mia_auc_nothing"] <= 1
        assert "mia_auc_again" not in row, "that audit did not ask for it, and the methods are exact"
    assert cell_of(floor.plan).further_runs(floor.plan) == 1 + 2 * 3
    assert verify(floor.folder) == []


def test_a_method_that_is_not_exact_stands_beside_its_floor(play: Play) -> None:
    main = [Finetune(kind="finetune", base={"kind": "linear"})]  # type: ignore[arg-type]
    peers = {"count": 3, "main": [main[0].model_dump(mode="json")], "seed": {"kind": "linear"}}
    run = play(rounds=2, peers=peers, event=[DELETE], audit={"counterfactual": True, "membership_inference": True})
    (row,) = run.results["erasures"]
    assert row["guarantee"] != "exact"
    for name in ("max_abs_difference", "mia_auc"):
        assert row[name] is not None
        for other in (NOTHING, AGAIN, ORIGINAL):
            assert row[name + other.suffix] is not None, other.name
    assert cell_of(run.plan).further_runs(run.plan) == 4


def test_an_audit_that_cannot_judge_says_why(play: Play) -> None:
    edges = {"round": 2, "do": "delete", "peer": 2, "rows": {"fraction": 0.2}}
    run = play(rounds=2, event=[edges], audit={"counterfactual": False, "relearn": True})
    assert "not_judged" not in run.results["erasures"][0]
    assert NotJudgedError("reason").args == ("reason",)


def test_erasures_of_one_request_in_two_rounds_have_originals_of_their_own(monkeypatch: pytest.MonkeyPatch) -> None:
    """A peer that is away when it is asked forgets later, and the run just before that is another."""
    monkeypatch.setattr("simulator.runs.audits.peers_at_end", lambda plan, store: {0: plan})
    plan: Any = SimpleNamespace(until=lambda last: last)
    kept: Any = {}
    for round in (2, 4, 2):
        erasure: Any = SimpleNamespace(round=round, request=0)
        branches = _Branches(plan, RunStore(), lambda *_: None, erasure, (ORIGINAL,), {}, kept)
        assert branches[ORIGINAL].peers[0] == round - 1
    assert len(kept) == 2, "each is played once"


def test_a_row_that_is_missing_is_noticed(play: Play) -> None:
    run = play(rounds=2, event=[DELETE], audit={"counterfactual": True})
    store = RunStore(run.folder)
    store.db.execute("delete from audits where name = 'counterfactual/0'")
    store.close()
    assert any("audit counterfactual has no row, though the run is finished" in line for line in verify(run.folder))


def test_other_audits_change_no_plan_while_they_are_off(scenario: Callable[..., Scenario]) -> None:
    plain, told = scenario(audit={}), scenario(audit={"counterfactual": {}, "relearn": False})
    assert resolve(plain).digest == resolve(told).digest
    assert resolve(scenario(audit={"relearn": True})).digest != resolve(plain).digest
    assert Scenario.parse(scenario(audit={"relearn": {"cap": 7}}).to_toml()).audit.asked["relearn"].cap == 7  # type: ignore[attr-defined]
