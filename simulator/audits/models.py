"""The networks of a run at its end, with the rows that they were trained on."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt

from clients import data, wire
from clients.classification.averaging.peer import GLOBAL, AveragedClassifierPeer
from clients.classification.hdus.peer import Peer
from clients.data.rows import Rows
from clients.language.hdus.peer import HdusLanguagePeer
from clients.models.network import Network
from clients.training import Arrays, Training
from clients.unlearning.general.curvature import Curvature
from clients.unlearning.plain import Plain
from server.audit.causes import Scores, clusters, direction, scores
from server.timeline import Erasure
from simulator.audits.contract import Branch

if TYPE_CHECKING:
    from clients.config import PeerConfig
    from clients.unlearning.general.repair import Repair


_POOLED = "the server's model"


@dataclass(frozen=True)
class Model:
    """A network at the end of a run.

    Parameters
    ----------
    name : str
        For users: ``peer 3``.
    config : PeerConfig
        Config of any peer that it belongs to.
    parts : mapping of int to Rows
        Its training rows by their holder, at least one row.
    network, weights, training
        Architecture, parameters, and how they were trained.
    """

    name: str
    config: PeerConfig
    parts: Mapping[int, Rows]
    network: Network
    weights: Arrays
    training: Training

    @property
    def source(self) -> data.Dataset:
        """The data set."""
        return data.load(self.config.data)

    @property
    def rounds(self) -> int:
        """The last round of the run."""
        return self.config.rounds

    @cached_property
    def validation(self) -> Rows:
        """The validation rows."""
        return self.source.rows(np.asarray(self.config.validation, dtype=np.int64))

    @cached_property
    def curvature(self) -> Curvature:
        """Derivatives at its weights."""
        return Curvature(self.network, self.weights, self.training)

    def failures(self) -> Rows:
        """Return the validation rows whose class is not the most probable one."""
        answers = self.network.probabilities(self.weights, self.validation.x)
        return self.validation.keep(answers.argmax(axis=1) != self.validation.y)

    def scores(self, repair: Repair) -> Scores:
        """Return the score of every training row, in the order of the holders: the direction takes sums over them, each scores its own."""
        kept = list(self.parts.values())
        precision = repair.precision(self.curvature, kept, kept[0].without(kept[0].ids), (*self.config.stream, "causes"))
        towards = direction(self.curvature, precision, self.failures())
        return np.concatenate([scores(self.curvature, towards, rows) for rows in kept])

    def clusters(self, x: npt.NDArray[np.float32], count: int) -> npt.NDArray[np.int64]:
        """Return the cluster of each input, (n,)."""
        return clusters(self.network, self.weights, x, count, self.config.stream)


@dataclass(frozen=True)
class Unjudged:
    """A main model that is not judged, and why."""

    name: str
    reason: str


def models(branch: Branch) -> Iterator[Model | Unjudged]:
    """Yield the network that the server averages, or that of every peer; others with the reason why they are not judged."""
    averaged = {number: peer for number, peer in branch.peers.items() if isinstance(peer, AveragedClassifierPeer)}
    if averaged:
        yield _of_server(branch, averaged)
        return
    for number, peer in sorted(branch.peers.items()):
        yield _of_peer(number, peer)


def asked(erasure: Erasure, branch: Branch) -> tuple[Network, Arrays] | None:
    """Return the network that had to forget, with its weights: the averaged one, or the owner's main model; None if there is none."""
    peer = branch.peers.get(erasure.peer)
    if isinstance(peer, HdusLanguagePeer):
        return peer.config.network, peer.weights
    found = [one for one in models(branch) if isinstance(one, Model) and one.name in (_POOLED, f"peer {erasure.peer}")]
    return (found[0].network, found[0].weights) if found else None


def _of_server(branch: Branch, peers: Mapping[int, AveragedClassifierPeer]) -> Model:
    config, sha256 = next(iter(peers.values())).config, branch.store.model(GLOBAL)
    assert sha256 is not None
    parts = {number: peer.config.learned(peer.rows) for number, peer in sorted(peers.items()) if len(peer.rows)}
    weights = wire.from_bytes(branch.store.artefact(sha256))
    return Model(_POOLED, config, parts, config.network, weights, config.training)


def _of_peer(number: int, peer: Any) -> Model | Unjudged:
    main = peer.main if isinstance(peer, Peer) else None
    if not isinstance(main, Plain):
        return Unjudged(f"peer {number}", f"{peer.config.model} is not one network")
    if not (main.progress and len(main.rows)):
        return Unjudged(f"peer {number}", "it has not been trained")
    return Model(f"peer {number}", peer.config, {number: main.rows}, main.network, main.weights, main.settings)
