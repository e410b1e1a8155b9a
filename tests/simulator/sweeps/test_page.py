"""The report of a sweep: every measure, every run, and what could not be finished, on one page that needs no other file."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import pytest

from simulator.runs.verdict import Verdict
from simulator.sweeps import page as pages
from simulator.sweeps.design import Design, Planned
from simulator.sweeps.measures import Measure
from simulator.sweeps.result import Sweep
from simulator.sweeps.variants import Variant, variants
from simulator.sweeps.verdict import of_all

GAIN, EQUAL = Measure("accuracy.<gain>", "share", "measured"), Measure("bytes_overlay", "bytes", "costs")


class Finished:
    """Stands for a finished run."""

    def __init__(self, number: int, verdict: str) -> None:
        self.folder, self.digest = Path(f"made-up-{number}"), f"{number:064}"
        driver = {"driver": {"processor": "Example 9000"}}
        self.results = {"verdict": {"name": verdict, "why": "as <b>made</b> up"}, "machine": driver}


def made_up(monkeypatch: pytest.MonkeyPatch, verdicts: list[str | None], vary: dict[str, list[Any]] | None = None) -> Sweep:
    """Return a sweep whose runs ended so, variant by variant, two seeds each."""
    choices = variants({"data.partition.alpha": [0.1, 1]} if vary is None else vary, 2)
    scenario: Any = type("Text", (), {"to_toml": lambda self: 'name = "<made-up>"\n'})()
    runs = [Planned(v, s, f"variant {v}, seed {s}", scenario, f"{v}{s}", "x", "") for v in range(len(choices)) for s in range(2)]
    played: Any = [
        type("P", (), {
            "planned": one, "run": None if end is None else Finished(place, end), "status": 3 if end is None else 0, "why": "no room",
            "verdict": None if end is None else Verdict(end, "as <b>made</b> up"),
        })()
        for place, (one, end) in enumerate(zip(runs, verdicts, strict=True))
    ]  # fmt: skip
    done = Sweep(Path("made-up"), Design("made-up", choices, (0, 1), tuple(runs)), played)
    figures = [None if end is None else {GAIN: 0.1 * place, EQUAL: 7.0} for place, end in enumerate(verdicts)]
    monkeypatch.setitem(done.__dict__, "measured", figures)
    return done


def test_every_measure_that_varies_is_drawn_and_all_stand_in_the_table(monkeypatch: pytest.MonkeyPatch) -> None:
    text = pages.page(made_up(monkeypatch, ["proven"] * 4))
    assert text == pages.page(made_up(monkeypatch, ["proven"] * 4)), "equal sweeps give equal bytes"
    assert text.count("<svg") == 1
    assert re.search(r"accuracy\.&lt;gain&gt;</strong> share", text)
    assert "alpha = 0.1" in text
    assert re.search(r"bytes_overlay\s*<span>bytes</span>.*?the same in every run</th><td>4</td>\s*<td>7</td>", text, re.DOTALL)
    assert text.count('href="runs/made-up-') == 4
    assert not re.search(r'(src|href)="(https?:|/|\.\.)', text)
    assert "<made-up>" not in text
    assert '<p class="verdict good"><strong>Proven.</strong> 4 of 4 runs proven.' in text


def test_what_is_wrong_or_not_finished_is_said_first(monkeypatch: pytest.MonkeyPatch) -> None:
    text = pages.page(made_up(monkeypatch, ["proven", None, "proven", "proven"]))
    assert '<p class="verdict open"><strong>Measured.</strong> 3 of 4 runs proven; 1 of 4 runs not finished.' in text
    assert "One run could not be finished, and the table is without it." in text
    assert re.search(r'chip bad">not finished</span>\s*<span class="note">no room', text)
    text = pages.page(made_up(monkeypatch, ["proven", "proven", "disproved", "proven"]))
    assert '<p class="verdict bad"><strong>Disproved.' in text
    assert "as &lt;b&gt;made&lt;/b&gt; up" in text


def test_several_keys_become_lines_of_one_picture(monkeypatch: pytest.MonkeyPatch) -> None:
    vary = {"a.alpha": [0.1, 1, 10], "b.epochs": [1, 2], "c.alpha": ["ring"]}
    text = pages.page(made_up(monkeypatch, ["measured"] * 12, vary))
    assert text.count('<i style="background: var(--') == 2
    assert "a.alpha = 0.1, epochs = 1, c.alpha = &#34;ring&#34;" in text, "a last step that two keys share names neither"
    alone = pages.page(made_up(monkeypatch, ["measured"] * 2, {}))
    assert "difference to the first" not in alone
    assert "as it is" in alone


@pytest.mark.parametrize(
    ("names", "name", "why"),
    [
        (["proven", "proven"], "proven", "2 of 2 runs proven"),
        (["proven", "measured"], "measured", "1 of 2 runs proven; 1 of 2 runs measured"),
        (["proven", None], "measured", "1 of 2 runs proven; 1 of 2 runs not finished"),
        (["expectations failed", "proven"], "expectations failed", "run 0: why (one of 2 runs)"),
        (["expectations failed", "disproved", "disproved"], "disproved", "run 1: why (so are 1 more of 3 runs)"),
    ],
)
def test_the_worst_verdict_counts(names: list[Any], name: str, why: str) -> None:
    found = of_all({f"run {place}": None if one is None else Verdict(one, "why") for place, one in enumerate(names)})
    assert (found.name, found.why) == (name, why)


def test_labels_are_short_where_that_is_clear() -> None:
    values = (("event.0.round", "3"), ("event.1.round", "4"), ("peers.main.0", "1"), ("seeds.k", "2"))
    (label,) = Design("x", (Variant(values),), (0,), ()).labels
    assert label == "event.0.round = 3, event.1.round = 4, peers.main.0 = 1, k = 2"
