"""A server that releases a denoiser: what attacks, defences and measurements know of it, however the release is made."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import combinations
from statistics import fmean
from typing import Any, ClassVar

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor

from clients.diffusion import local
from clients.diffusion.config import DenoisingConfig
from clients.unlearning.pruning.masks import density, overlap
from server.defences.fills import FillSpec, Gaussian
from server.defences.secret import Secret
from server.diffusion.metrics import AVERAGED, Names
from server.diffusion.release.policies import BudgetError, PolicySpec, UnionNoise, check
from server.diffusion.release.replies import Aggregate, Reply
from server.diffusion.release.update import DenoiserUpdate
from server.diffusion.timeline import Attack, ConceptTimeline, Defence
from server.ledger import FEDERATION, Ledger, RoundRecord
from server.timeline import Round

Arrays = dict[str, npt.NDArray[Any]]
Masks = dict[str, Tensor]


@dataclass(frozen=True)
class Setup:
    """Configuration of a server that releases a denoiser.

    Parameters
    ----------
    config : DenoisingConfig
        Config of any peer, with the architecture of what is released.
    backbone : bytes
        The public weights under it.
    policy : PolicySpec
    timeline : ConceptTimeline
    acting : Acting
    """

    config: DenoisingConfig
    backbone: bytes
    policy: PolicySpec
    timeline: ConceptTimeline
    acting: Acting


class NotPlayedError(Exception):
    """An attack or a defence that cannot be carried out; the message says why."""


class Acting:
    """Attacks and defences after the release of a round is made; this base class does nothing."""

    def act(self, state: Releasing, now: Round, updates: Sequence[DenoiserUpdate], record: RoundRecord) -> None:
        """Carry out the acts of the round, in order; a defence changes the state."""

    def act_again(self, state: Releasing, past: Round) -> None:
        """Repeat the acts of a past round that change the state."""

    def evaluate_finally(self, state: Releasing, record: RoundRecord) -> None:
        """Measure the release at the end."""


class Releasing(ABC):
    """A server that releases a denoiser, out of which peers have cut concepts.

    Parameters
    ----------
    setup : Setup

    Attributes
    ----------
    layers : list of str
        Names of the feed-forward output layers, out of which concepts are cut.
    start : dict of str to float array
        The exchanged weights before the first round.
    weights : dict of str to float array
        Those of the current release.
    cut : dict of str to bool tensor
        Entries that were cut, by layer: those that the policy cut or, if it keeps no cuts, those that any peer cut.
    frozen : dict of str to bool tensor
        Entries that no other peer's weights may change: the cut, and entries that a fill wrote outside it.
    secret : Secret
        Secret of the fills.
    ledger : Ledger
    """

    named: ClassVar[Names] = AVERAGED
    """Names of the release's own metrics."""
    finding: ClassVar[str] = "model"
    """Name of the finding that tells the release's accuracy."""
    weights: Arrays
    cut: Masks
    frozen: Masks
    ledger: Ledger

    def __init__(self, setup: Setup) -> None:
        self.setup = setup
        self.start: Arrays = local.exchanged(local.untrained(setup.config, setup.backbone), setup.config.denoising)
        self.layers = local.layers(setup.config, setup.backbone)
        self.secret = Secret.of_run(setup.config.run_seed)
        self._fill: FillSpec | None = None

    @abstractmethod
    def model_after(self, number: int) -> Arrays:
        """Return the release of an earlier round; for 0, the weights before the first. ``NotPlayedError`` if it cannot be had."""

    @property
    def told(self) -> dict[str, Any]:
        """What findings say of the attacked model."""
        return {"policy": self.setup.policy.name}

    def attacked(self, act: Attack, updates: Sequence[DenoiserUpdate]) -> Sequence[Releasing]:
        """Return what an attack is directed at: the release. ``NotPlayedError`` if there is nothing."""
        return [self]

    @property
    def nothing(self) -> Masks:
        """Masks that are true nowhere."""
        return masks_of_nothing(self.start, self.layers)

    def feed_forward(self, weights: Mapping[str, npt.NDArray[Any]]) -> dict[str, Tensor]:
        """Return the feed-forward output weights among the exchanged weights, by layer."""
        return feed_forward(weights, self.layers)

    def aggregate(self, updates: Sequence[DenoiserUpdate], mean: Arrays) -> tuple[Arrays, Aggregate]:
        """Return the mean of updates with the layers that peers cut folded by the policy, and what the policy made of these layers."""
        folded = self.setup.policy.aggregate([reply(update, self.layers) for update in updates], self.secret)
        return {**mean, **by_parameter(folded.weights)}, folded

    def fill(self, fill: FillSpec) -> None:
        """Fill the cut; all entries that the fill writes, also outside the cut, are frozen."""
        sealed = fill.seal(self.feed_forward(self.weights), self.cut, self.secret)
        self.weights = {**self.weights, **by_parameter(sealed.weights)}
        self.frozen = {layer: mask | sealed.filled[layer] for layer, mask in self.frozen.items()}
        self._fill = fill

    def last_fill(self, now: Round) -> FillSpec | None:
        """Return what has filled the cut last, a defence or else the policy; None if it is not filled.

        After an interruption the defences of earlier rounds are known from the timeline, unless there was nothing yet that they could fill.
        """
        weights = self.feed_forward(self.weights)
        if not any(bool(weights[layer][mask].any()) for layer, mask in self.cut.items()):
            return None
        if self._fill is not None:
            return self._fill
        earlier = [act.fill for past in self.setup.timeline.rounds[: now.round - 1] for act in past.acts if isinstance(act, Defence)]
        policy = self.setup.policy
        return earlier[-1] if earlier else Gaussian(relative=policy.ratio) if isinstance(policy, UnionNoise) else None

    def measure_release(self, updates: Sequence[DenoiserUpdate], record: RoundRecord) -> None:
        """Record the release's loss on public test images, and the metrics of its cut."""
        loss, _ = local.predicted(self.setup.config, self.setup.backbone, self.weights)
        record.metrics.append((FEDERATION, self.named.loss, loss))
        record.metrics += [(FEDERATION, f"{self.named.cut}.{name}", value) for name, value in self._of_the_cut(updates)]

    def _of_the_cut(self, updates: Sequence[DenoiserUpdate]) -> list[tuple[str, float]]:
        """Return metrics of the cut: its density, the agreement of the peers' cuts, and their share that survives in the release."""
        found: list[tuple[str, float]] = []
        if any(bool(mask.any()) for mask in self.cut.values()):
            found.append(("density", density(self.cut)))
        if masks := [update.cut for update in updates if update.cut]:
            union = cut_by_any(updates)
            held = {layer: (self.feed_forward(self.weights)[layer] == 0) | self.frozen[layer] for layer in union}
            total = sum(int(mask.sum()) for mask in union.values())
            found.append(("survival", sum(int((held[layer] & mask).sum()) for layer, mask in union.items()) / max(1, total)))
            if len(masks) > 1:
                found.append(("agreement", fmean(overlap(a, b) for a, b in combinations(masks, 2))))
        return found


def feed_forward(weights: Mapping[str, npt.NDArray[Any]], layers: Sequence[str]) -> dict[str, Tensor]:
    """Return copies of the feed-forward output weights among exchanged weights, by layer."""
    return {layer: torch.from_numpy(np.array(weights[local.parameter_of(layer)])) for layer in layers}


def masks_of_nothing(weights: Mapping[str, npt.NDArray[Any]], layers: Sequence[str]) -> Masks:
    """Return masks of these layers that are true nowhere."""
    return {layer: torch.zeros(weights[local.parameter_of(layer)].shape, dtype=torch.bool) for layer in layers}


def reply(update: DenoiserUpdate, layers: Sequence[str]) -> Reply:
    """Return what a policy folds of an update."""
    return Reply(str(update.peer), feed_forward(update.weights, layers), update.cut, float(update.count))


def over_budget(update: DenoiserUpdate, layers: Sequence[str], policy: PolicySpec) -> str | None:
    """Return that an update cuts more than a policy's budget; None if it does not. Who reads it knows the peer."""
    try:
        check([reply(update, layers)], policy.budget)
    except BudgetError as error:
        return str(error).removeprefix(f"client {update.peer}: ")
    return None


def by_parameter(layers: Mapping[str, Tensor]) -> Arrays:
    """Return feed-forward output weights by parameter name, as in the exchanged weights."""
    return {local.parameter_of(layer): weight.numpy() for layer, weight in layers.items()}


def cut_by_any(updates: Sequence[DenoiserUpdate]) -> Masks:
    """Return the entries that any of the updates cuts, by layer; layers that none cuts are left out."""
    layers = sorted({layer for update in updates for layer in update.cut})
    return {layer: torch.stack([update.cut[layer] for update in updates if layer in update.cut]).any(0) for layer in layers}
