"""Key figures of reports on language models."""

from __future__ import annotations

from simulator.report.language.page import worst
from simulator.report.model import Figure


def test_a_guard_is_as_good_as_the_way_of_asking_that_gets_most_past_it() -> None:
    on = {"plain": {"share": 0.0}, "scores": {"share": 0.5}, "split": {"share": 0.25}}
    off = {"plain": {"share": 1.0}, "scores": {"share": 0.75}, "split": {"share": 1.0}}
    assert worst({"id": "late", "on": on, "off": off}) == Figure(
        "most leaks past late", "50.0\u202f%", "asked by scores; 75.0\u202f% with guards off"
    )
