"""Configuration of a peer that trains an averaged language model."""

from __future__ import annotations

from typing import ClassVar, Literal

from pydantic import NonNegativeFloat

from clients.classification.compute import USUAL, ClassifierCompute
from clients.language.config import WordsConfig
from clients.language.spec import AnyLanguageModel
from clients.training import Training


class LanguageConfig(WordsConfig):
    """Config of a peer of an averaged language model: ``main`` is the global model, ``training`` one round's local work.

    ``proximal`` is the weight of FedProx's proximal term.
    """

    participant: ClassVar[str] = "clients.language.averaging.peer:LanguagePeer"
    places: ClassVar[tuple[str, ...]] = ("global.model", "local.model")
    role: Literal["language"] = "language"
    main: AnyLanguageModel
    training: Training
    proximal: NonNegativeFloat = 0.0
    compute: ClassifierCompute = USUAL

    @property
    def private(self) -> None:
        """None: records are not trained privately."""
