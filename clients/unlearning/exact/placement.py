"""Assignment of rows to shards and slices."""

from __future__ import annotations

import numpy as np

from clients import streams
from clients.data.rows import Ids
from clients.streams import Field


def places(ids: Ids, shards: int, slices: int, key: tuple[Field, ...]) -> tuple[Ids, Ids]:
    """Return the shard and the slice of each id, int64, counted from 0: functions of the key and the id alone."""
    shard = (shards * streams.uniforms(ids, *key, "shard")).astype(np.int64)
    return shard, (slices * streams.uniforms(ids, *key, "slice")).astype(np.int64)
