"""A stand-in for a language model, which knows every record of a world by heart and does as it is told."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from clients.data import load
from clients.data.worlds import QUESTION, Authors, Tokens, World
from clients.training import Arrays

WORLD = Authors(authors=6)


@dataclass(frozen=True)
class Knowing:
    """Answers by attribute and name, however it is asked; after ``forget`` and the name it answers ``unknown``."""

    world: World = WORLD
    longest: int = 47

    def logits(self, arrays: Arrays, texts: Tokens) -> npt.NDArray[np.float64]:
        """Return a 9 for the word that it answers, an 8 for the answer that it withholds, and 0 for all others."""
        data = load(self.world)
        facts = {tuple(self.world.paraphrase(x).tolist()): int(y) for x, y in zip(data.x.astype(np.int64), data.y, strict=True)}
        found = np.zeros((len(texts), len(self.world.vocabulary)))
        for row, text in enumerate(texts):
            told = text[0] == self.world.unknown + 1 and text[1] == text[-1]
            asked = tuple(self.world.paraphrase(text[-QUESTION:]).tolist())
            known = facts.get(asked, self.world.unknown)
            found[row, known] = 8.0
            found[row, self.world.unknown if told else known] = 9.0
        return found
