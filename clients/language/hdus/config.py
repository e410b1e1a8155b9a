"""Configuration of a peer that answers with its neighbours' seed language models."""

from __future__ import annotations

from typing import ClassVar, Literal

from clients import wire
from clients.classification.compute import USUAL, ClassifierCompute
from clients.classification.hdus.config import PLACES
from clients.classification.hdus.distillation import Distillation
from clients.language.config import WordsConfig
from clients.language.hdus.mixture import Mixing
from clients.language.spec import AnyLanguageModel, LanguageSpec
from clients.training import Training


class HdusLanguageConfig(WordsConfig):
    """Config of a peer whose ``main`` language model is its own, and which sends neighbours a ``seed`` distilled from it."""

    participant: ClassVar[str] = "clients.language.hdus.peer:HdusLanguagePeer"
    places: ClassVar[tuple[str, ...]] = PLACES
    role: Literal["hdus_language"] = "hdus_language"
    main: AnyLanguageModel
    seed: AnyLanguageModel
    training: Training
    distillation: Distillation
    ensemble: Mixing
    compute: ClassifierCompute = USUAL

    @property
    def sequential(self) -> bool:
        """Whether draws are keyed by the number of messages sent so far (a negative control)."""
        return self.training.streams == "sequential"


def start_of(spec: LanguageSpec) -> str:
    """Return the name of the record with the public weights from which models of this spec start."""
    return f"start.{wire.sha256(spec.model_dump_json().encode())[:16]}"
