"""A matcher of whole texts."""

from __future__ import annotations

from typing import Literal

from clients.unlearning.prompts.matchers.contract import Sharing


class Exact(Sharing):
    """The whole text, word for word."""

    kind: Literal["exact"] = "exact"

    def kept(self, question: list[str], answer: list[str]) -> list[str]:
        """Return the text as one piece."""
        return [" ".join([*question, *answer])]

    def pieces(self, words: list[str]) -> list[str]:
        """Return the text as one piece."""
        return [" ".join(words)]
