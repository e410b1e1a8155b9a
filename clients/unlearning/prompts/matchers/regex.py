"""A matcher by a regular expression, which whoever has it can read."""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import Annotated, ClassVar, Literal, Self

import numpy as np
from pydantic import Field, field_validator

from clients.unlearning.prompts.matchers.contract import Comparing, Hashes, Reader, Setting
from clients.unlearning.prompts.matchers.ways import MOST, ways


class Regex(Comparing):
    """A regular expression, searched in the text's words with single spaces between them, whatever the records say.

    It is readable, and stays at its owner's edge (``scope = "client"`` or ``"user"``) unless ``publish`` says otherwise.

    Parameters
    ----------
    pattern : str
        The regular expression, as Python's ``re`` reads it; where texts are normalised, in small letters. One that could read a text in
        too many ways is refused, since a search for it may never end.
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
            found = ways(pattern)
        except (re.error, OverflowError, RecursionError) as error:
            raise ValueError(f"is {pattern!r}, which is no regular expression ({error}): mend it") from None
        if found > MOST:
            cure = "put no repetition inside another, and give those beside one another an upper bound, as in {1,9}"
            raise ValueError(f"is {pattern!r}, which can read a text in so many ways that a search may never end: {cure}")
        return pattern

    @property
    def fault(self) -> str | None:
        """Why it can be of no use: it has no pattern, or one that is in every text."""
        if re.search(self.pattern, ""):
            return f"pattern = {self.pattern!r} is in every text, also in an empty one: write one that needs a letter at least"
        return None

    def useless(self, records: Sequence[str], public: Sequence[str]) -> str | None:
        """Return why it protects nothing, or stops everything; None if it does neither."""
        search = re.compile(self.pattern).search
        found = [sum(search(" ".join(self.words(text))) is not None for text in texts) for texts in (records, public)]
        if records and not found[0]:
            how = ", in small letters and without accents and punctuation" if self.normalise else ""
            return f"pattern = {self.pattern!r} is in none of the {len(records)} records that it is to protect: write one that is{how}"
        if public and found[1] == len(public):
            return f"pattern = {self.pattern!r} is in all {len(public)} public questions: write one that tells the records from others"
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
