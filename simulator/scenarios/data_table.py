"""The ``[data]`` table of a scenario: the data set, its public rows, and the partition of the others."""

from __future__ import annotations

from functools import cache
from typing import TYPE_CHECKING, Annotated, Any, Literal

from pydantic import Field, PositiveInt, create_model

from clients.data import DATASETS, DatasetSpec
from clients.data.partitions import PARTITIONS, PartitionSpec
from clients.data.synthetic import SyntheticReference
from clients.spec import Spec
from clients.union import CountOr

if TYPE_CHECKING:
    AnyPartition = PartitionSpec
    AnyReference = int | SyntheticReference
else:  # the registry knows its members only at run time
    AnyPartition = PARTITIONS.union()
    AnyReference = Annotated[Any, CountOr(SyntheticReference)]


class Public(Spec):
    """The keys of the ``[data]`` table besides those of the data set: the public rows, and the partition of the others.

    Seeds are distilled on ``reference`` rows, whose labels nobody uses; metrics are measured on ``test`` rows; ``validation`` rows are for
    tuning and early stopping. No peer gets any of them. Facts that are not declared (``columns``, ``labels``) are read from
    ``reference`` rows, classes from all public ones; ``facts = "all"`` reads them from private rows too, a negative control of exactness.
    Where the reference rows are synthetic, none is set aside, and facts are read from the other public rows.

    Parameters
    ----------
    reference : int or table
        Public rows, whose labels nobody uses, from which seeds are distilled: how many are set aside, or how they are drawn.
    test : int
        Public rows on which metrics are measured.
    validation : int
        Public rows, with labels, for tuning and early stopping.
    facts : {"reference", "all"}
        The rows from which undeclared facts of the data are read.
    partition : table
        How the other rows are partitioned among the peers.
    """

    reference: AnyReference
    test: PositiveInt
    # default values are left out, so that plans from before these keys existed keep their hash
    validation: Annotated[int, Field(ge=0)] = Field(0, exclude_if=lambda count: not count)
    facts: Literal["reference", "all"] = Field("reference", exclude_if=lambda facts: facts == "reference")
    partition: AnyPartition

    @property
    def set_aside(self) -> int:
        """Number of rows of the data set that are set aside as reference rows; 0 if they are synthetic."""
        return self.reference if isinstance(self.reference, int) else 0

    @property
    def synthetic(self) -> SyntheticReference | None:
        """How reference rows are drawn; None if they are rows of the data set."""
        return None if isinstance(self.reference, int) else self.reference

    def source(self) -> DatasetSpec:
        """Return the data set alone."""
        kind = DATASETS.load(self.tag)
        return kind.model_validate({name: getattr(self, name) for name in kind.model_fields})


@cache
def data_table(kind: type[DatasetSpec]) -> type[Spec]:
    """Return the ``[data]`` table of a data set: its own keys and those of `Public`."""
    return create_model(kind.__name__, __base__=(Public, kind), __doc__=kind.__doc__)
