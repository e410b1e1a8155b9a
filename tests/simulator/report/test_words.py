from __future__ import annotations

from dataclasses import replace

import pytest

from simulator.report import words
from simulator.report.model import EventRow
from simulator.report.outcomes import ErasureRow, Outcome
from simulator.runs.verdict import Name, Verdict

ROW = ErasureRow(3, "peer", 4, 108, "drop seed", "exact", Outcome(audited={"max_abs_difference": 0.0}))


@pytest.mark.parametrize(
    ("found", "text"),
    [
        (words.unbroken("93.1 % (90 to 96) of [0.1, 0.2]"), "93.1 % (90\u00a0to\u00a096) of [0.1,\u00a00.2]"),
        (words.integer(1234567), "1\u202f234\u202f567"),
        (words.percent(0.93149), "93.1\u202f%"),
        (words.seconds(0.00042), "420\u202fµs"),
        (words.seconds(0), "0\u202fs"),
        (words.seconds(0.0921), "92.1\u202fms"),
        (words.seconds(185), "3\u202fmin 05\u202fs"),
        (words.seconds(179.7), "3\u202fmin 00\u202fs"),
        (words.seconds(119.7), "2\u202fmin 00\u202fs"),
        (words.seconds(0.9997), "1\u202fs"),
        (words.seconds(0.0009997), "1\u202fms"),
        (words.size(999_700), "1\u202fMB"),
        (words.size(999_400), "999\u202fkB"),
        (words.size(1e12), "1\u202fTB"),
        (words.size(310), "310\u202fB"),
        (words.size(41_000), "41\u202fkB"),
        (words.difference(0.0), "0.0"),
        (words.difference(1e-9), "1e-09"),
        (words.difference(float("inf")), "not comparable"),
        (words.difference(None), "not measured"),
        (words.peers((4,)), "peer 4"),
        (words.peers((4, 5, 6)), "peers 4, 5 and 6"),
        (words.peers(tuple(range(9))), "peers 0, 1, 2, 3, 4, 5 and 3 more"),
        (words.sentence(EventRow(3, "leave", (4, 7), "erase")), "Peers 4 and 7 left (erase)"),
        (words.sentence(EventRow(3, "teleport", (4,))), "Peer 4 teleport"),
        (words.steps(2.0), "2"),
        (words.steps(2.5), "2.5"),
        (words.receipts(Outcome(holders=4, receipts=3)), "3 of 4"),
        (words.receipts(Outcome()), "\u2013"),
        (words.subject(ROW), "peer 4 and its 108 rows"),
        (words.subject(replace(ROW, kind="rows", rows=1)), "1 row of peer 4"),
        (words.subject(replace(ROW, kind="edges", rows=0, edges=5)), "5 edges of peer 4"),
    ],
)
def test_says(found: str, text: str) -> None:
    assert found == text


@pytest.mark.parametrize(
    ("name", "difference", "level", "text"),
    [
        ("proven", 0.0, "good", "exact: because"),
        ("disproved", 1e-9, "bad", "claims to be exact: because"),
        ("disproved", 0.0, "bad", "claims to be exact: because"),
        ("measured", None, "open", "because"),
        ("measured", 0.25, "open", "because, 0.25 from retraining"),
    ],
)
def test_an_erasure_is_marked_by_the_verdict_on_its_claim_alone(name: Name, difference: float | None, level: str, text: str) -> None:
    row = replace(ROW, verdict=Verdict(name, "because"), outcome=Outcome(audited={"max_abs_difference": difference}))
    assert words.verdict(row) == (level, text)
