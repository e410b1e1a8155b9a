"""Partition of a graph's nodes among peers."""

from __future__ import annotations

from typing import Annotated, Literal

import numpy as np
from pydantic import Field

from clients.data import DataError, Dataset
from clients.data.partitions import PartitionSpec
from clients.data.rows import Ids


class Communities(PartitionSpec):
    """Every peer holds a community, a part of the graph with many inner edges, found by balanced label propagation.

    Parameters
    ----------
    slack : float
        How much a community may exceed the mean size, as a share of the nodes of all others.
    """

    kind: Literal["communities"] = "communities"
    slack: Annotated[float, Field(ge=0, le=1)] = 0.02

    def deal(self, data: Dataset, ids: Ids, peers: int, seed: int) -> list[Ids]:
        """Return each peer's ids, ascending; ``DataError`` if the data are no graph, or a peer would get no node."""
        from clients.data.label_propagation import adjacency, blpa

        if not len(data.edges):
            raise DataError("the data set has no edges, so no communities: take another kind of partition, or dataset = 'citations'")
        pairs = np.searchsorted(ids, data.edges[np.isin(data.edges, ids).all(axis=1)])
        part = blpa(ids, adjacency(len(ids), pairs), peers, self.slack, (seed, "deal"))
        dealt = [ids[part == peer] for peer in range(peers)]
        if empty := [peer for peer, own in enumerate(dealt) if not len(own)]:
            raise DataError(f"peer {empty[0]} gets none of {len(ids)} nodes: take fewer peers or less slack")
        return dealt
