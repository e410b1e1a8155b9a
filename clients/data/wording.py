"""How texts are read: words as they are compared, and questions that are filled up to one length."""

from __future__ import annotations

import unicodedata

import numpy as np
import numpy.typing as npt

Tokens = npt.NDArray[np.int64]


def unpadded(tokens: npt.ArrayLike) -> Tokens:
    """Return words by number without the -1 that fill a question up, int64 (length,)."""
    told = np.asarray(tokens, np.int64).ravel()
    return told[told >= 0]


def normalised(text: str) -> str:
    """Return text without differences of case, accents, look-alike letters, punctuation and spaces, as the models read it."""
    plain = unicodedata.normalize("NFKD", unicodedata.normalize("NFKD", text).casefold())
    words = ("".join(letter for letter in word if letter.isalnum()) for word in plain.split())
    return " ".join(word for word in words if word)
