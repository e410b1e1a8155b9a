"""The methods that a peer carries out on the records that it has: prompts, and those that change weights."""

from __future__ import annotations

LOSSES = ("grad_diff", "npo", "simnpo", "rmu", "undial")
NEIGHBOURS = ("in_context", "gradient_ascent", *LOSSES, "neggrad_plus", "random_labels", "nothing")
"""By their ``kind`` under ``lethe.methods``."""
