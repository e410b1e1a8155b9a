"""The server of peers that exchange seed denoisers: it sends out the public backbones and forwards requests."""

from __future__ import annotations

from collections.abc import Mapping

from flwr.app import ArrayRecord, ConfigRecord

from clients import wire
from clients.diffusion.hdus import evaluation
from clients.diffusion.hdus.config import HdusDenoisingConfig
from clients.diffusion.judges.spec import told as told_of
from clients.diffusion.spec import Axis
from server.coordinator import Coordinator
from server.diffusion.timeline import ConceptTimeline
from server.ledger import FEDERATION, RoundRecord
from server.timeline import Round


class Neighbourhood(Coordinator):
    """A server without a model of its own; see `Coordinator`.

    Parameters
    ----------
    config : HdusDenoisingConfig
        Config of any peer.
    backbone, seed_backbone : bytes
        Public initial weights of main models and seed denoisers, as safetensors files.
    timeline : ConceptTimeline
    """

    def __init__(self, config: HdusDenoisingConfig, backbone: bytes, seed_backbone: bytes, timeline: ConceptTimeline) -> None:
        self._config = config
        self._public = {"backbone": wire.pack(backbone), "seed_backbone": wire.pack(seed_backbone)}
        self._timeline = timeline

    def public(self) -> Mapping[str, ArrayRecord]:
        """Return both backbones."""
        return self._public

    def payload(self, peer: int, now: Round) -> Mapping[str, ArrayRecord | ConfigRecord]:
        """Return all requests to erase a concept that this peer has received so far; the peer carries out each one once."""
        return {"orders": ConfigRecord({"erase": self._timeline.asked(peer, now.round)})}

    def evaluate_finally(self, now: Round, record: RoundRecord) -> None:
        """Record the judged accuracy of the ensembles' and the main models' samples, averaged over the evaluated peers."""
        means = {name: value for peer, name, value in record.metrics if peer == FEDERATION}
        if "accuracy.sampled" not in means:
            return
        classes = {str(number): means[f"accuracy.sampled.{number}"] for number in range(self._config.denoiser.classes)}
        told = {"sampled": means["accuracy.sampled"], "local": means["accuracy.local"], "classes": classes}
        axes: tuple[Axis, ...] = ("class", "style") if self._config.denoiser.styles else ("class",)
        if self._config.denoiser.styles:
            told["cross"] = means["accuracy.sampled.cross"]
        judges = {axis: evaluation.judge(self._config, axis) for axis in axes}
        record.findings += [("model", told), ("judge", told_of(judges))]
