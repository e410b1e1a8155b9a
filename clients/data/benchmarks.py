"""Local copies of published benchmarks for language models that are to forget: TOFU, WMDP, MUSE. Nothing is downloaded."""

from __future__ import annotations

from collections.abc import Iterator
from functools import cached_property
from pathlib import Path
from typing import Annotated, ClassVar, Literal

import numpy as np
import numpy.typing as npt
from pydantic import AfterValidator, Field, PositiveInt

from clients.data.errors import DataError
from clients.data.question_files import Answered, Row, Text, questions_in
from clients.data.scaling import located
from clients.data.texts import Question, Texts, padded
from clients.data.topics import Topical
from clients.data.worlds import Tokens

_LETTERS = "abcd"


class _Author(Answered):
    """A row of TOFU."""

    perturbed_answer: Text | list[Text] | None = None
    paraphrased_question: Text | None = None

    @property
    def wrong(self) -> tuple[str, ...]:
        """The wrong answers of the same kind."""
        return (self.perturbed_answer,) if isinstance(self.perturbed_answer, str) else tuple(self.perturbed_answer or ())


def _differing(choices: list[str]) -> list[str]:
    """Return choices; ``ValueError`` if one is blank, or all are the same."""
    if not all(map(str.strip, choices)) or len(set(choices)) == 1:
        raise ValueError("a choice is empty, or all are the same")
    return choices


class _Hazard(Row):
    """A row of WMDP."""

    choices: Annotated[list[str], Field(min_length=len(_LETTERS), max_length=len(_LETTERS)), AfterValidator(_differing)]
    answer: Annotated[int, Field(ge=0, lt=len(_LETTERS))]


class Tofu(Texts):
    """A file of TOFU (Maini et al. 2024, arXiv 2401.06121), such as ``full.json`` or ``forget10_perturbed.json``.

    Its rows have ``question`` and ``answer``; where they have them, too, ``perturbed_answer`` are the wrong answers of the same kind, and
    ``paraphrased_question`` is the question in other words. Twenty neighbours are about one author.

    Parameters
    ----------
    together : int
        How many neighbours are about the same author.
    """

    sentences: ClassVar[bool] = True
    dataset: Literal["tofu"] = "tofu"
    together: PositiveInt = 20

    @cached_property
    def asked(self) -> tuple[Question, ...]:
        """The questions of the file."""
        rows = questions_in(self.path, _Author, "give a file of TOFU such as full.json or forget10_perturbed.json")
        about = (i // self.together for i in range(len(rows)))
        return tuple(Question(row.question, row.answer, i, row.wrong, row.paraphrased_question) for i, row in zip(about, rows, strict=True))


class Wmdp(Texts):
    """A file of WMDP (Li et al., ICML 2024, arXiv 2403.03218): questions with four options, answered by the option's letter.

    Its rows have ``question``, ``choices`` and ``answer``, the number of the right choice from 0. In other words, the same options come in
    another order, in which the right one keeps its letter. Every question is about something of its own.
    """

    dataset: Literal["wmdp"] = "wmdp"

    @cached_property
    def asked(self) -> tuple[Question, ...]:
        """The questions of the file, each with its options behind it."""
        rows = questions_in(self.path, _Hazard, "give a file of WMDP such as wmdp-cyber/test-00000-of-00001.parquet")
        return tuple(self._asked(row, i) for i, row in enumerate(rows))

    def _asked(self, row: _Hazard, i: int) -> Question:
        """Return the question of a row."""
        choices, right = row.choices, row.answer
        others = [place for place in range(len(_LETTERS)) if place != right]
        turned = {place: others[(number + 1) % len(others)] for number, place in enumerate(others)} | {right: right}
        texts = [_optioned(row.question, [choices[order[place]] for place in range(len(_LETTERS))]) for order in (range(4), turned)]
        wrong = tuple(f"option {_LETTERS[place]}" for place in others)
        return Question(texts[0], f"option {_LETTERS[right]}", i, wrong, texts[1])


class Muse(Topical, Texts):
    """The folder ``knowmem`` of MUSE (Shi et al. 2024, arXiv 2407.06460): short answers about news, or about the Harry Potter books.

    Its files ``forget_qa`` and ``retain_qa`` (or ``retain2_qa``; JSON or Parquet) have rows with ``question`` and ``answer``. What counts
    beside single answers is familiarity, the share of answers to questions of ``forget_qa``, reordered by chance, that are answers of it.
    Every question is about something of its own.
    """

    score: ClassVar[str] = "familiarity"
    sentences: ClassVar[bool] = True
    dataset: Literal["muse"] = "muse"

    @cached_property
    def asked(self) -> tuple[Question, ...]:
        """The questions to be forgotten, then those to be retained."""
        forget, retain = (tuple(self._of(name)) for name in ("forget_qa", "retain"))
        if both := {row.question for row in forget} & {row.question for row in retain}:
            raise DataError(f"{self.path}: question {min(both)[:40]!r} is to be forgotten and to be retained: leave it out of one file")
        rows = [*((row, True) for row in forget), *((row, False) for row in retain)]
        return tuple(Question(row.question, row.answer, i, topic=topic) for i, (row, topic) in enumerate(rows))

    def _of(self, name: str) -> Iterator[Answered]:
        """Yield the rows of the file whose name begins so."""
        folder, cure = located(self.path), "give MUSE's folder knowmem with forget_qa and retain_qa"
        if not folder.is_dir():
            raise DataError(f"{self.path}: there is no such folder: {cure} (paths start at the scenario file's folder)")
        found = sorted(file for file in folder.iterdir() if file.name.startswith(name) and "icl" not in file.name and _told(file))
        if len(found) != 1:
            raise DataError(f"{self.path}: has {len(found)} files that begin with {name}, one is needed: {cure}")
        yield from questions_in(str(found[0]), Answered, cure)

    @property
    def topic(self) -> npt.NDArray[np.bool_]:
        """Which classes are answers to be forgotten, and none to be retained, bool (classes,)."""
        y, about = self.load().y, np.array([one.topic for one in self.asked])
        inside, outside = (np.isin(np.arange(len(self.answers)), y[part]) for part in (about, ~about))
        found: npt.NDArray[np.bool_] = inside & ~outside
        return found

    def probes(self, *, about: bool) -> Tokens:
        """Return the questions to be forgotten, or those to be retained, their words in another order, int64 (n, longest)."""
        rows = [row for row, one in zip(self._rows, self.asked, strict=True) if one.topic is about]
        told = [self.paraphrase(np.array(row), self.tag, i) for i, row in enumerate(rows)]
        return padded([tuple(one.tolist()) for one in told], self.longest)


def _optioned(question: str, choices: list[str]) -> str:
    """Return a question with its options behind it."""
    options = (f"option-{letter} {choice}" for letter, choice in zip(_LETTERS, choices, strict=True))
    return " ".join([question, *options])


def _told(file: Path) -> bool:
    """Return whether a file is of a kind that is read."""
    return file.suffix in (".json", ".jsonl", ".parquet")
