"""The ``[federation]`` table of a scenario in which a server averages classifiers."""

from __future__ import annotations

from typing import Annotated, Any, Literal

from pydantic import BeforeValidator, WithJsonSchema

from clients.spec import Spec
from simulator.tasks.averaging import tables


def _cohort(value: Any) -> Any:
    """Check a cohort by hand, so that a wrong value is answered once and not once for each type it could have been."""
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
        Who trains in a round: so many of the present peers, or a share of them (rounded up), drawn by key; without it, all.
    weighting : {"rows", "equal"}
        How replies weigh in the mean: by their peers' rows, or all alike.
    """

    cohort: Cohort = None
    weighting: Literal["rows", "equal"] = "rows"


class FedAvg(tables.FedAvg, Averaged):
    """The server takes the mean of the replies (McMahan et al., AISTATS 2017)."""


class FedProx(tables.FedProx, Averaged):
    """As ``fedavg``; peers are pulled to the global model by ``mu / 2 * ||w - w_global||^2`` (Li et al., MLSys 2020)."""


class FedAdam(tables.FedAdam, Averaged):
    """The server steps towards the mean with Adam (Reddi et al., ICLR 2021), as Flower's strategy of that name does."""
