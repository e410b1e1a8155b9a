"""The public suite passes an unlearner from elsewhere, and names what is wrong with faulty ones."""

from __future__ import annotations

import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Any, ClassVar

import numpy as np
import numpy.typing as npt
import pytest

from clients.checks import Check, ContractError, Material, check_unlearner, rows_material, unlearner_checks
from clients.data.rows import Ids, Rows
from clients.models.mlp import Mlp
from clients.training import Training
from clients.unlearning.approximate.finetune import Finetune
from clients.unlearning.contract import Cost, Outcome, Problem, Stored

PLUGIN = Path(__file__).resolve().parents[2] / "plugin"
sys.path.append(str(PLUGIN))
from lethe_example.unlearner import Centroids, NearestMean  # noqa: E402

sys.path.remove(str(PLUGIN))


def small() -> Material:
    """Forty columns fewer and one round: checks are quick."""
    rows = rows_material().data
    data = Rows(rows.ids, np.ascontiguousarray(rows.x[:, :4]), rows.y)
    return Material.of_rows(Problem((4,), 2, rounds=2, training=Training(epochs=5)), data)


def test_an_unlearner_from_elsewhere_passes() -> None:
    check_unlearner(Centroids(sharpness=5.0))
    names = [check.name for check in unlearner_checks(Centroids(), small())]
    assert len(names) == len(set(names)) > 20
    assert not [check for check in unlearner_checks(Centroids(), small()) if check.expected_to_fail]


class Forgetful(NearestMean):
    def forget(self, request: Ids) -> Outcome:
        return Outcome(Cost(parts=len(request)), "exact")


class Lazy(NearestMean):
    """Drops the rows, but not what they have left in the means."""

    def forget(self, request: Ids) -> Outcome:
        means = self.means
        outcome = super().forget(request)
        self.means = means
        return outcome


class Chatty(NearestMean):
    def state(self) -> dict[str, npt.NDArray[Any]]:
        return {**super().state(), "log": getattr(self, "log", np.empty(0, np.int64))}

    def forget(self, request: Ids) -> Outcome:
        outcome = super().forget(request)
        self.log = np.sort(np.concatenate([getattr(self, "log", np.empty(0, np.int64)), np.asarray(request, np.int64)]))
        return outcome


class Careless(NearestMean):
    def forget(self, request: Ids) -> Outcome:
        self.rows = self.rows.without(request)
        self.means = self._means()
        return Outcome(Cost(parts=1), "exact")


class Amnesiac(NearestMean):
    def restore(self, state: Mapping[str, npt.NDArray[Any]], data: Rows) -> None:
        self.begin(data)


class Wild(NearestMean):
    def predict_proba(self, x: npt.NDArray[Any]) -> npt.NDArray[np.float32]:
        return super().predict_proba(x) * np.float32(1.5)


class Unlisted(NearestMean):
    def stored(self) -> list[Stored]:
        return [Stored("rows", self.rows.ids[:1])]


class Broken(NearestMean):
    def advance(self) -> int:
        raise ZeroDivisionError("by nobody")


FAULTS: dict[type[NearestMean], str] = {
    Forgetful: "forgetting equals never having had: one: the states differ",
    Lazy: "forgetting after round 1 equals never having had: the states differ",
    Chatty: "nothing of the forgotten is stored: the state's log has ids that were forgotten",
    Careless: "a bad request names the culprit and changes nothing: unknown: no UnlearningError is raised",
    Amnesiac: "a restored model is the same and goes on alike: the states differ",
    Wild: "answers are probabilities learned from the data: answers are no probabilities",
    Unlisted: "nothing of the forgotten is stored: stored() does not list what was learned from",
    Broken: "the same key gives the same bytes: ZeroDivisionError: by nobody",
}


@pytest.mark.parametrize("fault", FAULTS)
def test_what_is_wrong_is_named(fault: type[NearestMean]) -> None:
    class Faulty(Centroids):
        implementation: ClassVar[str] = ""

        def build(self, problem: Problem, key: Any) -> NearestMean:
            return fault(self, problem, key)

    with pytest.raises(ContractError) as failed:
        check_unlearner(Faulty(sharpness=5.0), small())
    assert FAULTS[fault] in str(failed.value)
    assert all(line.startswith("Faulty: ") for line in str(failed.value).splitlines())


def fails(check: Check) -> bool:
    try:
        check.run()
    except ContractError:
        return True
    return False


def test_what_is_not_claimed_may_fail_and_says_why() -> None:
    class Modest(Centroids):
        implementation: ClassVar[str] = ""
        guarantee: ClassVar[Any] = "approximate"

        def build(self, problem: Problem, key: Any) -> NearestMean:
            return Lazy(self, problem, key)

    expected = {check.expected_to_fail for check in unlearner_checks(Modest(), small())}
    assert expected == {None, "its guarantee is approximate"}
    check_unlearner(Modest(sharpness=5.0), small())
    assert any(fails(check) for check in unlearner_checks(Modest(sharpness=5.0), small()) if check.expected_to_fail)
    weak = [check for check in unlearner_checks(Finetune(base=Mlp(hidden=(4,))), small()) if check.name.endswith("a whole class")]
    with pytest.raises(ContractError, match="the states differ"):
        weak[0].run()


def test_material_must_fit_the_unit() -> None:
    class Odd(Centroids):
        unit: ClassVar[str] = "moods"

    with pytest.raises(ValueError, match="no material whose unit is 'moods': give material, or take one of rows, nodes and edges"):
        next(unlearner_checks(Odd()))
