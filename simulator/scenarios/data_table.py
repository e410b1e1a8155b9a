"""The ``[data]`` table of a scenario: which data set, what of it is public, and how the rest is dealt."""

from __future__ import annotations

from functools import cache
from typing import TYPE_CHECKING, Annotated, Literal

from pydantic import Field, PositiveInt, create_model

from clients.data import DATASETS, PARTITIONS, DatasetSpec, PartitionSpec
from clients.spec import Spec

if TYPE_CHECKING:
    AnyPartition = PartitionSpec
else:  # the registry knows its members only at run time
    AnyPartition = PARTITIONS.union()


class Public(Spec):
    """What the ``[data]`` table says beside naming the data set: rows set aside in public, and how the rest is dealt.

    ``reference`` rows, whose labels nobody uses, teach the seeds; ``test`` rows measure; ``validation`` rows are for what must be tuned or
    stopped. None is dealt to any peer. ``facts`` that are not declared (``columns``, ``labels``) are read off ``reference`` rows, classes
    off all public ones; ``all`` reads them off private rows too, a negative control of exactness.

    Parameters
    ----------
    reference : int
        Public rows, whose labels nobody uses, from which seeds are distilled.
    test : int
        Public rows that measure.
    validation : int
        Public rows, with labels, for what must be tuned or stopped.
    facts : {"reference", "all"}
        The rows that undeclared facts of the data are read off.
    partition : table
        How the other rows are dealt to the peers.
    """

    reference: PositiveInt
    test: PositiveInt
    # left out where they are as usual: plans from before there were such keys keep their hash
    validation: Annotated[int, Field(ge=0)] = Field(0, exclude_if=lambda count: not count)
    facts: Literal["reference", "all"] = Field("reference", exclude_if=lambda facts: facts == "reference")
    partition: AnyPartition

    def source(self) -> DatasetSpec:
        """Return the data set alone."""
        kind = DATASETS.load(self.tag)
        return kind.model_validate({name: getattr(self, name) for name in kind.model_fields})


@cache
def data_table(kind: type[DatasetSpec]) -> type[Spec]:
    """Return the ``[data]`` table of a data set: its own keys and those of `Public`."""
    return create_model(kind.__name__, __base__=(Public, kind), __doc__=kind.__doc__)
