"""A kind of request is one class and one registration: plan, `verify` and the report know no kind by name."""

from __future__ import annotations

import json
import re
import shutil
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, ClassVar

import pytest

from server.timeline import Erasure
from simulator.errors import LetheError
from simulator.report import words
from simulator.report.outcomes import ErasureRow, Outcome
from simulator.requests import REQUESTS, request_of
from simulator.requests.changes import with_configs
from simulator.requests.contract import Request
from simulator.requests.counterfactual import without
from simulator.runs.run import Run
from simulator.runs.verify import verify
from simulator.scenarios.plan import Plan
from simulator.scenarios.resolution import resolve
from simulator.scenarios.scenario import Scenario
from simulator.storage.store import RunStore

LEAVE = {"round": 3, "do": "leave", "peers": [4], "erase": True}


class Relabel(Request):
    """Rows stay, and should have had another label."""

    unit: ClassVar[tuple[str, str]] = ("label", "labels")
    subject: ClassVar[str] = "{count} of peer {peer}, wrong from the start"
    sentence: ClassVar[str] = "{peers} had {count} corrected"

    def without(self, plan: Plan, erasure: Erasure) -> Plan:
        """Return the plan in which the labels were right from the start; a seed stands for what a config would say of them."""
        return with_configs(plan, erasure, lambda config: {"run_seed": config.run_seed + erasure.details["label"]})

    def problems(self, erasure: Erasure, plan: Plan, store: RunStore) -> Iterator[str]:
        """Yield a line: nobody has carried it out."""
        yield f"{self.name(erasure)}: {len(self.ids(erasure))} labels are as they were"


@pytest.fixture
def relabel() -> Iterator[None]:
    REQUESTS.register(Relabel, "relabel")
    yield
    del REQUESTS.registered["relabel"], REQUESTS.loaded["relabel"]


def asking(plan: Plan, **changes: Any) -> Plan:
    """Return the plan with one more request, to correct the labels of two rows of peer 1."""
    rows = plan.config(1).rows[:2]
    one = Erasure(index=len(plan.timeline.erasures), request=9, round=3, kind="relabel", peer=1, rows=rows, details={"label": 3})
    timeline = plan.timeline.model_copy(update={"erasures": (*plan.timeline.erasures, one.model_copy(update=changes))})
    return plan.model_copy(update={"timeline": timeline})


def test_every_kind_has_words_and_an_object_that_answers() -> None:
    assert set(REQUESTS.targets()) >= {"peer", "rows", "edges"}
    for kind in REQUESTS.targets():
        request = request_of(kind)
        assert request.subject.format(peer=4, count="7 rows")
        assert request.short.format(peer=4, count="7 rows")
        assert request.sentence.format(peers="peer 4", count="7 rows")
        assert len(request.unit) == 2


@pytest.mark.usefixtures("relabel")
def test_a_request_may_change_rows_that_stay(scenario: Callable[..., Scenario]) -> None:
    plan = asking(resolve(scenario(event=[LEAVE])))
    assert type(plan).model_validate_json(plan.model_dump_json()) == plan
    never = without(plan, 9)
    assert never.config(1).rows == plan.config(1).rows, "its rows stay"
    assert never.config(1).run_seed == plan.config(1).run_seed + 3
    assert never.config(2) == plan.config(2)
    assert [one.kind for one in never.timeline.erasures] == ["peer"], "the other request is made there too"
    assert never.timeline.rounds == plan.timeline.rounds
    assert [one.kind for one in without(plan, 0).timeline.erasures] == ["relabel"]


@pytest.mark.usefixtures("relabel")
def test_the_report_has_its_words() -> None:
    row = ErasureRow(3, "relabel", 1, 2, "correct", "approximate", Outcome())
    assert words.subject(row) == "2 labels of peer 1, wrong from the start"
    assert words.short(row) == "2 labels of peer 1"


@pytest.mark.usefixtures("relabel")
def test_verify_asks_it(finished: Run, tmp_path: Path, forge: Callable[[Path], None]) -> None:
    folder = Path(shutil.copytree(finished.folder, tmp_path / "copy"))
    plan = asking(finished.plan)
    (folder / "plan.json").write_text(plan.model_dump_json())
    store = RunStore(folder)
    store.set_meta("plan", plan.digest)
    store.close()
    forge(folder)
    assert "erasure 2 (relabel of peer 1): 2 labels are as they were" in verify(folder)


def test_an_unregistered_kind_is_one_line(finished: Run, tmp_path: Path) -> None:
    folder = Path(shutil.copytree(finished.folder, tmp_path / "copy"))
    (folder / "plan.json").write_text(asking(finished.plan).model_dump_json())
    told = "requests of kind 'relabel' are unknown here: install the package that brings them; known: correction, edges, peer, rows"
    said = re.escape(f"{folder}: {told}")
    for ask in (Run, verify):
        with pytest.raises(LetheError, match=said) as caught:
            ask(folder)
        assert len(str(caught.value).splitlines()) == 1


def test_plans_without_details_do_not_mention_them(scenario: Callable[..., Scenario]) -> None:
    plan = resolve(scenario(event=[LEAVE]))
    assert "details" not in json.dumps(plan.model_dump(mode="json"))
