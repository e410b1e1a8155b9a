"""Whether processes of a run compute alike: only then do bits repeat."""

from __future__ import annotations

import json

from clients import machine
from simulator.errors import StoppedError


def refuse_unlike(told: str, who: str) -> None:
    """Raise ``StoppedError`` if whoever ``told`` so of its machine (see `clients.machine.told`) computes otherwise than this process."""
    if apart := machine.differences(json.loads(machine.told()), json.loads(told)):
        raise StoppedError(
            f"{who} computes otherwise than the driver, so that bits would differ ({'; '.join(apart)}): take machines and versions that are"
            ' alike, or where only instructions differ run the scenario with compute.level = "avx2" or "default", which all of them have'
        )
