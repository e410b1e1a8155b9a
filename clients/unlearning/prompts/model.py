"""What guards and prompts need of a language model."""

from __future__ import annotations

from typing import Protocol

import numpy as np
import numpy.typing as npt

from clients.data.worlds import Tokens, World
from clients.training import Arrays

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
