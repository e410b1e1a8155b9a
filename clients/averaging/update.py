"""Content of an update under federated averaging, independent of the model."""

from __future__ import annotations

COUNT = "peer/count"
"""Name, in an update, of the number of the peer's rows, int64 scalar: its weight in the mean."""
