"""What a partition computed with data that later leaves does to a guarantee.

A learned partition depends on every node or rating it was made from. Three positions are possible: a *keyed* partition hashes ids and
depends on nothing else; a *repartition* after each request is again a function of what is kept; a *frozen* partition stays as it was,
and then exactness holds only given the partition.
"""

from __future__ import annotations

from typing import Literal

from clients.unlearning.contract import Guarantee, UnlearnerSpec

Leakage = Literal["frozen", "repartition"]


class PartitionGuarantee:
    """A spec's guarantee: ``exact``, but ``approximate`` for one that freezes a learned partition.

    On the class it is that of the default options; on an instance that of its own.
    """

    def __get__(self, spec: UnlearnerSpec | None, owner: type[UnlearnerSpec]) -> Guarantee:
        return "approximate" if getattr(spec, "frozen", False) else "exact"


def condition(frozen: bool) -> str:
    """Return in words what the guarantee rests on."""
    if frozen:
        return "parts and aggregation are byte-equal to retraining on the same partition, which was computed with what is now forgotten"
    return "byte-equal to retraining on what is kept, partition included"
