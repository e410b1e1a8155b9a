"""The ``[federation]`` table of a scenario of averaged classifiers."""

from __future__ import annotations

from typing import Annotated, Any, Literal

from pydantic import BeforeValidator, WithJsonSchema

from clients.spec import Spec
from simulator.tasks.averaging import tables


def _cohort(value: Any) -> Any:
    """Validate a cohort explicitly, so that a wrong value gives one error instead of one per type in the union."""
    peers = isinstance(value, int) and not isinstance(value, bool) and value >= 1
    share = isinstance(value, float) and 0 < value <= 1
    if value is not None and not peers and not share:
        raise ValueError(f"is {value!r}: give a number of peers such as 5, or a share of those present such as 0.5; leave it out for all")
    return value


Cohort = Annotated[
    int | float | None,
    BeforeValidator(_cohort),
    WithJsonSchema(
        {"anyOf": [{"type": "integer", "minimum": 1}, {"type": "number", "exclusiveMinimum": 0, "maximum": 1}, {"type": "null"}]}
    ),
]


class Averaged(Spec):
    """How a server averages.

    Parameters
    ----------
    cohort : int or float, optional
        Peers that train in a round: a number of the present peers, or a share of them (rounded up), drawn by key; default: all.
    weighting : {"rows", "equal"}
        Weights of the updates in the mean: the peers' numbers of rows, or equal.
    """

    cohort: Cohort = None
    weighting: Literal["rows", "equal"] = "rows"


class FedAvg(tables.FedAvg, Averaged):
    """The server takes the mean of the replies (McMahan et al., AISTATS 2017)."""


class FedProx(tables.FedProx, Averaged):
    """As ``fedavg``, with the proximal term ``mu / 2 * ||w - w_global||^2`` in local training (Li et al., MLSys 2020)."""


class FedAdam(tables.FedAdam, Averaged):
    """The server steps towards the mean with Adam (Reddi et al., ICLR 2021), like Flower's strategy of this name."""
