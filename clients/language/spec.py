"""The language model of a scenario and its public pre-training."""

from __future__ import annotations

from typing import Annotated, Literal, Self

from pydantic import Field, PositiveFloat, PositiveInt, model_validator

from clients.data.worlds import QUESTION
from clients.spec import Spec


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

    steps: Annotated[int, Field(ge=0)] = 400
    batch_size: PositiveInt = 32
    lr: PositiveFloat = 3e-3
    rehearsal: Annotated[int, Field(ge=0)] = 16


class TransformerSpec(Spec):
    """A causal transformer whose keys are computed from a word and the one before it, so that it learns early to look answers up.

    Parameters
    ----------
    layers, width, heads : int
        Blocks, width of the residual stream, and attention heads, which divide the width.
    records : int
        Questions with their answers that fit into its context.
    pretraining : table
        Public pre-training.
    """

    kind: Literal["transformer"] = "transformer"
    layers: PositiveInt = 2
    width: PositiveInt = 64
    heads: PositiveInt = 4
    records: Annotated[int, Field(ge=3, le=64)] = 9
    pretraining: Pretraining = Pretraining()

    @model_validator(mode="after")
    def _divides(self) -> Self:
        if self.width % self.heads:
            raise ValueError(f"width = {self.width} is no multiple of heads = {self.heads}: change one")
        return self

    @property
    def positions(self) -> int:
        """Words that fit: all records, and ``forget`` with a name before them."""
        return 2 + self.records * (QUESTION + 1)

    def parameters(self, vocabulary: int) -> int:
        """Return the number of parameters for a vocabulary of this size."""
        block = 13 * self.width**2 + 9 * self.width
        return 2 * vocabulary * self.width + vocabulary + self.positions * self.width + self.layers * block
