"""A matcher of names."""

from __future__ import annotations

from typing import Literal

from clients.unlearning.prompts.matchers.contract import Sharing


class Subject(Sharing):
    """The name that a record is about, wherever it stands, whatever is asked; for guards of answers, the name and the protected answer."""

    kind: Literal["subject"] = "subject"

    def kept(self, question: list[str], answer: list[str]) -> list[str]:
        """Return the name, and the answer if there is one."""
        return [question[-1], *answer]

    def pieces(self, words: list[str]) -> list[str]:
        """Return every word."""
        return words
