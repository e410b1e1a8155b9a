"""One relayed seed as the target of an attack: a curious neighbour attacks what it holds."""

from __future__ import annotations

from typing import Any

from server.diffusion.release.contract import Arrays, Masks, NotPlayedError, Releasing
from server.diffusion.release.update import DenoiserUpdate
from server.timeline import Round


class RelayedSeed(Releasing):
    """A view of one seed; it is attacked as a release is.

    Parameters
    ----------
    server : Releasing
        Whose evaluation, timeline and secret are used.
    seed : DenoiserUpdate
        As sent: no scale moves it, and nobody fills its cut.
    earlier : dict of int to dict
        Weights of the owner's kept seeds, by the round in which they were sent.
    """

    def __init__(self, server: Releasing, seed: DenoiserUpdate, earlier: dict[int, Arrays]) -> None:
        self.setup, self.start, self.layers = server.setup, server.start, server.layers
        self.secret, self.ledger = server.secret, server.ledger
        self.peer, self.weights, self._earlier = seed.peer, seed.weights, earlier
        self.cut: Masks = {**self.nothing, **seed.cut}
        self.frozen: Masks = self.cut

    @property
    def told(self) -> dict[str, Any]:
        """What findings say of the seed."""
        return {"policy": None, "seed_of": self.peer}

    def model_after(self, number: int) -> Arrays:
        """Return the owner's seed of an earlier round; for 0, the public start. ``NotPlayedError`` if it is not kept."""
        if number < 1:
            return self.start
        if number not in self._earlier:
            raise NotPlayedError(f"peer {self.peer}: its seed of round {number} is not kept")
        return self._earlier[number]

    def last_fill(self, now: Round) -> None:
        """Return nothing: what peers send is not filled."""
