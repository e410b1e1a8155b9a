"""What the report tells first, what it draws together, and what it leaves out."""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import replace

import pytest

from clients.config import in_short
from clients.data.bundled import BreastCancer
from clients.data.csv import Csv
from clients.models.mlp import Mlp
from clients.unlearning.exact.dare.spec import Dare
from clients.unlearning.exact.sisa import Sisa
from simulator.report.model import Accuracy, EventRow, ExpectationRow, ReportData
from simulator.report.outcomes import ErasureRow, Outcome
from tests.simulator.report.partly import rendered

Example = Callable[..., ReportData]
COSTS = {"gradient_steps": 0, "seconds": 0.001, "bytes": 96, "holders": 3, "receipts": 3}


def lead(data: ReportData) -> str:
    found = re.search(r'<p class="lead">(.*?)</p>', rendered(data), re.DOTALL)
    assert found
    return found[1]


def section(data: ReportData, name: str) -> str:
    page = rendered(data, name)
    start = page.index(f'<section id="{name}"')
    return page[start : page.index("</section>", start)]


def leavers(count: int, **last: int) -> tuple[ErasureRow, ...]:
    costs = [COSTS] * (count - 1) + [COSTS | last]
    outcomes = [Outcome(**one, audited={"max_abs_difference": 0.0}) for one in costs]  # type: ignore[arg-type]
    return tuple(ErasureRow(3, "peer", peer, 50, "drop seed", "exact", outcome) for peer, outcome in enumerate(outcomes))


def test_failed_expectations_stand_in_the_lead(example: Example) -> None:
    failed = ExpectationRow("After round 8: accuracy.global.main >= 0.999", False, "0.2")
    data = replace(example(), expectations=(failed, ExpectationRow("After round 8: peer 4 absent", True)))
    assert "One of two expectations failed: after round 8: accuracy.global.main &gt;= 0.999." in lead(data)
    assert "failed" not in lead(replace(data, expectations=data.expectations[1:]))


def test_a_leaver_whom_nobody_asked_to_forget_is_told_so(example: Example) -> None:
    data = replace(example(erasures=False), events=(EventRow(3, "leave", (4,), "silently, without a request"),))
    assert "Peer 4 left, and nobody asked for its data to be forgotten." in lead(data)
    assert "Nobody asked for anything to be forgotten." in lead(data)
    assert "nobody asked for its data" not in lead(example()), "the control: who is erased"


def test_a_request_that_was_never_carried_out_was_made(example: Example) -> None:
    left = EventRow(8, "undone", (0,), "never carried out: 5 rows, asked for in round 3; the peer was not present again")
    data = replace(example(erasures=False), events=(left,), waiting=1)
    said = "One request was made and never carried out: its peer was away to the end."
    assert said in lead(data)
    assert "asked for anything" not in lead(data)
    assert said in section(data, "erasures")
    assert "Peer 0 had a request left undone (never carried out: 5 rows" in section(data, "timeline")
    assert "Two requests were made and never carried out" in lead(replace(example(), waiting=2))


@pytest.mark.parametrize(("last", "blocks"), [({}, 1), ({"receipts": 2}, 2)])
def test_equal_erasures_are_drawn_together_and_others_are_not(example: Example, last: dict[str, int], blocks: int) -> None:
    told = section(replace(example(), erasures=leavers(10, **last)), "erasures")
    assert told.count('class="group"') == blocks
    ends = "9" if blocks == 1 else "8"
    assert f"peers 0, 1, 2, 3, 4, 5, 6, 7{', 8 and 9' if ends == '9' else ' and 8'} (50 rows each)" in told


def test_columns_that_say_nothing_are_left_out_and_named(example: Example) -> None:
    told = section(replace(example(), erasures=leavers(2)), "erasures")
    assert "<th>membership inference</th>" not in told
    assert re.search(r"Not measured in this run: [^<]*membership inference", told)
    assert "<th>receipts of holders</th>" in told
    unheld = tuple(replace(one, outcome=replace(one.outcome, holders=0, receipts=0)) for one in leavers(2))
    assert "receipts of holders" not in section(replace(example(), erasures=unheld), "erasures")
    peers = tuple(replace(one, accuracy=(Accuracy(global_ensemble=0.9),) * 8, final=None) for one in example().peers)
    pooled = replace(example(), peers=peers, pooled=True)
    heads = re.findall(r"<th>(.*?)</th>", section(pooled, "peers"))
    assert "model of all, all" in heads
    assert "main, all" not in heads
    assert "<th>main, all</th>" in section(example(), "peers"), "the control"


def test_models_of_many_keys_tell_what_is_not_as_usual() -> None:
    assert in_short(Dare(trees=50, depth=8)) == "dare (trees 50, depth 8)"
    assert in_short(Dare()) == "dare"
    assert in_short(Mlp()) == "mlp (hidden 64)"
    assert in_short(Sisa(shards=3, base=Mlp(hidden=(8, 4)))) == "sisa (shards 3, base mlp (hidden 8-4))"
    assert in_short(Dare.model_validate(Dare(trees=50).model_dump())) == "dare (trees 50)", "whether it was read from a plan or not"


def test_data_are_called_by_the_name_of_their_file() -> None:
    assert Csv(path="/folder/adult.csv").title == "adult.csv"
    assert BreastCancer().title == "breast cancer"
