"""How a partition computed with later forgotten data affects the guarantee.

A learned partition depends on every node or rating from which it was computed. There are three options: a *keyed* partition hashes ids and
depends on nothing else; *repartition* after each request makes the partition a function of the kept data again; a *frozen* partition
stays unchanged, and exactness then holds only given the partition.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any, ClassVar, Literal

import numpy as np
import numpy.typing as npt

from clients.data.rows import Ids
from clients.unlearning.contract import Guarantee, UnlearnerSpec, UnlearningError

Leakage = Literal["frozen", "repartition"]


class PartitionGuarantee:
    """A spec's guarantee: ``approximate`` if it freezes a learned partition, else ``exact``.

    On the class it is the guarantee of the default options, on an instance that of its own options.
    """

    def __get__(self, spec: UnlearnerSpec | None, owner: type[UnlearnerSpec]) -> Guarantee:
        return "approximate" if getattr(spec, "frozen", False) else "exact"


class PartitionedSpec(UnlearnerSpec):
    """Base class of unlearners on the shards of a ``partition``, with what becomes of it in requests (``leakage``)."""

    guarantee: ClassVar[Guarantee] = PartitionGuarantee()  # type: ignore[assignment]
    if TYPE_CHECKING:  # fields of the subclasses: fields of a base would come first, and fingerprints of states depend on the order
        partition: str
        leakage: Leakage

    @property
    def frozen(self) -> bool:
        """Whether a partition learned with data that are forgotten later is kept."""
        return self.partition != "keyed" and self.leakage == "frozen"


def fits_shards(place: npt.NDArray[Any], count: int, shards: int) -> bool:
    """Return whether ``place`` names a shard in ``0 .. shards - 1`` for each of ``count`` entries."""
    return place.shape == (count,) and bool(np.isin(place, np.arange(shards)).all())


def checked_place(place: npt.NDArray[Any], count: int, shards: int, what: str) -> npt.NDArray[np.int64]:
    """Return a partition that was given, int64 (count,); ``UnlearningError`` unless it names a shard for each entry, called ``what``."""
    if not fits_shards(place, count, shards):
        raise UnlearningError(f"the partition given does not name a shard in 0 .. {shards - 1} for each of {count} {what}")
    return place.astype(np.int64)


def stored_place(arrays: Mapping[str, npt.NDArray[Any]], ids: Ids, shards: int, what: str) -> Ids:
    """Return the partition in a state, int64 (len(ids),).

    ``UnlearningError`` unless it is a partition of the entries with these ids, called ``what``.
    """
    if not np.array_equal(arrays.get("partition/ids", []), ids):
        raise UnlearningError(f"the state's {what} are not those given: give those that were kept")
    place = arrays.get("partition/shard", np.empty(0))
    if place.dtype != np.int64 or not fits_shards(place, len(ids), shards):
        raise UnlearningError(f"state: partition/shard is not a shard in 0 .. {shards - 1} for each of {len(ids)} {what}")
    return place


def condition(frozen: bool) -> str:
    """Describe the condition of the guarantee."""
    if frozen:
        return "parts and aggregation are byte-equal to retraining on the same partition, which was computed with what is now forgotten"
    return "byte-equal to retraining on what is kept, partition included"
