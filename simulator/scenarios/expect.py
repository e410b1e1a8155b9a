"""The ``[[expect]]`` tables of a scenario: what must hold after a round."""

from __future__ import annotations

from typing import Annotated, Literal, Self

from pydantic import Field, PositiveInt, model_validator

from clients.spec import Spec

Count = Annotated[int, Field(ge=0)]


class Expect(Spec):
    """A condition that must hold ``after`` a round, or after the final evaluation: a ``metric`` within bounds (of the federation, or of one
    ``peer``), no peer with the seed of the ``absent`` peer, or every peer as if ``peer`` had never joined. Every metric that the data set,
    peers or server declare is allowed; some exist in certain rounds only, such as ``revived.target`` in rounds with an attack.

    Parameters
    ----------
    after : int or "final"
        The round after which it must hold; ``final`` for the final evaluation after the last one.
    metric : str, optional
        Name of a metric, such as ``accuracy.global.ensemble``; goes with ``min``, ``max`` or both.
    min : float, optional
        Smallest value of the metric.
    max : float, optional
        Largest value of the metric.
    absent : int, optional
        The peer whose seed no other peer may hold.
    equal_to : {"never_joined"}, optional
        Every other peer must be as if ``peer`` had never joined.
    peer : int, optional
        The peer that is measured, or that is treated as if it had never joined.
    """

    after: PositiveInt | Literal["final"]
    metric: str | None = None
    min: float | None = None
    max: float | None = None
    absent: Count | None = None
    equal_to: Literal["never_joined"] | None = None
    peer: Count | None = None

    @model_validator(mode="after")
    def _one_way(self) -> Self:
        if sum(way is not None for way in (self.metric, self.absent, self.equal_to)) != 1:
            raise ValueError("needs exactly one of metric, absent, equal_to: expect one thing a table")
        if (self.metric is None) != (self.min is None and self.max is None):
            raise ValueError("metric goes with min, max or both: give the bounds it must keep")
        if self.min is not None and self.max is not None and self.min > self.max:
            raise ValueError(f"min = {self.min} is above max = {self.max}: exchange them")
        if self.equal_to is not None and self.peer is None:
            raise ValueError("equal_to needs peer: say who is never to have joined")
        if self.absent is not None and self.peer is not None:
            raise ValueError("absent names the peer itself: remove peer")
        return self

    def round(self, last: int) -> int:
        """Return the number of the round; the final evaluation is the one after the ``last``."""
        return last + 1 if self.after == "final" else self.after
