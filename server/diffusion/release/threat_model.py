"""The knowledge of an adversary of the aggregate, built from what the server sent and received; or why it cannot be provided."""

from __future__ import annotations

from collections.abc import Sequence
from copy import deepcopy

import torch

from clients.diffusion import local
from clients.diffusion.images import Images
from clients.streams import bottom
from clients.unlearning.pruning.masks import density
from server.diffusion.audit.trial import Release, Weights
from server.diffusion.evaluation import SampleEvaluation
from server.diffusion.release.contract import NotPlayedError, Releasing
from server.diffusion.release.examples import own_releases
from server.diffusion.release.update import DenoiserUpdate
from server.diffusion.timeline import Attack, ConceptErasure
from server.revival.inversion import Inverter
from server.revival.knowledge import (
    Adaptive,
    Example,
    History,
    OtherImages,
    OwnEmbedding,
    OwnImages,
    OwnReleases,
    UnprunedClient,
    WeightsOnly,
    WithActivity,
    WithDensity,
    WithMask,
    WithShares,
)
from server.revival.locate import ExactZeros
from server.revival.naming import activities
from server.revival.tuning import Tuner
from server.timeline import Round


def first_request(concept: int, state: Releasing) -> ConceptErasure:
    """Return the first request to erase a concept."""
    return next(one for one in state.setup.timeline.concepts if one.concept == concept)


def release(concept: int, state: Releasing, now: Round) -> Release:
    """Return the release of a round with the evaluator's knowledge; its cut is empty if the concept was erased without cutting."""
    requests = [one for one in state.setup.timeline.concepts if one.concept == concept and one.round <= now.round]
    cuts = any(one.method.zeroes for one in requests)
    cut = state.cut if cuts else {layer: mask & False for layer, mask in state.cut.items()}
    original = state.feed_forward(state.model_after(first_request(concept, state).round - 1))
    return Release(state.feed_forward(state.weights), original, cut, state.last_fill(now) is not None)


def require_something_to_learn_from(one: Release) -> None:
    """Raise ``NotPlayedError`` if a layer is cut completely or the model has diverged."""
    for layer, weight in one.weights.items():
        if bool(one.cut[layer].all()):
            raise NotPlayedError(f"layer {layer}: every entry is cut, so nothing is left to learn from; cut less")
        if not bool(weight.isfinite().all()):
            raise NotPlayedError(f"layer {layer}: weights are not finite, the model has diverged; lower the learning rate")


def knowledge(
    act: Attack, state: Releasing, now: Round, one: Release, updates: Sequence[DenoiserUpdate], evaluation: SampleEvaluation
) -> WeightsOnly:
    """Return the knowledge of an attack's adversary; `NotPlayedError` if it is not available or of no use."""
    require_something_to_learn_from(one)
    weights, wanted = one.weights, act.adversary.knowledge
    if not one.masked:
        _require_other_traces(act, state)
    if wanted == "WithDensity":
        return WithDensity(weights, density(one.cut))
    if wanted == "Adaptive":
        return Adaptive(weights, density(one.cut), one.ratio)
    if wanted == "WithMask":
        return WithMask(weights, one.cut)
    if wanted == "WithShares" and act.target == "seed":
        raise NotPlayedError("a seed is no mean of several, so that nothing is diluted: take mask_oracle")
    if wanted == "WithShares":
        total = sum(update.count for update in updates)
        return WithShares(weights, one.cut, sum(update.count for update in updates if update.cut) / max(1, total))
    if wanted == "History":
        erased = first_request(act.concept, state).round
        return History(weights, tuple(state.feed_forward(state.model_after(number)) for number in range(max(0, erased - 2), erased)))
    if wanted == "UnprunedClient":
        return UnprunedClient(weights, state.feed_forward(_uncut(act, state, now, updates).weights))
    if wanted == "OwnReleases":
        return OwnReleases(weights, _examples(act, state, now))
    if wanted in ("OwnImages", "OtherImages", "OwnEmbedding", "WithActivity"):
        return _with_whole_model(act, state, weights, evaluation)
    return WeightsOnly(weights)


def _with_whole_model(act: Attack, state: Releasing, weights: Weights, evaluation: SampleEvaluation) -> WeightsOnly:
    """Return the knowledge of who uses the whole released model: to train it or an embedding, or to sample every concept from it."""
    config, wanted = state.setup.config, act.adversary.knowledge
    axis, target = config.denoiser.axis(act.concept)
    model = deepcopy(local.model(config, state.setup.backbone, state.weights))
    if wanted == "WithActivity":
        calls, about = min(getattr(act.adversary, "calls", config.sampling.steps), config.sampling.steps), (config.run_seed, "naming")
        return WithActivity(weights, activities(model, axis, about, calls, sampling=config.sampling, noise=config.denoising.noise))
    others, key = wanted == "OtherImages", (config.run_seed, "adversary", act.concept)
    draws = model, _own_images(act, state, evaluation, others), config.denoising.noise, key
    if wanted == "OwnEmbedding":
        return OwnEmbedding(weights, len(draws[1]), Inverter(*draws, axis, target))
    return (OtherImages if others else OwnImages)(weights, len(draws[1]), Tuner(*draws))


def _examples(act: Attack, state: Releasing, now: Round) -> tuple[Example, ...]:
    """Return the adversary's own releases, cut and filled as is published; `NotPlayedError` if no other concept can be cut."""
    cutting = next(one.method for one in state.setup.timeline.concepts if one.concept == act.concept and one.method.zeroes)
    made = tuple(own_releases(state, act.concept, cutting, state.last_fill(now)))
    if not made:
        raise NotPlayedError("no other concept can be cut from the release, so the adversary has no cut to learn from")
    edited = torch.cat([mask.any(dim=0) for _, masks in made for mask in masks.values()])
    if bool(edited.all()):
        raise NotPlayedError("the eraser cuts every column, so that edited ones cannot be told from others; take mask_oracle")
    return made


def _require_other_traces(act: Attack, state: Releasing) -> None:
    """Raise ``NotPlayedError`` if the adversary needs a cut and there is none."""
    method = first_request(act.concept, state).method
    if method.zeroes:
        raise NotPlayedError("nothing has been cut yet")
    kind = method.tag
    if act.adversary.knowledge in ("WithDensity", "Adaptive", "WithMask", "WithShares", "OwnReleases"):
        raise NotPlayedError(f"{kind} cuts nothing out, so there is no cut to know of; take historian, or zero_scan with a location")
    settings = getattr(act.adversary, "revival", None)
    if settings is not None and isinstance(settings.location, ExactZeros):
        raise NotPlayedError(f"{kind} leaves no zeros to find; set adversary.revival.location to threshold or extremes")


def _own_images(act: Attack, state: Releasing, evaluation: SampleEvaluation, others: bool) -> Images:
    """Return the adversary's own images of the concept, or of ``others``: public test images, which no peer has."""
    config, wanted = state.setup.config, getattr(act.adversary, "images", 1)
    axis, value = config.denoiser.axis(act.concept)
    labels = evaluation.images.classes if axis == "class" else evaluation.images.styles
    assert labels is not None
    found = [row for row in config.test if (int(labels[row]) == value) != others]
    if not found:
        shows = "another concept" if others else "the concept"
        raise NotPlayedError(f"no public test image shows {shows}, so the adversary has none of its own; raise data.test")
    return evaluation.images.select(torch.tensor(sorted(bottom(wanted, found, config.run_seed, "own images"))))


def _uncut(act: Attack, state: Releasing, now: Round, updates: Sequence[DenoiserUpdate]) -> DenoiserUpdate:
    """Return the first update of a peer that has neither cut anything nor erased the concept in its own copy by other means."""
    timeline = state.setup.timeline
    about = {one.index for one in timeline.concepts if one.concept == act.concept and not state.setup.policy.collects_statistics}
    asked = {peer for past in timeline.rounds[: now.round] for peer, orders in past.erase.items() if about.intersection(orders)}
    uncut = [update for update in updates if not update.cut and update.peer not in asked]
    if not uncut:
        raise NotPlayedError("no uncut update came in this round, so there is nothing to copy; attack in another round")
    return uncut[0]
