"""The neighbourhood ensemble: how a peer combines its main model with its neighbours' seeds."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import Field

from clients.spec import Spec


class Ensemble(Spec):
    """How a peer combines its main model with its neighbours' seeds.

    ``self_weight`` is ``"share"`` (the main model is one member among others) or the weight of the main model in [0, 1], the members'
    seeds sharing the rest.
    """

    weights: Literal["uniform", "size", "class", "confidence"] = "class"
    self_weight: Literal["share"] | Annotated[float, Field(ge=0, le=1)] = "share"
