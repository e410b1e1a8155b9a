"""What every peer of an averaging federation sends, whatever the model."""

from __future__ import annotations

COUNT = "peer/count"
"""Name, in an update, of how many rows the peer has, int64 scalar: its weight in the mean."""
