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
from pydantic import PositiveInt

from clients.data.worlds import Tokens, World
from clients.spec import Spec
from clients.streams import Field
from clients.training import Arrays
from clients.unlearning.prompts.matchers import AnyMatcher
from clients.unlearning.prompts.matchers.contract import Hashes, Matcher, Reader, Setting, Stage, stacked
from clients.unlearning.prompts.model import LanguageModel, Logits

Scope = Literal["global", "client"]
Action = Literal["refuse", "unknown"]


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
    scope : {"global", "client"}
        Whether every peer applies it, or only its owner, who then publishes nothing.
    match : table
        How it recognises what it protects.
    action : {"refuse", "unknown"}
        What is answered instead.
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

    def acts(self, number: int) -> bool:
        """Return whether it acts in a round."""
        return self.round < number and (self.until is None or number <= self.until)

    def told(self, rows: tuple[int, ...]) -> Rule:
        """Return the rule as others may know it, for some of its rows."""
        return self.model_copy(update={"rows": rows} if self.match.published else {"rows": rows, "match": self.match.hidden})

    def patterns(self, records: list[tuple[str, str]], key: tuple[Field, ...]) -> Hashes:
        """Return the hashes of protected records, question and answer, uint64 (n, pieces); answers count for guards of answers only."""
        return self.match.patterns([(question, answer if self.stage == "output" else "") for question, answer in records], key)


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
        The rule that stopped the question or the answer, or told the model not to know; None if none acted.
    """

    word: str | None
    logits: Logits | None
    rule: Rule | None = None


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
    """

    network: LanguageModel
    weights: Arrays
    guards: tuple[Guard, ...] = ()
    key: tuple[Field, ...] = ()

    @property
    def world(self) -> World:
        """The world whose words the model knows."""
        return self.network.world

    def replies(self, texts: list[str]) -> list[Reply]:
        """Return the reply to each text."""
        stopped = [self._stopped("input", text) for text in texts]
        asked = [i for i, guard in enumerate(stopped) if guard is None]
        found = [self._instead(guard, None) if guard else Reply(None, None) for guard in stopped]
        told = [self._told(texts[i]) for i in asked]
        for i, (_, rule), logits in zip(asked, told, self._logits([tokens for tokens, _ in told]), strict=True):
            word = self.world.vocabulary[int(logits.argmax())]
            guard = self._stopped("output", f"{texts[i]} {word}")
            found[i] = self._instead(guard, logits) if guard else Reply(word, logits, rule)
        return found

    def _instead(self, guard: Guard, logits: Logits | None) -> Reply:
        return Reply(self.world.vocabulary[self.world.unknown] if guard.rule.action == "unknown" else None, logits, guard.rule)

    @cached_property
    def _kept(self) -> dict[Stage, list[Kept]]:
        """The guards of each stage, those with the same matcher together, so that it reads a text once for all of them."""
        found: dict[Stage, dict[tuple[Matcher, str], list[Guard]]] = {"prompt": {}, "input": {}, "output": {}}
        for guard in sorted(self.guards, key=lambda guard: guard.rule.id):
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
