"""A matcher by a regular expression, which whoever has it can read."""

from __future__ import annotations

import re
from typing import Annotated, ClassVar, Literal, Self

import numpy as np
from pydantic import Field, field_validator

from clients.unlearning.prompts.matchers.contract import Comparing, Hashes, Reader, Setting


class Regex(Comparing):
    """A regular expression, searched in the text's words with single spaces between them, whatever the records say.

    It is readable, and stays at its owner's edge (``scope = "client"`` or ``"user"``) unless ``publish`` says otherwise.

    Parameters
    ----------
    pattern : str
        The regular expression, as Python's ``re`` reads it; where texts are normalised, in small letters.
    publish : bool
        Whether it may be sent to the server and every peer.
    """

    readable: ClassVar[bool] = True
    kind: Literal["regex"] = "regex"
    pattern: Annotated[str, Field(max_length=200)] = ""
    publish: bool = False

    @field_validator("pattern")
    @classmethod
    def _compiles(cls, pattern: str) -> str:
        try:
            re.compile(pattern)
        except re.error as error:
            raise ValueError(f"is {pattern!r}, which is no regular expression ({error}): mend it") from None
        return pattern

    @property
    def fault(self) -> str | None:
        """Why it can be of no use: it has no pattern, or one that is in every text."""
        if re.search(self.pattern, ""):
            return f"pattern = {self.pattern!r} is in every text, also in an empty one: write one that needs a letter at least"
        return None

    @property
    def published(self) -> bool:
        """Whether the pattern may be told to others."""
        return self.publish

    @property
    def hidden(self) -> Self:
        """The same without the pattern, which then finds nothing."""
        return self.model_copy(update={"pattern": ""})

    def kept(self, question: list[str], answer: list[str]) -> list[str]:
        """Return one empty piece: nothing is kept of a record but that there is one."""
        return [""]

    def reader(self, patterns: Hashes, setting: Setting) -> Reader:
        """Return what searches texts for the pattern."""
        found = re.compile(self.pattern).search if self.pattern else lambda _: None
        return lambda text: np.full(len(patterns), found(" ".join(self.words(text))) is not None)
