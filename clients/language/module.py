"""What every language model is as a torch module, whatever it is made of."""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Callable

import torch
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

    def after(self, tokens: Tensor) -> Tensor:
        """Return the logits, float32 (n, vocabulary), of the word that follows each text, int64 (n, length), filled up in front with -1.

        Texts of one length are read together, without what fills them up: what is asked alone gets the same answer.
        """
        last = torch.tensor([-1], device=tokens.device)
        return by_length(lambda texts: self.following(texts, last)[:, 0], tokens)

    def forward(self, x: Tensor) -> Tensor:
        """Return the logits of the answers, float32 (n, classes), to questions, float32 (n, length), numbers of words."""
        return self.after(x.long())[:, : self.classes]


def by_length(read: Callable[[Tensor], Tensor], tokens: Tensor) -> Tensor:
    """Return what ``read`` makes of texts, (n, ...), one length after the other; they are filled up in front with -1."""
    filled = (tokens < 0).sum(1)
    if not filled.any():
        return read(tokens)
    parts, order = [], []
    for count in sorted(set(filled.tolist())):
        rows = (filled == count).nonzero()[:, 0]
        parts.append(read(tokens[rows, count:]))
        order.append(rows)
    return torch.cat(parts)[torch.cat(order).argsort()]
