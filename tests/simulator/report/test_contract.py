"""The page is put together from what cells and audits bring, and knows none of them by name."""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest

from clients.spec import located
from simulator.audits import AUDITS
from simulator.report import contract
from simulator.report.contract import Section, TaskPage
from simulator.report.model import Figure, ReportData
from simulator.report.outcomes import AuditColumn, ErasureRow, Outcome
from simulator.report.render import render
from simulator.report.sections import COMMON
from simulator.scenarios.tasks import CELLS

ROOM = Path(contract.__file__).parent
Example = Callable[..., ReportData]

BELLS = Section(
    "bells",
    "Bells",
    "How often it rang",
    35,
    "<p>{{ times }} times, {{ w.plural(data.peers|length, 'peer') }} listened.</p>{{ parts }}",
    lambda data, page: {"times": 7},
    ".bells { color: var(--gone) }",
    figures=lambda data: [Figure("bells", "7")],
)
SILENT = replace(BELLS, id="silent", view=lambda data, page: None, style=".silent { }")
INSIDE = replace(BELLS, id="inside", title="", within="bells", template="<h3>{{ times }} of them inside</h3>")
STRAY = replace(BELLS, id="stray", within="silent", template="<h3>nowhere</h3>", figures=contract.no_figures)
HERE = "tests.simulator.report.test_contract"


@pytest.fixture(autouse=True)
def findable(monkeypatch: pytest.MonkeyPatch) -> None:
    import sys

    monkeypatch.setitem(sys.modules, HERE, sys.modules[__name__])


def named(*names: str) -> tuple[str, ...]:
    return tuple(f"{HERE}:{name}" for name in names)


def test_a_section_from_elsewhere_stands_in_its_place_with_its_style_and_figures(example: Example) -> None:
    data = example(2, 1, erasures=False)
    page = render(replace(data, sections=named("BELLS", "INSIDE", "SILENT")))
    assert '<li><a href="#bells">Bells</a></li>' in page
    assert "7 times, two peers listened." in page
    assert page.index('id="erasures"') < page.index('id="bells"') < page.index('id="members"')
    assert page.index("7 times") < page.index("7 of them inside") < page.index("</section>", page.index("7 times"))
    assert page.count(".bells") == 1
    assert re.search(r"<dt>bells</dt>\s*<dd>7", page)
    assert "silent" not in page, "neither section nor style of what is not there"
    assert "bells" not in render(data)


def test_what_stands_in_a_section_that_is_not_there_is_not_there(example: Example) -> None:
    assert "nowhere" not in render(replace(example(2, 1, erasures=False), sections=named("SILENT", "STRAY")))


def test_a_cell_without_a_page_of_its_own_gets_a_plain_one(example: Example) -> None:
    page = render(replace(example(), page=f"{TaskPage.__module__}:{TaskPage.__name__}", sections=()))
    assert "Ten peers learned from digits for eight rounds." in page
    assert "Peers 2, 4 and 7 left and had to be forgotten." in page
    assert "main alone" not in page
    assert "erasures bit-equal" in page


def test_everything_that_is_named_can_be_found_and_no_two_sections_share_an_id() -> None:
    pages = {CELLS.load(name).page for name in CELLS.targets()}
    for page in pages:
        names = [*COMMON, *located(page).sections, *(name for spec in AUDITS.specs() for name in spec.sections)]
        sections = [located(name) for name in dict.fromkeys(names)]  # audits of one kind share theirs
        assert all(isinstance(section, Section) for section in sections)
        assert len({section.id for section in sections}) == len(sections)
        assert all(section.within in {"", *(one.id for one in sections)} for section in sections)


def test_shared_parts_of_the_report_know_no_task() -> None:
    shared = [*ROOM.glob("*.py"), *(ROOM / "sections").glob("*.py")]
    assert len(shared) > 12
    for file in shared:
        found = re.findall(r"report\.(?:classification|diffusion)|\btask\s*[!=]=|\broots\b|concept", file.read_text())
        assert not found, (file.name, found)


def test_columns_of_audits_stand_in_their_place_and_what_was_not_judged_says_why(example: Example) -> None:
    column = AuditColumn("distance", "distance to Rome", "area", order=5)
    reason = "not judged: there is no road"
    costs = {"gradient_steps": 3, "seconds": 1.0, "bytes": 8, "holders": 2, "receipts": 2}
    unjudged = Outcome(**costs, audited={"max_abs_difference": 0.25}, not_judged=frozenset({"distance"}))
    rows = (
        ErasureRow(2, "rows", 3, 1, "finetune", "approximate", unjudged, not_judged=(("rome", reason),)),
        ErasureRow(3, "rows", 4, 1, "finetune", "approximate", Outcome(audited={"distance": 0.1234}), again=Outcome(), original=Outcome()),
    )
    page = render(replace(example(), erasures=rows, columns=(column,)))
    heads = re.findall(r"<th>(.*?)</th>", page[page.index('id="erasures"') :])
    assert heads[1:6] == ["distance to Rome", "gradient steps", "time", "bytes", "receipts of holders"]
    assert page.count(">not judged</td>") == 1
    assert f"rome, 1 row of peer 3, round 2: {reason}" in page
    assert "0.123" in page
    assert page.count(">retrained again</th>") == page.count(">original</th>") == 1
    assert "by so much retraining itself varies" in re.sub(r"\s+", " ", page)
    assert "by so much" not in render(example())
