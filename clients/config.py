"""A peer's config: all constants that the peer needs, sent to it once."""

from __future__ import annotations

import json
from abc import abstractmethod
from contextlib import AbstractContextManager, nullcontext
from functools import lru_cache
from typing import TYPE_CHECKING, Any, ClassVar

from pydantic import Field, PositiveInt

from clients.corrections import Correction
from clients.data import DATASETS, DatasetSpec
from clients.metrics import STEPS, Metric
from clients.spec import Registry, Spec

if TYPE_CHECKING:
    AnyDataset = DatasetSpec
else:  # the registry knows its members only at run time
    AnyDataset = DATASETS.union()

_FEW = 3
"""A model's table with up to this many keys is always shown in full."""


class PeerConfig(Spec):
    """Constants of one peer in one run, whatever its role.

    ``rows``, ``reference``, ``test`` and ``validation`` are row ids of the data set, all but the first public. ``generation`` counts how
    often the peer has come back after an erasure: a returning peer shares no random stream, hence no bytes, with its former self.
    ``absent_edges`` are ids of edges among its rows that the data set has but the peer does not. ``corrections`` say what its rows hold
    otherwise than in the data set, from the start. ``repetition`` changes the training key: training again with another value shows how
    much training itself varies.
    """

    participant: ClassVar[str]
    """Class of the peers with such a config, a `clients.participant.Participant`, as ``"module:Class"``."""
    places: ClassVar[tuple[str, ...]] = ()
    """Where such peers measure the data set's metrics, as ``<test distribution>.<model>``."""

    run_seed: int
    peer: int
    generation: int = 0
    rounds: PositiveInt
    data: AnyDataset
    rows: tuple[int, ...]
    # an empty key is left out, so that plans from before deletions of edges existed keep their hash
    absent_edges: tuple[int, ...] = Field((), exclude_if=lambda edges: not edges)
    # left out where nothing is corrected, so that plans from before corrections existed keep their hash
    corrections: tuple[Correction, ...] = Field((), exclude_if=lambda corrections: not corrections)
    # 0 is left out: only a second counterfactual has another value
    repetition: int = Field(0, exclude_if=lambda repetition: not repetition)
    reference: tuple[int, ...]
    test: tuple[int, ...]
    # an empty key is left out, so that plans from before such rows existed keep their hash
    validation: tuple[int, ...] = Field((), exclude_if=lambda rows: not rows)

    @property
    def stream(self) -> tuple[int | str, ...]:
        """Key of every random choice that the peer makes."""
        usual = self.run_seed, self.peer, self.generation
        return (*usual, "repetition", self.repetition) if self.repetition else usual

    @property
    @abstractmethod
    def model(self) -> str:
        """The model that the peer trains, in one line."""

    @property
    def metrics(self) -> tuple[Metric, ...]:
        """Every metric that peers of this role send: gradient steps, and the data set's metrics at the role's ``places``."""
        return (*STEPS, *(metric.at(place) for metric in self.data.metrics for place in self.places))

    @property
    def knows_edges(self) -> bool:
        """Whether the peer learns from the edges among its rows, and so can forget them."""
        return False

    @property
    def sequential(self) -> bool:
        """Whether draws are keyed by the number of messages sent before (a negative control)."""
        return False

    def computing(self) -> AbstractContextManager[None]:
        """Return a context in which torch's settings are those that the peer's work needs."""
        return nullcontext()


def in_short(spec: Spec) -> str:
    """Return a model's table in one line: ``mlp (hidden 64)``; if it has many keys, only those that differ from their defaults."""
    fields = {name: field for name, field in type(spec).model_fields.items() if name != "kind"}
    told = {name: getattr(spec, name) for name, field in fields.items() if len(fields) <= _FEW or getattr(spec, name) != field.default}
    inside = ", ".join(f"{name} {_value(value)}" for name, value in told.items() if value is not None)
    return f"{spec.tag} ({inside})" if inside else spec.tag


def _value(value: Any) -> str:
    """Return a setting in short."""
    if isinstance(value, Spec):
        return in_short(value)
    return "-".join(str(part) for part in value) if isinstance(value, tuple | list) else str(value)


CONFIGS: Registry[PeerConfig] = Registry(
    "lethe.configs",
    "clients.config:PeerConfig",
    {
        "averaged_classifier": "clients.classification.averaging.config:AveragedClassifierConfig",
        "averaged": "clients.diffusion.averaging.config:AveragedDenoisingConfig",
        "classifier": "clients.classification.hdus.config:HdusConfig",
        "language": "clients.language.averaging.config:LanguageConfig",
        "hdus": "clients.diffusion.hdus.config:HdusDenoisingConfig",
        "hdus_language": "clients.language.hdus.config:HdusLanguageConfig",
        "newton": "clients.classification.sums.newton.config:NewtonConfig",
        "sums": "clients.classification.sums.config:SumsConfig",
    },
    tag="role",
)


@lru_cache(maxsize=4096)
def read(text: str) -> PeerConfig:
    """Return the config that this JSON describes; without a role it is a classifier's."""
    return CONFIGS.load(json.loads(text).get("role", "classifier")).model_validate_json(text)
