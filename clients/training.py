"""The local training loop, and the table that sets it."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import Field, PositiveFloat, PositiveInt

from clients.spec import Spec


class Adam(Spec):
    """Adam with the library's betas; ``weight_decay`` is decoupled (AdamW)."""

    kind: Literal["adam"] = "adam"
    lr: PositiveFloat = 0.003
    weight_decay: Annotated[float, Field(ge=0)] = 0.0


class Sgd(Spec):
    """Stochastic gradient descent."""

    kind: Literal["sgd"] = "sgd"
    lr: PositiveFloat = 0.05
    momentum: Annotated[float, Field(ge=0, lt=1)] = 0.0
    weight_decay: Annotated[float, Field(ge=0)] = 0.0


Optimizer = Annotated[Adam | Sgd, Field(discriminator="kind")]


class Training(Spec):
    """Local training: ``epochs`` a round, a fresh optimiser each round.

    ``streams = "sequential"`` is a negative control: it keys a peer's randomness by how many messages the coordinator has sent
    before, as one global generator would, so that draws depend on who else is present.
    """

    epochs: PositiveInt = 5
    batch_size: PositiveInt = 32
    optimizer: Optimizer = Adam()
    streams: Literal["keyed", "sequential"] = "keyed"
