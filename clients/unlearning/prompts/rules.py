"""Rules that withhold knowledge of a language model without a change of its weights.

Thaker et al., "Guardrail Baselines for Unlearning in LLMs", 2024, arXiv 2403.03329. A rule hides what it protects: whoever has the weights,
or switches it off, has everything, and a refusal tells that something is protected.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Literal

import numpy as np
from pydantic import Field, PositiveInt

from clients.data.worlds import UNKNOWN, Tokens, World
from clients.spec import Spec
from clients.streams import Field as Key
from clients.streams import key_hash
from clients.training import Arrays
from clients.unlearning.prompts.matchers import AnyMatcher
from clients.unlearning.prompts.matchers.contract import Hashes, Matcher, Reader, Setting, Stage, stacked
from clients.unlearning.prompts.model import LanguageModel, Logits

Scope = Literal["global", "client", "user"]
Action = Literal["refuse", "unknown", "canned", "mask", "rewrite"]

ACTIONS: dict[Stage, tuple[Action, ...]] = {
    "prompt": (),
    "input": ("refuse", "unknown", "canned", "rewrite"),
    "output": ("refuse", "unknown", "canned", "mask"),
}
"""What a rule can do at each stage."""

MASK = "[masked]"
"""What a user sees in the place of an answer that is masked."""


class Rule(Spec):
    """A rule, as the plan has it.

    Parameters
    ----------
    id : str
    round : int
        Round in which its owner publishes it; it acts from the next one on.
    until : int, optional
        Round in which it is revoked.
    peer : int
        Its owner.
    rows : tuple of int
        Ids of the owner's rows that it protects.
    stage : {"prompt", "input", "output"}
        Whether it tells the model not to know, stops questions, or stops answers.
    scope : {"global", "client", "user"}
        Whether every peer applies it, or only its owner, who then publishes nothing, or only its owner for one user.
    match : table
        How it recognises what it protects.
    action : {"refuse", "unknown", "canned", "mask", "rewrite"}
        What is answered instead: nothing, ``unknown``, ``answer``, the answer masked, or the same question about a stranger.
    answer : str, optional
        The canned answer, which others read where ``scope`` is ``global``.
    user : str, optional
        For whose questions it acts alone.
    """

    id: str
    round: PositiveInt
    until: PositiveInt | None = None
    peer: int
    rows: tuple[int, ...]
    stage: Stage
    scope: Scope
    match: AnyMatcher
    action: Action = "refuse"
    # left out where they are not set: plans from before there were such keys keep their hash
    answer: str | None = Field(None, exclude_if=lambda answer: answer is None)
    user: str | None = Field(None, exclude_if=lambda user: user is None)

    def acts(self, number: int) -> bool:
        """Return whether it acts in a round."""
        return self.round < number and (self.until is None or number <= self.until)

    def told(self, rows: tuple[int, ...]) -> Rule:
        """Return the rule as others may know it, for some of its rows."""
        match = self.match if self.match.published else self.match.hidden
        answer = self.answer if self.answer is None or self.scope == "global" else ""
        return self.model_copy(update={"rows": rows, "match": match, "answer": answer, "user": None if self.user is None else ""})

    def patterns(self, records: list[tuple[str, str]], key: tuple[Key, ...]) -> Hashes:
        """Return the hashes of protected records, question and answer, uint64 (n, pieces); answers count for guards of answers only."""
        return self.match.patterns([(question, answer if self.stage == "output" else "") for question, answer in records], key)

    def useless(self, records: list[tuple[str, str]], public: list[tuple[str, str]]) -> str | None:
        """Return why its matcher is of no use for protected records among public ones, each question and answer; None if it can be."""
        seen = (
            [f"{question} {answer}" if self.stage == "output" else question for question, answer in some] for some in (records, public)
        )
        return self.match.useless(*seen)


class Edge(Spec):
    """What of a rule nobody but its owner may read.

    Parameters
    ----------
    match : table
    user : str, optional
    answer : str, optional
    """

    match: AnyMatcher
    user: str | None = None
    answer: str | None = Field(None, exclude_if=lambda answer: answer is None)


@dataclass(frozen=True)
class Guard:
    """A rule with the hashes that it compares with."""

    rule: Rule
    patterns: Hashes


@dataclass(frozen=True)
class Kept:
    """Guards with the same matcher, in the order in which they act.

    Parameters
    ----------
    guards : sequence of Guard
        Ascending by id.
    read : callable
        Returns which of their records a text is about, bool (n,).
    places : int64 array, shape (n,)
        Of each of these records, the place of its guard.
    """

    guards: Sequence[Guard]
    read: Reader
    places: Tokens

    @classmethod
    def of(cls, match: Matcher, guards: Sequence[Guard], setting: Setting) -> Kept:
        """Return what these guards keep."""
        counts = [len(guard.patterns) for guard in guards]
        read = match.reader(stacked([guard.patterns for guard in guards]), setting)
        return cls(guards, read, np.repeat(np.arange(len(guards)), counts))

    def first(self, text: str) -> Guard | None:
        """Return the first guard that a text matches."""
        found = self.read(text)
        return self.guards[int(self.places[found].min())] if found.any() else None


@dataclass(frozen=True)
class Reply:
    """What a user sees, and what made it so.

    Parameters
    ----------
    word : str, optional
        The word that answers; None for a refusal.
    logits : float64 array, shape (vocabulary,), optional
        The logits behind it; None if the model was not asked.
    rule : Rule, optional
        The rule that stopped or changed the question or the answer, or told the model not to know; None if none acted.
    """

    word: str | None
    logits: Logits | None
    rule: Rule | None = None

    @property
    def withheld(self) -> bool:
        """Whether a rule kept the model's own answer back, or ``unknown`` is the answer."""
        return self.word in (None, UNKNOWN) or (self.rule is not None and self.rule.stage != "prompt")


@dataclass(frozen=True)
class Guarded:
    """A language model behind guards, which are applied in the order of their ids; none is the model itself.

    Parameters
    ----------
    network : LanguageModel
    weights : dict of str to array
    guards : tuple of Guard
    key : tuple
        Key of the hashes.
    user : str, optional
        Who asks; None for nobody in particular.
    """

    network: LanguageModel
    weights: Arrays
    guards: tuple[Guard, ...] = ()
    key: tuple[Key, ...] = ()
    user: str | None = None

    @property
    def world(self) -> World:
        """The world whose words the model knows."""
        return self.network.world

    def replies(self, texts: list[str]) -> list[Reply]:
        """Return the reply to each text."""
        found = [Reply(None, None)] * len(texts)
        asked: list[tuple[int, str, Rule | None]] = []
        for i, text in enumerate(texts):
            guard = self._stopped("input", text)
            if guard is None or guard.rule.action == "rewrite":
                asked.append((i, text, None) if guard is None else (i, self._rewritten(text), guard.rule))
            else:
                found[i] = _instead(guard.rule, None)
        told = [self._told(text) for _, text, _ in asked]
        for (i, text, first), (_, rule), logits in zip(asked, told, self._logits([tokens for tokens, _ in told]), strict=True):
            word = self.world.vocabulary[int(logits.argmax())]
            guard = self._stopped("output", f"{text} {word}")
            found[i] = _instead(guard.rule, logits) if guard else Reply(word, logits, first or rule)
        return found

    def _rewritten(self, text: str) -> str:
        """Return the same question about a stranger, drawn by key: whose names were in the text cannot be told from the answer.

        Spellings that the model reads as the same words get the same stranger, as they get the same answer where no rule acts.
        """
        world = self.world
        tokens = world.tokens(text)
        stranger = len(world.vocabulary) - 1 - key_hash(*self.key, "rewrite", world.text(tokens)) % len(world.strangers)
        return world.text([stranger if token >= world.first_name else token for token in tokens])

    @cached_property
    def _kept(self) -> dict[Stage, list[Kept]]:
        """The guards of each stage, those with the same matcher together, so that it reads a text once for all of them."""
        found: dict[Stage, dict[tuple[Matcher, str], list[Guard]]] = {"prompt": {}, "input": {}, "output": {}}
        for guard in sorted((guard for guard in self.guards if guard.rule.user in (None, self.user)), key=lambda guard: guard.rule.id):
            match = guard.rule.match
            found[guard.rule.stage].setdefault((match, "" if match.pooled else guard.rule.id), []).append(guard)
        settings = {stage: Setting(self.key, stage, self.network, self.weights) for stage in found}
        return {stage: [Kept.of(match, guards, settings[stage]) for (match, _), guards in kinds.items()] for stage, kinds in found.items()}

    def _stopped(self, stage: Stage, text: str) -> Guard | None:
        """Return the first guard of a stage that a text matches."""
        found = [guard for kept in self._kept[stage] if (guard := kept.first(text))]
        return min(found, key=lambda guard: guard.rule.id, default=None)

    def _logits(self, tokens: list[list[int]]) -> list[Logits]:
        """Return the logits of the word after each text, given as words by number."""
        found: dict[int, Logits] = {}
        for length in sorted({len(one) for one in tokens}):
            places = [i for i, one in enumerate(tokens) if len(one) == length]
            logits = self.network.logits(self.weights, np.array([tokens[i] for i in places], np.int64))
            found |= dict(zip(places, logits, strict=True))
        return [found[i] for i in range(len(tokens))]

    def _told(self, text: str) -> tuple[list[int], Rule | None]:
        """Return the words of a text by number, after the instruction of a guard of prompts, and its rule, if one matches.

        The instruction is ``forget`` and the last name in the text. Of a text that is too long its beginning is cut off, never the
        instruction.
        """
        tokens = self.world.tokens(text)
        names = [token for token in tokens if token >= self.world.first_name]
        guard = self._stopped("prompt", text) if names else None
        told = [self.world.unknown + 1, names[-1]] if guard else []
        words = tokens or [self.world.unknown]
        return [*told, *words[len(told) - self.network.longest :]], guard.rule if guard else None


def _instead(rule: Rule, logits: Logits | None) -> Reply:
    """Return what a user sees of a question or an answer that a rule stops."""
    words = {"unknown": UNKNOWN, "canned": rule.answer, "mask": MASK}
    return Reply(words.get(rule.action), logits, rule)
