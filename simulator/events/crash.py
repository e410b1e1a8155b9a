"""Crashes."""

from __future__ import annotations

from typing import ClassVar, Literal

from server.timeline import CrashPhase
from simulator.events.contract import Stage
from simulator.events.named import NamedPeers
from simulator.events.world import World


class Crash(NamedPeers):
    """Peers crash in this round and are restarted from the last committed state.

    Parameters
    ----------
    phase : str
        Time of the crash in the round: before, during or after training, before or after sending.
    """

    stage: ClassVar[Stage] = "fault"
    do: Literal["crash"] = "crash"
    phase: CrashPhase = "during_training"

    def resolve(self, world: World) -> None:
        """Schedule the crashes of the peers that are online."""
        peers = world.named(self.peers)
        for peer in peers:
            world.membership.require_present(peer, "crash")
        up = [peer for peer in peers if peer in world.online]
        world.draft.crash.update(dict.fromkeys(up, self.phase))
        away = [peer for peer in peers if peer not in up]
        world.tell("crash", peers, self.phase.replace("_", " ") + "".join(f"; peer {peer} is away, nothing crashes" for peer in away))
