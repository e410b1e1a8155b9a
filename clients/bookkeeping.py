"""Names of the arrays in a peer's main artefact that are not part of a model."""

BOOKKEEPING = "peer/"
"""Name prefix of the arrays in a main artefact that are not part of a model."""

ROWS = "peer/rows"
"""Name, in a main artefact, of the ids of the rows that the peer still has, int64, ascending; for every role."""

EDGES = "peer/edges"
"""Likewise, of the ids of the edges that the peer still has; present only if edges among its rows are missing."""

LABELS = "peer/corrected_labels"
"""Likewise, of the rows whose class has been corrected, with that class, int64 (k, 2); present only if there are any."""

CELLS = "peer/corrected_cells"
"""Likewise, of rows and columns in which a value has been corrected, int64 (k, 2); present only if there are any."""

VALUES = "peer/corrected_values"
"""Likewise, of the values in these cells, float32 (k,)."""

SPENT = "peer/spent"
"""Likewise, of what training has spent of the rows' privacy: int64 (k, 2), as `clients.privacy.accountant.Spent` writes it."""
