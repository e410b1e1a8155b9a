"""What every language model is as a torch module, whatever it is made of."""

from __future__ import annotations

from abc import abstractmethod

from torch import Tensor, nn


class LanguageModule(nn.Module):
    """A causal language model of a world's words that answers questions: its classes are the first words.

    Attributes
    ----------
    classes : int
        How many words, the first, are answers.
    blocks : nn.ModuleList
        Its transformer blocks, in order.
    """

    classes: int
    blocks: nn.ModuleList

    @property
    @abstractmethod
    def embeddings(self) -> tuple[nn.Module, ...]:
        """Everything with parameters before the first block."""

    @abstractmethod
    def following(self, tokens: Tensor, places: Tensor) -> Tensor:
        """Return the logits, float32 (n, len(places), vocabulary), of the words that follow the places of a text, int64 (n, length)."""

    @abstractmethod
    def forward(self, x: Tensor) -> Tensor:
        """Return the logits of the answers, float32 (n, classes), to questions, float32 (n, 4), numbers of words."""
