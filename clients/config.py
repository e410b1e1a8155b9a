"""A peer's config: everything constant that it needs to know, handed to it once."""

from __future__ import annotations

import json
from abc import abstractmethod
from contextlib import AbstractContextManager, nullcontext
from functools import lru_cache
from typing import TYPE_CHECKING, Any, ClassVar

from pydantic import Field, PositiveInt

from clients.data import DATASETS, DatasetSpec
from clients.metrics import STEPS, Metric
from clients.spec import Registry, Spec

if TYPE_CHECKING:
    AnyDataset = DatasetSpec
else:  # the registry knows its members only at run time
    AnyDataset = DATASETS.union()

_FEW = 3
"""Keys of a model's table that are always told."""


class PeerConfig(Spec):
    """Constants of one peer in one run, whatever its role.

    ``rows``, ``reference``, ``test`` and ``validation`` are row ids of the data set, all but the first public. ``generation`` counts how
    often the peer has come back after an erasure: a returning peer shares no random stream, hence no bytes, with its former self.
    ``absent_edges`` are ids of edges among its rows that the data set has and the peer has not. ``repetition`` keys training otherwise:
    what is trained again with another one shows how much training itself varies.
    """

    participant: ClassVar[str]
    """Who lives by such a config, as ``"module:Class"``; the class is a `clients.participant.Participant`."""
    places: ClassVar[tuple[str, ...]] = ()
    """Where such peers measure the data set's metrics, as ``<test mix>.<model>``."""

    run_seed: int
    peer: int
    generation: int = 0
    rounds: PositiveInt
    data: AnyDataset
    rows: tuple[int, ...]
    # left out where it is empty: plans from before there were deletions of edges keep their hash
    absent_edges: tuple[int, ...] = Field((), exclude_if=lambda edges: not edges)
    # left out where it is 0, as in every run but a second counterfactual
    repetition: int = Field(0, exclude_if=lambda repetition: not repetition)
    reference: tuple[int, ...]
    test: tuple[int, ...]
    # left out where it is empty: plans from before there were such rows keep their hash
    validation: tuple[int, ...] = Field((), exclude_if=lambda rows: not rows)

    @property
    def stream(self) -> tuple[int | str, ...]:
        """Key of every random choice that the peer makes."""
        usual = self.run_seed, self.peer, self.generation
        return (*usual, "repetition", self.repetition) if self.repetition else usual

    @property
    @abstractmethod
    def model(self) -> str:
        """What the peer trains, in one line."""

    @property
    def metrics(self) -> tuple[Metric, ...]:
        """Every metric that peers of this role send: steps, and the data set's metrics at the role's places."""
        return (*STEPS, *(metric.at(place) for metric in self.data.metrics for place in self.places))

    @property
    def knows_edges(self) -> bool:
        """Whether the peer learns from the edges among its rows, and so can forget them."""
        return False

    @property
    def sequential(self) -> bool:
        """Whether draws are keyed by how many messages were sent before (a negative control)."""
        return False

    def computing(self) -> AbstractContextManager[None]:
        """Return a context in which torch's switches are as the peer's work wants them."""
        return nullcontext()


def in_short(spec: Spec) -> str:
    """Return a model's table in one line: ``mlp (hidden 64)``; of one with many keys only what is not as usual."""
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
        "hdus": "clients.diffusion.hdus.config:HdusDenoisingConfig",
        "sums": "clients.classification.sums.config:SumsConfig",
    },
    tag="role",
)


@lru_cache(maxsize=4096)
def read(text: str) -> PeerConfig:
    """Return the config that this JSON says; one that names no role is a classifier's."""
    return CONFIGS.load(json.loads(text).get("role", "classifier")).model_validate_json(text)
