"""A finished run's language model, asked by hand: what acts is told, guards go off and on, refusals are one line."""

from __future__ import annotations

import os
import pty
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest

from clients import wire
from clients.data import load
from clients.language.network import LanguageNetwork
from clients.unlearning.prompts.prompting import Prompted
from clients.unlearning.prompts.rules import Guarded
from simulator.cli import main
from simulator.errors import LetheError
from simulator.progress import Watch
from simulator.runner import prepare, run
from simulator.runs.run import Run
from simulator.scenarios.scenario import Scenario
from simulator.storage.reading import reading
from simulator.terminal.conversation import HELP, Chat, _examples, opened
from tests.clients.unlearning.prompts.knowing import WORLD, Knowing
from tests.clients.unlearning.prompts.test_guards import KEY, QUESTIONS, TEXTS, guard
from tests.simulator.tasks.language.test_language import scenario as told

PROTECTED, ANSWER = TEXTS[0]


def chat(*stages: str, prompted: bool = False) -> Chat:
    """Return a chat with a model that knows everything; its prompt, in place of one in context, tells it not to know."""
    question = QUESTIONS[0].tolist()
    prompts = {tuple(question): np.array([WORLD.unknown + 1, question[-1], *question])} if prompted else {}
    guards = tuple(guard(stage, name=stage) for stage in stages)
    return Chat(Guarded(Prompted(Knowing(), prompts), {}, guards, KEY), Guarded(Knowing(), {}, key=KEY), prompts, ())


@pytest.mark.parametrize(("stage", "word"), [("input", "(refused)"), ("output", "(refused)"), ("prompt", "unknown")])
def test_the_guard_that_acted_is_named_and_off_it_the_answer_is_back(stage: str, word: str) -> None:
    one = chat(stage)
    stranger = WORLD.text(load(WORLD).x[30])
    answers = [one.answer(line) for line in (PROTECTED, stranger, "/guard off", PROTECTED, "/guard on", PROTECTED)]
    assert answers[0] == answers[-1] == f"{word}   [guard {stage}, {stage}]"
    assert answers[1] == WORLD.answers[load(WORLD).y[30]]
    assert answers[3] == ANSWER
    assert "weights answer alone" in answers[2]


def test_a_prompt_about_the_record_is_told_and_off_it_the_answer_is_back() -> None:
    one = chat(prompted=True)
    assert one.answer(PROTECTED.upper()) == "unknown   [prompt that shows this record with a wrong answer]"
    assert one.answer(f"{TEXTS[1][0]} {TEXTS[1][1]} {PROTECTED}") == ANSWER, "a prompt stands before the question itself only"
    one.answer("/guard off")
    assert one.answer(PROTECTED) == ANSWER
    assert chat("input", prompted=True).answer(PROTECTED).endswith("[guard input, input]"), "a guard stops it first"


def test_what_the_model_does_not_read_is_told() -> None:
    one = chat()
    assert one.answer(f"tell {PROTECTED}?") == f"{ANSWER}   [words that the model does not know are left out: tell]"
    assert "only the last 47 words were read" in one.answer(" ".join([PROTECTED] * 12))
    assert one.answer("  ") == HELP
    assert "\x1b" not in one.answer(f"\x1b[2J {PROTECTED}"), "what was pasted does not steer the terminal"
    for line in ("/guard", "/guard of", "/help"):
        assert f"{line}: no such command: {HELP}" == one.answer(line)
    assert one.on


@pytest.fixture(scope="module")
def done(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Run]:
    """A small run with a guard for everybody, one that stays at peer 1, a revoked one, and records that peer 2 forgets in context."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("LETHE_CACHE", str(tmp_path_factory.mktemp("cache")))
        yield run(told(), tmp_path_factory.mktemp("runs"), Watch())


def test_what_stands_at_the_end_of_a_run_stands_in_its_chat(done: Run) -> None:
    found = {peer: opened(done.folder, peer) for peer in (None, 1, 2)}
    ids = {peer: [guard.rule.id for guard in one.model.guards] for peer, one in found.items()}
    assert ids == {None: ["names"], 1: ["names", "edge"], 2: ["names"]}, "what is revoked does not act, what stays at a peer acts there"
    assert [len(one.contexts) for one in found.values()] == [0, 0, done.results["language"]["in_context"]["none"]["n"]]
    count = f"prompts: {len(found[2].contexts)} records"
    assert any(line.startswith(count) and line.endswith("which is wrong)") for line in found[2].opening)
    with reading(done.folder) as store:
        weights = wire.from_bytes(store.artefact(str(store.model("global"))))
    network = found[2].bare.network
    assert isinstance(network, LanguageNetwork)
    protected = found[None].opening[0].partition("such as: ")[2].partition("   (")[0]
    bare = network.world.vocabulary[int(network.logits(weights, np.array([network.world.tokens(protected)])).argmax())]
    assert found[None].answer(protected) == "(refused)   [guard names, input]"
    found[None].answer("/guard off")
    assert found[None].answer(protected) == bare
    source = load(network.world)
    right = {tuple(x): int(y) for x, y in zip(source.x.astype(int).tolist(), source.y, strict=True)}
    for question, prompt in found[2].contexts.items():
        assert prompt[4] == 1 - right[question]
        assert len(prompt) > len(question)
        assert prompt[-4:].tolist() == list(question) == prompt[:4].tolist()
        assert "prompt that shows" in found[2].answer(network.world.text(question))


@pytest.mark.parametrize(("left", "said"), [([], "all that it protected was deleted"), ([0, 1], "its owner is away")])
def test_a_guard_without_a_record_says_why(left: list[int], said: str) -> None:
    plan: Any = SimpleNamespace(rounds=2, timeline=SimpleNamespace(protected=lambda *_: left))
    line, *_ = _examples(plan, chat("input").model, {}, load(WORLD).rows(np.arange(8, 10)))
    assert line.endswith(f"of peer 0: {said}")


def lethe(monkeypatch: pytest.MonkeyPatch, *words: object) -> int:
    monkeypatch.setattr(sys, "argv", ["lethe", *map(str, words)])
    with pytest.raises(SystemExit) as ended:
        main()
    return int(ended.value.code or 0)


def test_a_terminal_talks_to_it(done: Run, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    question = opened(done.folder).opening[0].partition("such as: ")[2].partition("   (")[0]
    master, slave = pty.openpty()
    os.write(master, f"{question}\n/guard off\n\xff\n/quit\nnever read\n".encode("latin-1"))
    with os.fdopen(slave, encoding="utf-8") as keyboard:
        monkeypatch.setattr(sys, "stdin", keyboard)
        assert lethe(monkeypatch, "chat", done.folder) == 0
    os.close(master)
    said = capsys.readouterr().out
    assert "guard on> (refused)   [guard names, input]" in said
    assert "left out: \N{REPLACEMENT CHARACTER}" in said
    assert "never" not in said


def test_without_a_terminal_it_is_refused(done: Run, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    with Path(os.devnull).open(encoding="utf-8") as nobody:
        monkeypatch.setattr(sys, "stdin", nobody)
        assert lethe(monkeypatch, "chat", done.folder) == 2
    said = capsys.readouterr()
    assert said.out == ""
    (line,) = said.err.splitlines()
    assert line.startswith("lethe: standard input: is no terminal")


def test_runs_without_an_answer_are_refused(done: Run, tmp_path: Path, scenario: Callable[..., Scenario]) -> None:
    for folder, line in (
        (prepare(scenario(), tmp_path), "the run trains no language model: give one of task = 'language'"),
        (prepare(told(), tmp_path), "the run is not finished: `lethe resume"),
        (tmp_path, "not a run directory"),
    ):
        with pytest.raises(LetheError, match=line):
            opened(folder)
    with pytest.raises(LetheError, match="--peer 7: is not among the peers at the end of the run: name one of 0, 1, 2"):
        opened(done.folder, 7)
