"""What events have in common that name the peers concerned."""

from __future__ import annotations

from simulator.events.contract import EventSpec
from simulator.events.peers import Peers


class NamedPeers(EventSpec):
    """An event that happens to named peers.

    Parameters
    ----------
    peers : list of int or str
        Numbers of peers, or the name of a group.
    """

    peers: Peers
