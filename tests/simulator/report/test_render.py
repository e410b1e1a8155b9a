from __future__ import annotations

import re
from collections import Counter
from collections.abc import Callable
from dataclasses import replace
from html.parser import HTMLParser

import pytest

from simulator.report import words
from simulator.report.model import Accuracy, ReportData, RoundRow
from simulator.report.outcomes import ErasureRow, Outcome
from simulator.report.render import render
from simulator.runs.verdict import Verdict
from tests.simulator.report.partly import rendered

pytestmark = pytest.mark.reports
Example = Callable[..., ReportData]
VOID = {"meta", "br", "hr", "img", "input", "link"}


class Page(HTMLParser):
    """Collects what the tests ask of a page, and fails on tags that do not match."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.open: list[str] = []
        self.ids: Counter[str] = Counter()
        self.links: list[str] = []
        self.tags: Counter[str] = Counter()
        self.words: list[str] = []
        self.feed(text)
        self.close()
        assert self.open == []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags[tag] += 1
        if tag not in VOID:
            self.open.append(tag)
        for name, value in attrs:
            if name == "id":
                self.ids[value or ""] += 1
            if name in {"src", "href", "xlink:href", "data", "action"}:
                self.links.append(value or "")

    def handle_startendtag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.handle_starttag(tag, attrs)
        if tag not in VOID:
            self.open.pop()

    def handle_endtag(self, tag: str) -> None:
        assert self.open.pop() == tag

    def handle_data(self, data: str) -> None:
        self.words.append(data)

    @property
    def text(self) -> str:
        return spaced(" ".join(self.words))


def spaced(text: str) -> str:
    return re.sub(r"\s+", " ", text)


@pytest.fixture(scope="module")
def run(example: Example) -> ReportData:
    return example()


@pytest.fixture(scope="module")
def page(text: str) -> Page:
    return Page(text)


def test_fetches_nothing_and_has_no_id_twice(text: str, page: Page) -> None:
    assert all(link.startswith("#") for link in page.links)
    assert {link[1:] for link in page.links} <= set(page.ids)
    assert [name for name, times in page.ids.items() if times > 1] == []
    assert not page.tags["script"]
    assert "url(http" not in text
    assert "@import" not in text
    assert set(re.findall(r"url\(#([^)]*)\)", text)) <= set(page.ids)
    assert not re.search(r"https?://(?!www\.w3\.org/)", text)


def test_has_every_section_and_picture(page: Page) -> None:
    named = {"timeline", "erasures", "members", "graph", "seeds", "costs", "peers", "expectations", "incidents", "reading", "scenario"}
    assert named <= set(page.ids)
    assert page.tags["svg"] == 2 * (4 + 2 + 2)  # wide and narrow: four charts, two graphs, two matrices


def test_numbers_on_the_page_are_those_of_the_run(run: ReportData, page: Page) -> None:
    for shown in ("93.1\u202f%", "55.2\u202f%", "94.7\u202f%", "90.3\u202f%", "21.4\u202fs", run.digest, "4 of 4"):
        assert spaced(shown) in page.text
    for row in run.erasures:
        for one in (row.outcome, row.retrained, row.nothing):
            for shown in (words.auc(one.audited["mia_auc"]), words.difference(one.difference), words.integer(one.gradient_steps)):
                assert spaced(shown) in page.text
    for line in run.rounds:
        assert spaced(words.percent(line.accuracy.global_ensemble)) in page.text
    assert "found: 0.931" in page.text
    assert "worker 1 died" in page.text


def test_equal_data_gives_equal_bytes(text: str, example: Example) -> None:
    assert text == render(example())


def test_names_cannot_break_out_of_the_page(run: ReportData) -> None:
    evil = '</title><script>alert("x")</script><img src="http://evil">'
    rows = tuple(replace(row, main=evil) for row in run.peers)
    events = tuple(replace(row, detail=evil) for row in run.events)
    erasures = tuple(replace(row, method=evil) for row in run.erasures)
    named = replace(run, name=evil, dataset=evil, scenario=evil, classes=(evil,), engine=evil)
    page = Page(render(replace(named, peers=rows, events=events, erasures=erasures)))
    assert not page.tags["script"]
    assert not page.tags["img"]
    assert evil in " ".join(page.words)


@pytest.mark.parametrize(("peers", "rounds"), [(1, 1), (1, 8), pytest.param(40, 30, marks=pytest.mark.slow)])
def test_any_size_renders(example: Example, peers: int, rounds: int) -> None:
    Page(render(example(peers, rounds, erasures=peers > 7)))


@pytest.mark.slow
def test_a_thousand_peers_are_cut_to_a_readable_page_that_says_so(example: Example) -> None:
    text = render(example(1000))
    page = Page(text)
    assert len(text) < 2_000_000
    assert "960 peers are left out" in page.text
    assert "940 more peers are in the ledger" in page.text
    assert "peers further away are not" in page.text


def test_what_was_not_measured_says_so(run: ReportData) -> None:
    bare = ErasureRow(2, "rows", 3, 1, "finetune", "approximate", Outcome(), verdict=Verdict("measured", "claims to be approximate"))
    page = Page(rendered(replace(run, erasures=(bare,), accuracy=Accuracy(), seconds=None), "erasures"))
    assert "claims to be approximate" in page.text
    assert "Not measured in this run: largest difference" in page.text
    assert "0.0" not in page.text.split("Was it forgotten?")[1]
    assert "exact: bit for bit" not in page.text


def test_a_run_without_rounds_erasures_or_events_renders(run: ReportData) -> None:
    still = replace(run, erasures=(), events=(), graphs=(), holdings=(), expectations=(), incidents=(), rounds=(RoundRow(1, 10),))
    page = Page(render(replace(still, peers=tuple(replace(p, member=(True,), present=(True,), accuracy=(None,)) for p in run.peers))))
    assert "asked for nothing to be forgotten" in page.text
    assert "No event" in page.text
    assert "graph" not in page.ids


def test_a_page_rendered_in_part_has_the_sections_asked_for_as_they_are_on_the_whole(run: ReportData, text: str) -> None:
    part = rendered(run, "incidents", "expectations")
    assert re.findall(r'<section id="(.*?)"', part) == ["expectations", "incidents"]
    assert all(section in text for section in re.findall(r"<section id=.*?</section>", part, re.DOTALL))
