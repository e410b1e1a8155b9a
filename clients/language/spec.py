"""The language model of a scenario and its public pre-training."""

from __future__ import annotations

from abc import abstractmethod
from typing import TYPE_CHECKING, Annotated, Literal, Self

from pydantic import Field, PositiveFloat, PositiveInt, model_validator
from pydantic.json_schema import SkipJsonSchema

from clients import streams
from clients.data.worlds import QUESTION
from clients.iterations import IterationsFromZero
from clients.spec import Registry, Spec, located

if TYPE_CHECKING:
    from clients.language.module import LanguageModule


class Pretraining(Spec):
    """Public pre-training on episodes of text that nobody wrote: it teaches the language, to look up answers in a context, and to be told.

    An episode is a text of ``records`` questions with their answers. Half of them come from earlier in the text, with the answer that the
    text gave, and half of these answers are wrong ones. A quarter of the steps has episodes that begin with ``forget`` and a name, about
    which every answer is then ``unknown``. The loss is that of the answers.

    Parameters
    ----------
    steps : int
        Gradient steps by AdamW with warm-up and linear decay; 0 leaves the weights as drawn.
    batch_size : int
        Episodes per step.
    lr : float
        Largest learning rate.
    rehearsal : int
        Episodes in every later step of training as well, so that what was taught does not fade; 0 for none.
    """

    steps: IterationsFromZero = 400
    batch_size: PositiveInt = 32
    lr: PositiveFloat = 3e-3
    rehearsal: Annotated[int, Field(ge=0)] = 16


class LanguageSpec(Spec):
    """Base class of language models in scenarios.

    Parameters
    ----------
    records : int
        Questions with their answers that fit into its context.
    pretraining : table
        Public pre-training.
    """

    records: Annotated[int, Field(ge=3, le=64)] = 9
    pretraining: Pretraining = Pretraining()
    # no key for users: it is filled in, the longest question of the data
    words: SkipJsonSchema[int] = Field(QUESTION, exclude_if=lambda words: words == QUESTION)

    @abstractmethod
    def build(self, vocabulary: tuple[str, ...], classes: int, key: tuple[streams.Field, ...]) -> LanguageModule:
        """Return the module for these words, of which the first ``classes`` answer, before any training; draws are keyed.

        ``DataError`` (one line) if it cannot be made here.
        """

    @abstractmethod
    def parameters(self, vocabulary: tuple[str, ...]) -> int:
        """Return the number of parameters for these words."""

    @property
    @abstractmethod
    def blocks(self) -> int:
        """Number of its transformer blocks."""

    @property
    @abstractmethod
    def title(self) -> str:
        """The model in a few words, for people."""

    @property
    def positions(self) -> int:
        """Words that fit: all records, and ``forget`` with a name before them."""
        return 2 + self.records * (self.words + 1)

    def known(self, vocabulary: tuple[str, ...]) -> Self:
        """Return the model with everything that determines its weights before training; ``DataError`` if it cannot be made here."""
        return self


class SizedSpec(LanguageSpec):
    """Base class of transformers whose size is in the scenario.

    Parameters
    ----------
    layers, width, heads : int
        Blocks, width of the residual stream, and attention heads, which divide the width.
    """

    layers: PositiveInt = 2
    width: PositiveInt = 64
    heads: PositiveInt = 4

    @model_validator(mode="after")
    def _divides(self) -> Self:
        if self.width % self.heads:
            raise ValueError(f"width = {self.width} is no multiple of heads = {self.heads}: change one")
        return self

    @property
    def blocks(self) -> int:
        """Number of its transformer blocks."""
        return self.layers

    @property
    def title(self) -> str:
        """The model in a few words, for people."""
        return f"{self.tag} (layers {self.layers}, width {self.width})"


class TransformerSpec(SizedSpec):
    """A causal transformer whose keys are computed from a word and the one before it, so that it learns early to look answers up."""

    kind: Literal["transformer"] = "transformer"

    def build(self, vocabulary: tuple[str, ...], classes: int, key: tuple[streams.Field, ...]) -> LanguageModule:
        """Return the module with weights drawn from ``key``."""
        module: LanguageModule = located("clients.language.transformer:transformer")(self, len(vocabulary), classes, key)
        return module

    def parameters(self, vocabulary: tuple[str, ...]) -> int:
        """Return the number of parameters for these words."""
        block = 13 * self.width**2 + 9 * self.width
        return 2 * len(vocabulary) * self.width + len(vocabulary) + self.positions * self.width + self.layers * block


LANGUAGE_MODELS: Registry[LanguageSpec] = Registry(
    "lethe.language_models",
    "clients.language.spec:LanguageSpec",
    {
        "folder": "clients.language.folder:FolderSpec",
        "gpt2": "clients.language.gpt2:Gpt2Spec",
        "transformer": "clients.language.spec:TransformerSpec",
    },
)

if TYPE_CHECKING:
    AnyLanguageModel = LanguageSpec
else:  # the registry knows its members only at run time
    AnyLanguageModel = LANGUAGE_MODELS.union(default="transformer")
