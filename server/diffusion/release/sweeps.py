"""The curves of one erased concept, computed at the first attack on it: accuracies of the model under one varied setting."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence, Set
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy.typing as npt
from torch import Tensor

from clients.diffusion import local
from clients.streams import Field
from clients.unlearning.pruning.concept_prune import ConceptPrune
from clients.unlearning.pruning.recorder import Activity
from server.diffusion.audit.trial import Release, Weights
from server.diffusion.evaluation import SampleEvaluation
from server.diffusion.release import curves
from server.diffusion.release.contract import Releasing, by_parameter
from server.diffusion.release.curves import Ladder
from server.diffusion.release.server_mask import ServerMask
from server.diffusion.release.update import DenoiserUpdate, activity
from server.diffusion.timeline import ConceptErasure
from server.revival.attack import Revival

Arrays = dict[str, npt.NDArray[Any]]


@dataclass(frozen=True)
class Sweeps:
    """The inputs of the curves of a concept.

    Parameters
    ----------
    evaluation : SampleEvaluation
        Samples from given weights and lets the judge predict their concepts.
    state : Releasing
        The server, whose secret, policy and earlier models are read.
    erasure : ConceptErasure
        The first request to erase the concept.
    release : Release
        What was published in this round, with the cut that it contains.
    original : dict of str to float32 array
        The global model before the erasure.
    updates : sequence of DenoiserUpdate
        The updates of this round.
    erased : set of int
        Concepts that do not count as others, as they are erased, too.
    """

    evaluation: SampleEvaluation
    state: Releasing
    erasure: ConceptErasure
    release: Release
    original: Arrays
    updates: Sequence[DenoiserUpdate]
    erased: Set[int]

    def turned(self, ladder: Ladder, settings: Revival) -> Iterator[dict[str, Any]]:
        """Yield the curves: the concept, the varied setting, the policy, and the points."""
        secret, own, original = self.state.secret, self.state.setup.policy.name, self.release.original
        yield self._curve("noise", own, curves.noise(self.release, ladder.noise_levels, self._now, settings, secret))
        if any(bool(mask.any()) for mask in self.release.cut.values()):
            yield self._curve("sparsity", own, curves.sparsity(original, ladder.sparsities, self._masks, self._before, settings))
        for policy in ladder.policies if len(self._cuts) > 1 else ():
            if isinstance(policy, ServerMask):
                points = curves.listening(original, self._heard, ladder.shares, policy, self._rule, self._before)
            else:
                points = curves.dilution(original, self._cuts, ladder.shares, policy, self._before, secret)
            yield self._curve("share", policy.name, points)

    def _curve(self, kind: str, policy: str, points: Iterator[dict[str, Any]]) -> dict[str, Any]:
        return {"concept": self.erasure.concept, "kind": kind, "policy": policy, "points": list(points)}

    def _now(self, weights: Weights) -> dict[str, float]:
        """Score feed-forward output weights in the current model."""
        return self._score(weights, self.state.weights)

    def _before(self, weights: Weights) -> dict[str, float]:
        """Score feed-forward output weights in the model before the erasure."""
        return self._score(weights, self.original)

    def _score(self, weights: Weights, base: Mapping[str, npt.NDArray[Any]]) -> dict[str, float]:
        shown = self.evaluation.show({**base, **by_parameter(weights)}, self.erasure.concept, erased=self.erased)
        return {"target": shown.target, "others": shown.others}

    @property
    def _rule(self) -> ConceptPrune:
        """The rule by which curves cut: that of the erasure, else that of the method its control imitates, else the default."""
        used = getattr(self.erasure.method, "like", self.erasure.method)
        return used if isinstance(used, ConceptPrune) else ConceptPrune(calls=min(8, self.state.setup.config.sampling.steps))

    def _masks(self, share: float) -> Mapping[str, Tensor]:
        """Return a cut of another size, given as the share of a row that may be cut."""
        setup = self.state.setup
        rule, key = self._rule.model_copy(update={"share": share}), (setup.config.run_seed, "sparsity")
        made = local.erased(setup.config, setup.backbone, self.original, rule, self.erasure.concept, self.evaluation.images, key)
        return local.unpacked(made)

    @cached_property
    def _heard(self) -> list[tuple[Activity, Activity]]:
        """Activation statistics of each peer that cut, computed as if the policy collected them; those of the asked peers if it does."""
        setup, told = self.state.setup, []
        asked = {peer for one in setup.timeline.concepts if one.concept == self.erasure.concept for peer in one.peers}
        for peer in [update.peer for update in self.updates if (update.peer in asked if setup.policy.collects_statistics else update.cut)]:
            key: tuple[Field, ...] = (*setup.config.model_copy(update={"peer": peer}).stream, "erase", self.erasure.index)
            what = setup.config, setup.backbone, self.original, self._rule, self.erasure.concept, self.evaluation.images, key
            arrays = local.heard(*what)
            told.append((activity(arrays, "target"), activity(arrays, "base")))
        return told

    @cached_property
    def _cuts(self) -> list[Mapping[str, Tensor]]:
        """The peers' cuts; under a policy that collects statistics, the cuts that the peers would have made from theirs."""
        if self.state.setup.policy.collects_statistics:
            return [self._rule.masks(self.release.original, *pair) for pair in self._heard]
        return [update.cut for update in self.updates if update.cut]
