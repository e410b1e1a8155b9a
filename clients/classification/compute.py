"""Where classifiers are trained."""

from __future__ import annotations

from pydantic import Field

from clients.compute import Compute, Device


class ClassifierCompute(Compute):
    """Device and strictness of classifiers' networks; whatever is not a network (forests, sums, graphs, ratings) stays on the CPU."""

    # left out where they are not set: plans from before classifiers had such keys keep their hash
    device: Device = Field("cpu", exclude_if=lambda device: device == "cpu")
    tf32: bool = Field(False, exclude_if=lambda allowed: not allowed)
    deterministic: bool = Field(False, exclude_if=lambda wanted: not wanted)


USUAL = ClassifierCompute()
