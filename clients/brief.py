"""A peer's brief: everything constant that it needs to know, handed to it once."""

from __future__ import annotations

from functools import reduce
from operator import or_
from typing import TYPE_CHECKING, Annotated

from pydantic import Field, PositiveInt

from clients.data import DATASETS, DatasetSpec
from clients.distillation import Distillation
from clients.ensemble import Ensemble
from clients.models import MODELS, ModelSpec
from clients.spec import Spec
from clients.training import Training
from clients.unlearning import UNLEARNERS
from clients.unlearning.contract import UnlearnerSpec

if TYPE_CHECKING:
    AnyDataset = DatasetSpec
    AnyModel = ModelSpec
    AnyMain = UnlearnerSpec | ModelSpec
else:  # the registries know the members only at run time
    AnyDataset = DATASETS.union()
    AnyModel = MODELS.union()
    AnyMain = Annotated[reduce(or_, UNLEARNERS.specs() + MODELS.specs()), Field(discriminator="kind")]


class Brief(Spec):
    """Constants of one peer in one run.

    ``rows``, ``reference`` and ``test`` are row ids of the data set. ``generation`` counts how often the peer has come back after an
    erasure: a returning peer shares no random stream, hence no bytes, with its former self.
    """

    run_seed: int
    peer: int
    generation: int = 0
    rounds: PositiveInt
    data: AnyDataset
    rows: tuple[int, ...]
    reference: tuple[int, ...]
    test: tuple[int, ...]
    main: AnyMain
    seed: AnyModel
    training: Training
    distillation: Distillation
    ensemble: Ensemble
