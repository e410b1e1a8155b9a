"""`method` in events: what it stands for, where it is refused, and that plans without it keep their hash."""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import Any

import pytest

from clients.unlearning.general.drop_seed import DropSeed
from simulator.errors import ScenarioError
from simulator.scenarios.resolution import resolve
from simulator.scenarios.scenario import Scenario

LEAVE: dict[str, Any] = {"round": 3, "do": "leave", "peers": [4], "erase": True}
DELETE: dict[str, Any] = {"round": 3, "do": "delete", "peer": 2, "rows": {"fraction": 0.2}}
ERASE: dict[str, Any] = {"round": 3, "do": "erase", "peers": [1]}


@pytest.mark.parametrize("event", [LEAVE, ERASE])
@pytest.mark.parametrize("method", ["drop_seed", {"kind": "drop_seed"}])
def test_a_text_stands_for_a_table_and_reaches_the_timeline(scenario: Callable[..., Scenario], event: Any, method: Any) -> None:
    plan = resolve(scenario(event=[event | {"method": method}]))
    assert [one.method for one in plan.timeline.erasures] == [DropSeed()]
    assert type(plan).model_validate_json(plan.model_dump_json()) == plan
    assert Scenario.parse(plan.scenario.to_toml()) == plan.scenario


def test_plans_in_which_no_method_is_named_do_not_mention_it(scenario: Callable[..., Scenario]) -> None:
    plan = resolve(scenario(event=[LEAVE, DELETE, ERASE]))
    assert "method" not in plan.model_dump_json()
    named = resolve(scenario(event=[LEAVE | {"method": "drop_seed"}, DELETE, ERASE]))
    assert named.digest != plan.digest, "the control: naming one is another plan"


@pytest.mark.parametrize("named", ["scrb", "rm"])
def test_a_method_for_a_group_of_rum_is_offered_from_those_that_a_group_may_have(scenario: Callable[..., Scenario], named: str) -> None:
    with pytest.raises(ScenarioError, match=f"methods.0.: kind = '{named}' is unknown: (did you mean|known)") as caught:
        resolve(scenario(event=[DELETE | {"method": {"kind": "rum", "methods": [named], "groups": 1}}]))
    offered = str(caught.value).split("known: ")[-1].split(", ")
    assert "scrub" in offered
    assert not {"drop_seed", "subtract", "rollback", "in_context", "rmu", "rum"} & set(offered), "which it would refuse"


@pytest.mark.parametrize(
    ("event", "said"),
    [
        (LEAVE | {"method": "oblivion"}, "event 1 (event.0.method): kind = 'oblivion' is unknown: known: amnesiac, bad_teacher"),
        (LEAVE | {"method": "drop_sed"}, "event 1 (event.0.method): kind = 'drop_sed' is unknown: did you mean drop_seed?"),
        (LEAVE | {"method": {"rounds": 2}}, "event 1 (event.0.method): has no kind: add one; known: amnesiac, bad_teacher"),
        (LEAVE | {"method": 7}, "event 1 (event.0.method): is 7: write one name in quotes, or a table with its kind"),
        (LEAVE | {"method": ["scrub"]}, "event 1 (event.0.method): is ['scrub']: write one name in quotes, or a table with its kind"),
        (
            DELETE | {"rows": {"fraction": 1.0}},
            "event 1 (event.0.rows.fraction): is 1.0: write a number below 1; for all rows of a peer name their ids, or delete",
        ),
        (LEAVE | {"method": {"kind": "finetune", "rounds": 0}}, "event 1 (event.0.method.rounds): is 0: write a number above 0"),
        (LEAVE | {"method": {"kind": "finetune", "turns": 1}}, "event 1 (event.0.method.turns): is not a key here"),
        (
            LEAVE | {"method": "finetune"},
            "event 1 (event.0.method): finetune cannot be carried out for peer in classification/hdus: take one of drop_seed",
        ),
        (
            DELETE | {"method": "drop_seed"},
            "drop_seed cannot be carried out for rows in classification/hdus: remove the key: no method can be named here",
        ),
        (LEAVE | {"method": "drop_seed", "erase": False}, "method says how leavers are forgotten: set erase = true, or remove method"),
    ],
)
def test_a_method_that_cannot_be_carried_out_is_one_line(scenario: Callable[..., Scenario], event: Any, said: str) -> None:
    with pytest.raises(ScenarioError, match=re.escape(said)) as caught:
        resolve(scenario(event=[event]))
    assert len(str(caught.value).splitlines()) == 1
