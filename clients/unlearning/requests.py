"""Reading a request to forget rows."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from clients.data.rows import Ids
from clients.unlearning.contract import UnlearningError


def named_rows(request: npt.ArrayLike, held: Ids) -> Ids:
    """Return the requested ids, ascending int64; ``UnlearningError`` naming the first that is repeated or not held."""
    ids = np.sort(np.asarray(request, dtype=np.int64).reshape(-1))
    repeated = ids[1:][ids[1:] == ids[:-1]]
    if len(repeated):
        raise UnlearningError(f"row {repeated[0]} is named twice in one request: name it once")
    strangers = ids[~np.isin(ids, held)]
    if len(strangers):
        raise UnlearningError(f"row {strangers[0]} is not held (never given, or already forgotten): name only rows that are held")
    return ids
