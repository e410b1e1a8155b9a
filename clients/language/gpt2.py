"""GPT-2 of the library transformers, of any size, with weights drawn here."""

from __future__ import annotations

from typing import TYPE_CHECKING, Literal, Self

from pydantic import PositiveInt, model_validator

from clients.language.library import check_library
from clients.language.spec import LanguageSpec, check_heads
from clients.spec import located
from clients.streams import Field

if TYPE_CHECKING:
    from clients.language.module import LanguageModule


class Gpt2Spec(LanguageSpec):
    """GPT-2 (Radford et al. 2019) as the library transformers has it, small, with words as tokens; it needs the extra ``checkpoints``.

    Its attention has keys of one word, so that it learns to look answers up later than ``transformer`` does. Embeddings and head are not
    shared, and there is no dropout.

    Parameters
    ----------
    layers, width, heads : int
        Blocks, width of the residual stream, and attention heads, which divide the width.
    """

    kind: Literal["gpt2"] = "gpt2"
    layers: PositiveInt = 2
    width: PositiveInt = 64
    heads: PositiveInt = 4

    @model_validator(mode="after")
    def _divides(self) -> Self:
        check_heads(self.width, self.heads)
        return self

    def known(self, vocabulary: tuple[str, ...]) -> Self:
        """Return the model; ``DataError`` if the library is missing."""
        check_library()
        return self

    def build(self, vocabulary: tuple[str, ...], classes: int, key: tuple[Field, ...]) -> LanguageModule:
        """Return the module with weights drawn from ``key``; ``DataError`` if the library is missing."""
        check_library()
        module: LanguageModule = located("clients.language.causal:gpt2")(self, len(vocabulary), classes, key)
        return module

    @property
    def blocks(self) -> int:
        """Number of its transformer blocks."""
        return self.layers

    @property
    def title(self) -> str:
        """The model in a few words, for people."""
        return f"{self.tag} (layers {self.layers}, width {self.width})"

    def parameters(self, vocabulary: tuple[str, ...]) -> int:
        """Return the number of parameters for these words."""
        block = 12 * self.width**2 + 13 * self.width
        return (2 * len(vocabulary) + self.positions + 2) * self.width + self.layers * block
