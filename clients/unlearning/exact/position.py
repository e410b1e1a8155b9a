"""How a partition computed with later forgotten data affects the guarantee.

A learned partition depends on every node or rating from which it was computed. There are three options: a *keyed* partition hashes ids and
depends on nothing else; *repartition* after each request makes the partition a function of the kept data again; a *frozen* partition
stays unchanged, and exactness then holds only given the partition.
"""

from __future__ import annotations

from typing import Literal

from clients.unlearning.contract import Guarantee, UnlearnerSpec

Leakage = Literal["frozen", "repartition"]


class PartitionGuarantee:
    """A spec's guarantee: ``approximate`` if it freezes a learned partition, else ``exact``.

    On the class it is the guarantee of the default options, on an instance that of its own options.
    """

    def __get__(self, spec: UnlearnerSpec | None, owner: type[UnlearnerSpec]) -> Guarantee:
        return "approximate" if getattr(spec, "frozen", False) else "exact"


def condition(frozen: bool) -> str:
    """Describe the condition of the guarantee."""
    if frozen:
        return "parts and aggregation are byte-equal to retraining on the same partition, which was computed with what is now forgotten"
    return "byte-equal to retraining on what is kept, partition included"
