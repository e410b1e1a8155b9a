"""Rules that withhold knowledge of a language model without a change of its weights.

Thaker et al., "Guardrail Baselines for Unlearning in LLMs", 2024, arXiv 2403.03329. A rule hides what it protects: whoever has the weights,
or switches it off, has everything, and a refusal tells that something is protected.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal, Protocol

import numpy as np
import numpy.typing as npt
from pydantic import PositiveInt

from clients.data.worlds import Tokens, World
from clients.spec import Spec
from clients.streams import Field
from clients.training import Arrays
from clients.unlearning.prompts.matching import AnyMatcher, Hashes

Stage = Literal["prompt", "input", "output"]
Scope = Literal["global", "client"]
Action = Literal["refuse", "unknown"]


Logits = npt.NDArray[np.float64]


class LanguageModel(Protocol):
    """A language model without weights, as far as guards need it."""

    @property
    def world(self) -> World:
        """The world whose words it knows."""

    @property
    def longest(self) -> int:
        """Words of its longest text."""

    def logits(self, arrays: Arrays, texts: Tokens) -> Logits:
        """Return the logits of the word that follows each text, float64 (n, vocabulary), of texts of one length, int64 (n, length)."""


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

    def patterns(self, records: list[tuple[str, str]], key: tuple[Field, ...]) -> Hashes:
        """Return the hashes of protected records, question and answer, uint64 (n, pieces); answers count for guards of answers only."""
        return self.match.patterns([(question, answer if self.stage == "output" else "") for question, answer in records], key)


@dataclass(frozen=True)
class Guard:
    """A rule with the hashes that it compares with."""

    rule: Rule
    patterns: Hashes


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
        for i, logits in zip(asked, self._logits([texts[i] for i in asked]), strict=True):
            word = self.world.vocabulary[int(logits.argmax())]
            guard = self._stopped("output", f"{texts[i]} {word}")
            found[i] = self._instead(guard, logits) if guard else Reply(word, logits, self._instruction(texts[i])[1])
        return found

    def _instead(self, guard: Guard, logits: Logits | None) -> Reply:
        return Reply(self.world.vocabulary[self.world.unknown] if guard.rule.action == "unknown" else None, logits, guard.rule)

    def _stopped(self, stage: Stage, text: str) -> Guard | None:
        """Return the first guard of a stage that a text matches."""
        own = sorted((guard for guard in self.guards if guard.rule.stage == stage), key=lambda guard: guard.rule.id)
        return next((guard for guard in own if guard.rule.match.matches(text, guard.patterns, self.key)), None)

    def _logits(self, texts: list[str]) -> list[Logits]:
        """Return the logits of the word after each text, with the instruction of guards of prompts before it."""
        tokens = [self._told(text) for text in texts]
        found: dict[int, Logits] = {}
        for length in sorted({len(one) for one in tokens}):
            places = [i for i, one in enumerate(tokens) if len(one) == length]
            logits = self.network.logits(self.weights, np.array([tokens[i] for i in places], np.int64))
            found |= dict(zip(places, logits, strict=True))
        return [found[i] for i in range(len(texts))]

    def _told(self, text: str) -> list[int]:
        """Return the words of a text by number, after the instruction of a guard of prompts.

        Of a text that is too long its beginning is cut off, never the instruction.
        """
        tokens = self.world.tokens(text) or [self.world.unknown]
        told, _ = self._instruction(text)
        return [*told, *tokens[len(told) - self.network.longest :]]

    def _instruction(self, text: str) -> tuple[list[int], Rule | None]:
        """Return ``forget`` and the last name in a text by number, with the rule that puts them before it; nothing if none matches."""
        names = [token for token in self.world.tokens(text) if token >= self.world.first_name]
        guard = self._stopped("prompt", text) if names else None
        return ([self.world.unknown + 1, names[-1]], guard.rule) if guard else ([], None)
