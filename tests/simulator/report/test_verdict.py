"""The verdict that the report writes beside an erasure is the one in the results, on which the run's verdict in its header rests."""

from __future__ import annotations

import json
import re
from collections.abc import Callable
from dataclasses import replace
from html import unescape

from simulator.report.collect import collect
from simulator.report.model import ReportData
from simulator.runs.run import Run
from simulator.runs.verdict import Verdict
from tests.simulator.conftest import DELETE, LEAVE, SMALL
from tests.simulator.report.partly import rendered

CHIP = re.compile(r'<span class="chip (good|open|bad)">(.*?)</span>', re.DOTALL)
LEVELS = {"proven": "good", "measured": "open", "disproved": "bad"}


def chips(data: ReportData) -> list[tuple[str, str]]:
    """Return level and words of the verdict beside each erasure."""
    return [(level, unescape(words)) for level, words in CHIP.findall(rendered(data, "erasures"))]


def agree(done: Run) -> list[str]:
    """Check every chip of a run's report against the claims in its results; return the claims' verdicts."""
    results = json.loads((done.folder / "results.json").read_text())
    claims, shown = results["verdict"]["claims"], chips(collect(done.folder))
    assert [level for level, _ in shown] == [LEVELS[one["verdict"]] for one in claims]
    assert all(one["why"] in words for one, (_, words) in zip(claims, shown, strict=True))
    return [one["verdict"] for one in claims]


def test_proven_claims_are_marked_so(finished: Run) -> None:
    assert agree(finished) == ["proven", "proven"]
    data = collect(finished.folder)
    assert "Every erasure that claims to be exact" in rendered(data)
    wrong = replace(data.erasures[0], verdict=Verdict("disproved", "differs by 1 from the run in which it never was"))
    other = replace(data, erasures=(wrong, *data.erasures[1:]))
    assert [level for level, _ in chips(other)] == ["bad", "good"], "the control: the verdict is not made again from the difference of 0.0"
    assert "Of two erasures that should be exact: one proved so, one did not" in rendered(other)
    assert "1 of 2" in rendered(other)


def test_a_receipt_that_never_came_disproves_what_was_not_compared(play: Callable[..., Run]) -> None:
    done = play(event=[{"round": 2, "do": "refuse", "peers": [3]}, LEAVE], rounds=3, audit={"counterfactual": False})
    assert agree(done) == ["disproved"]
    assert collect(done.folder).erasures[0].outcome.difference is None, "nothing but the receipt speaks against it"


def test_what_was_not_compared_or_is_approximate_stays_open(play: Callable[..., Run]) -> None:
    peers = SMALL["peers"] | {"main": [{"kind": "finetune", "base": {"kind": "linear"}}]}
    assert agree(play(event=[LEAVE, DELETE], peers=peers, rounds=3, audit={"counterfactual": False})) == ["measured", "measured"]
