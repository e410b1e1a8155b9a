"""A small causal transformer with keys of two words (torch)."""

from __future__ import annotations

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn.functional import gelu, layer_norm, scaled_dot_product_attention

from clients.language.module import LanguageModule
from clients.language.spec import TransformerSpec
from clients.models.building import keyed
from clients.streams import Field, generator

_SPREAD = {"words": 0.3, "places": 0.02}
"""Standard deviations of the first embeddings."""


class Block(nn.Module):
    """Attention and a perceptron, each added to its normalised input."""

    def __init__(self, width: int, heads: int) -> None:
        super().__init__()
        self.heads = heads
        self.query, self.value, self.out = nn.Linear(width, width), nn.Linear(width, width), nn.Linear(width, width)
        self.key = nn.Linear(2 * width, width)
        self.up, self.down = nn.Linear(width, 4 * width), nn.Linear(4 * width, width)

    def forward(self, x: Tensor) -> Tensor:
        """Return the stream (n, length, width) after this block."""
        stream = layer_norm(x, x.shape[-1:])
        before = torch.cat([torch.zeros_like(stream[:, :1]), stream[:, :-1]], 1)
        query, key, value = self.query(stream), self.key(torch.cat([stream, before], 2)), self.value(stream)
        seen = scaled_dot_product_attention(self._apart(query), self._apart(key), self._apart(value), is_causal=True)
        x = x + self.out(seen.transpose(1, 2).flatten(2))
        found: Tensor = x + self.down(gelu(self.up(layer_norm(x, x.shape[-1:]))))
        return found

    def _apart(self, part: Tensor) -> Tensor:
        """Return the parts of the heads, (n, heads, length, width / heads)."""
        return part.reshape(*part.shape[:2], self.heads, -1).transpose(1, 2)


class Transformer(LanguageModule):
    """A causal language model that answers questions: `forward` returns the logits of the classes, which are the first words.

    Parameters
    ----------
    spec : TransformerSpec
    vocabulary, classes : int
        Number of words, and how many of them, the first, are answers.
    """

    def __init__(self, spec: TransformerSpec, vocabulary: int, classes: int) -> None:
        super().__init__()
        self.classes = classes
        self.words, self.places = nn.Embedding(vocabulary, spec.width), nn.Embedding(spec.positions, spec.width)
        self.blocks = nn.ModuleList(Block(spec.width, spec.heads) for _ in range(spec.layers))
        self.head = nn.Linear(spec.width, vocabulary)

    @property
    def embeddings(self) -> tuple[nn.Module, ...]:
        """The embeddings of words and of places."""
        return self.words, self.places

    def hidden(self, tokens: Tensor) -> Tensor:
        """Return the normalised stream, float32 (n, length, width), of words, int64 (n, length)."""
        x = self.words(tokens) + self.places.weight[: tokens.shape[1]]
        for block in self.blocks:
            x = block(x)
        return layer_norm(x, x.shape[-1:])

    def following(self, tokens: Tensor, places: Tensor) -> Tensor:
        """Return the logits, float32 (n, len(places), vocabulary), of the words that follow the places of a text."""
        logits: Tensor = self.head(self.hidden(tokens)[:, places])
        return logits


def transformer(spec: TransformerSpec, vocabulary: int, classes: int, key: tuple[Field, ...]) -> Transformer:
    """Return the model with weights drawn from ``key``."""
    module = keyed(lambda: Transformer(spec, vocabulary, classes), key)
    assert isinstance(module, Transformer)
    with torch.no_grad():
        for name, spread in _SPREAD.items():
            weight = getattr(module, name).weight
            draws = generator(*key, f"{name}.normal").standard_normal(tuple(weight.shape), dtype=np.float32)
            weight.copy_(torch.from_numpy(draws * np.float32(spread)))
    return module
