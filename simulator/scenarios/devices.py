"""What peers run on: profiles from which simulated seconds are computed."""

from __future__ import annotations

from pydantic import PositiveFloat, PositiveInt

from clients.spec import Spec


class Device(Spec):
    """A profile of a device. It decides what simulated time is told beside a run, never what the run computes.

    Parameters
    ----------
    speed : float
        Gradient steps per second with the models that the device trains.
    bandwidth : float
        Bytes per second that it sends or receives.
    memory : int
        Bytes for the weights that it holds.
    """

    speed: PositiveFloat
    bandwidth: PositiveFloat
    memory: PositiveInt

    def seconds(self, steps: float, size: float) -> float:
        """Return the seconds that the device takes for gradient steps, and then for bytes sent and received."""
        return steps / self.speed + size / self.bandwidth
