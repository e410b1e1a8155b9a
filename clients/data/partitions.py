"""Partitions of a data set among peers, by name."""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Sequence

from clients.data import Dataset
from clients.data.rows import Ids
from clients.spec import Registry, Spec


class PartitionSpec(Spec):
    """Base class of the partitions of rows among peers."""

    @abstractmethod
    def deal(self, data: Dataset, ids: Ids, peers: int, seed: int) -> Sequence[Ids]:
        """Return the ids of each peer's rows.

        Parameters
        ----------
        data : Dataset
            The whole data set.
        ids : int64 array, shape (n,)
            Ids of the rows to partition, ascending.
        peers : int
            Number of peers.
        seed : int
            The run's seed, which keys every choice.

        Returns
        -------
        sequence of int64 arrays
            One ascending array per peer; together a partition of ``ids``.

        Raises
        ------
        DataError
            If there is no such partition.
        """


PARTITIONS: Registry[PartitionSpec] = Registry(
    "lethe.partitions",
    "clients.data.partitions:PartitionSpec",
    {
        "column": "clients.data.partition:ByColumn",
        "communities": "clients.data.communities:Communities",
        "dirichlet": "clients.data.partition:Dirichlet",
        "iid": "clients.data.partition:Iid",
        "pathological": "clients.data.partition:Pathological",
        "subjects": "clients.data.activities:BySubject",
        "users": "clients.data.interactions:ByUser",
    },
)
