"""Where a run computes: settled when its plan is made, and looked at again when it is resumed."""

from __future__ import annotations

from collections.abc import Iterable
from functools import cached_property
from typing import Any, TypeVar

from clients.compute import Compute
from clients.config import PeerConfig
from simulator.scenarios.resolution import Resolution
from simulator.scenarios.scenario import Scenario

S = TypeVar("S", bound=Scenario)


class PlacedResolution(Resolution[S]):
    """Resolution of a scenario whose table ``[compute]`` says where it computes."""

    def config(self, peer: int, **constants: Any) -> PeerConfig:
        """Return a peer's config."""
        return super().config(peer, compute=self.compute, **constants)

    @cached_property
    def compute(self) -> Compute:
        """Return the compute settings resolved for this machine; if that fails, record an error and return the CPU."""
        asked = self.scenario.compute
        assert isinstance(asked, Compute)
        try:
            return asked.settled()
        except ValueError as error:
            self.wrong("compute", str(error))
            return type(asked)()

    def check_workers(self) -> None:
        """Record an error for GPU shares reserved in a run on the CPU, and for workers on a GPU without a reserved share."""
        engine, device = self.scenario.engine, self.compute.device
        asked = self.scenario.compute
        assert isinstance(asked, Compute)
        kind = engine.tag
        if engine.gpus_per_worker and device == "cpu" and asked.device != "cuda":
            what = f'is {engine.gpus_per_worker:g}, but the run computes on the CPU: set compute.device = "cuda", or this to 0'
            self.wrong("engine.gpus_per_worker", what)
        elif device == "cuda" and kind in ("ray", "flower") and not engine.gpus_per_worker:
            what = f"is 0, but workers of {kind} are to compute on CUDA: set aside a share of a GPU for each, for example 0.25"
            self.wrong("engine.gpus_per_worker", what)


def lacking(computed: Iterable[tuple[str, Compute]]) -> str | None:
    """Return an error line if something was planned for CUDA and there is none, as in a run begun on another machine; else None.

    ``computed`` holds what computes, in words, and its settings.
    """
    for what, compute in computed:
        try:
            compute.place()
        except ValueError as error:
            return f"{what} was planned elsewhere, with {error} in a new run, or resume this one where there is such a device"
    return None
