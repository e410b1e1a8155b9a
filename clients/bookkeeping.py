"""Names of the arrays in a peer's main artefact that are not part of a model."""

BOOKKEEPING = "peer/"
"""Name prefix of the arrays in a main artefact that are not part of a model."""

ROWS = "peer/rows"
"""Name, in a main artefact, of the ids of the rows that the peer still has, int64, ascending; for every role."""

EDGES = "peer/edges"
"""Likewise, of the ids of the edges that the peer still has; present only if edges among its rows are missing."""
