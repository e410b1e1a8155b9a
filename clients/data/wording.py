"""How texts are made of words, and read: words as they are compared, misspelt ones, questions that are filled up to one length."""

from __future__ import annotations

import unicodedata
from collections.abc import Mapping

import numpy as np
import numpy.typing as npt

from clients import streams

Tokens = npt.NDArray[np.int64]

ALIKE = dict(zip("аеорсухіјѕкԁԛԝοανρικυχı", "aeopcyxijskdqwoavpikuxi", strict=True))
"""Small letters of other alphabets that look like Latin ones: Cyrillic, Greek, and the dotless i."""

SHORTEST = 5
"""Letters of the shortest word that is read as a name although a letter is wrong."""


def unpadded(tokens: npt.ArrayLike) -> Tokens:
    """Return words by number without the -1 that fill a question up, int64 (length,)."""
    told = np.asarray(tokens, np.int64).ravel()
    return told[told >= 0]


def normalised(text: str) -> str:
    """Return text without differences of case, accents, look-alike letters, punctuation and spaces, as the models read it."""
    plain = unicodedata.normalize("NFKD", unicodedata.normalize("NFKD", text).casefold())
    words = ("".join(ALIKE.get(letter, letter) for letter in word if letter.isalnum()) for word in plain.split())
    return " ".join(word for word in words if word)


def read(text: str, numbers: Mapping[str, int], first_name: int) -> list[int]:
    """Return the numbers of a text's words; one that is none of them is read as the only name one letter apart, or left out."""
    found: list[int] = []
    for word in normalised(text).split():
        if word in numbers:
            found.append(numbers[word])
        elif len(word) >= SHORTEST:
            near = [number for known, number in numbers.items() if number >= first_name and one_letter_apart(word, known)]
            found += near if len(near) == 1 else []
    return found


def one_letter_apart(one: str, other: str) -> bool:
    """Return whether a word becomes another one by one letter put in, left out or exchanged."""
    if one == other or abs(len(one) - len(other)) > 1:
        return False
    same = next((place for place, (a, b) in enumerate(zip(one, other, strict=False)) if a != b), min(len(one), len(other)))
    return one[same + (len(one) >= len(other)) :] == other[same + (len(other) >= len(one)) :]


def words(world: str, what: str, count: int) -> tuple[str, ...]:
    """Return different made-up words, drawn by key; no two lists of one world share a word."""
    consonants, vowels, ends = "bdfgklmnprstvz", "aeiou", {"values": "x", "names": "n", "words": "l", "strangers": "r"}[what]
    draws = streams.generator("words", world, what)
    found: dict[str, None] = {}
    while len(found) < count:
        syllables = draws.integers(0, [len(consonants), len(vowels)] * 3)
        found["".join((consonants, vowels)[place % 2][int(letter)] for place, letter in enumerate(syllables)) + ends] = None
    return tuple(found)
