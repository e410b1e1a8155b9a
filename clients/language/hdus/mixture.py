"""The neighbourhood ensemble of language models: a mixture of the probabilities that its members give to the next word.

HDUS (Ye, Chen, Nguyen, Yin, arXiv 2308.13269, 2023) covers classifiers only; its form for language models is this project's.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Annotated, Literal

import numpy as np
from pydantic import Field

from clients.classification.hdus.ensemble import Ensemble, Member, combine
from clients.data.worlds import Tokens, World
from clients.language.measures import log_probabilities
from clients.spec import Spec
from clients.training import Arrays
from clients.unlearning.prompts.model import LanguageModel, Logits


class Mixing(Spec):
    """How a peer weights the probabilities that its main model and its neighbours' seeds give to the next word.

    ``uniform`` counts models, ``size`` their owners' records, ``confidence`` prefers who is sure of a word. ``self_weight`` is ``"share"``
    (the main model is one member among others) or the weight of the main model in [0, 1]; the seeds share the rest.

    Parameters
    ----------
    weights : {"uniform", "size", "confidence"}
        How the members are weighted: equally, by records, by confidence.
    self_weight : float or "share"
        Weight of the main model.
    """

    weights: Literal["uniform", "size", "confidence"] = "uniform"
    self_weight: Literal["share"] | Annotated[float, Field(ge=0, le=1)] = "share"

    @property
    def ensemble(self) -> Ensemble:
        """The same as an ensemble of classifiers, whose classes are the words."""
        return Ensemble(weights=self.weights, self_weight=self.self_weight)


@dataclass(frozen=True)
class Voice:
    """One member: its owner, model and weights, and how many records the owner has."""

    owner: int
    model: LanguageModel
    weights: Arrays
    records: int


@dataclass(frozen=True)
class Mixture:
    """A language model that answers with the mixture of its members' probabilities; see `LanguageModel`.

    It has no guards: they stand before its questions and behind its answers. One that acted on the main model alone would leave the answer
    to the seeds.

    Parameters
    ----------
    mixing : Mixing
    own : Voice
        The main model, without weights, which are given with each question.
    seeds : sequence of Voice
        The held seeds.
    """

    mixing: Mixing
    own: Voice
    seeds: Sequence[Voice]

    @property
    def world(self) -> World:
        """The world whose words every member knows."""
        return self.own.model.world

    @property
    def longest(self) -> int:
        """Words of the longest text that every member can read."""
        return min(voice.model.longest for voice in (self.own, *self.seeds))

    def logits(self, arrays: Arrays, texts: Tokens) -> Logits:
        """Return the logarithms of the mixed probabilities of the word that follows each text, float64 (n, vocabulary).

        Parameters
        ----------
        arrays : dict of str to array
            Weights of the main model.
        texts : int64 array, shape (n, length)
        """
        own, *seeds = [self._member(voice, arrays if voice is self.own else voice.weights, texts) for voice in (self.own, *self.seeds)]
        with np.errstate(divide="ignore"):  # a probability that rounds to 0 has the logarithm -inf
            found: Logits = np.log(combine(self.mixing.ensemble, own, seeds))
        return found

    def _member(self, voice: Voice, weights: Arrays, texts: Tokens) -> Member:
        """Return what a member says, with as much of its owner as weights by size need."""
        probabilities = np.exp(log_probabilities(voice.model.logits(weights, texts)))
        return Member(voice.owner, probabilities, np.array([voice.records], np.int64))
