"""The campaign of wrong scenarios finds what it is there to find, and a short one finds nothing."""

from __future__ import annotations

import time
from pathlib import Path
from random import Random

import pytest
import tomli_w

from experiments.campaigns import scenarios
from experiments.campaigns.scenario_mutations import mutant, setting

VALID = tomli_w.dumps(scenarios.originals()[-1])


@pytest.mark.slow
def test_a_short_campaign_finds_nothing() -> None:
    answers = scenarios.campaign(30, 15, seed=7)
    assert answers["failed"] == 0
    assert answers["taken"] + answers["refused"] == 45


@pytest.mark.slow
def test_the_campaign_finds_nothing() -> None:
    assert scenarios.campaign(3000, 200, seed=0)["failed"] == 0


def test_mutants_are_the_same_each_time_and_differ_from_one_another() -> None:
    raw = scenarios.originals()[-1]
    texts = [[mutant(raw, Random(f"{i}")) for i in range(40)] for _ in range(2)]
    assert texts[0] == texts[1]
    assert len(set(texts[0])) > 35
    assert len({setting(raw, Random(f"{i}")) for i in range(40)}) > 35


def test_the_original_is_taken_and_a_wrong_one_refused() -> None:
    assert scenarios.check(VALID) == "taken"
    assert scenarios.check(VALID, ["rounds=0"]) == "refused"


def fails(tmp_path: Path) -> str:
    assert scenarios.trial("one", lambda: (VALID, ()), tmp_path) == "failed"
    return (tmp_path / "one.txt").read_text()


def test_another_error_is_found(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    def broken(plan: object) -> None:
        raise KeyError("what nobody expects")

    monkeypatch.setattr("simulator.terminal.check.describe", broken)
    assert "what nobody expects" in fails(tmp_path)


@pytest.mark.slow
def test_a_hang_is_found(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    def endless(plan: object) -> None:
        while True:
            time.sleep(0.01)

    monkeypatch.setattr(scenarios, "SECONDS", 1)
    monkeypatch.setattr("simulator.terminal.check.describe", endless)
    assert "TooLongError: more than 1 s" in fails(tmp_path)


@pytest.mark.parametrize("message", ["two\n\nlines", "\x1b[2J", "x" * 4000, "daemon:x:1:1:daemon:/usr/sbin:/usr/sbin/nologin"])
def test_words_that_are_none_are_found(message: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(Path, "read_text", lambda *_, **__: "daemon:x:1:1:daemon:/usr/sbin:/usr/sbin/nologin\n")
    with pytest.raises(ValueError, match=r"quotes another|not made of|a line of"):
        scenarios._check_words(message)
