"""GPT-2 of the library transformers, of any size, with weights drawn here."""

from __future__ import annotations

from typing import TYPE_CHECKING, Literal, Self

from clients.language.library import check_library
from clients.language.spec import SizedSpec
from clients.spec import located
from clients.streams import Field

if TYPE_CHECKING:
    from clients.language.module import LanguageModule


class Gpt2Spec(SizedSpec):
    """GPT-2 (Radford et al. 2019) as the library transformers has it, small, with words as tokens; it needs the extra ``checkpoints``.

    Its attention has keys of one word, so that it learns to look answers up later than ``transformer`` does. Embeddings and head are not
    shared, and there is no dropout.
    """

    kind: Literal["gpt2"] = "gpt2"

    def known(self, vocabulary: tuple[str, ...]) -> Self:
        """Return the model; ``DataError`` if the library is missing."""
        check_library()
        return self

    def build(self, vocabulary: tuple[str, ...], classes: int, key: tuple[Field, ...]) -> LanguageModule:
        """Return the module with weights drawn from ``key``; ``DataError`` if the library is missing."""
        check_library()
        module: LanguageModule = located("clients.language.causal:gpt2")(self, len(vocabulary), classes, key)
        return module

    def parameters(self, vocabulary: tuple[str, ...]) -> int:
        """Return the number of parameters for these words."""
        block = 12 * self.width**2 + 13 * self.width
        return (2 * len(vocabulary) + self.positions + 2) * self.width + self.layers * block
