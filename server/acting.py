"""The server as attacker and defender of its own aggregate: attacks measure and change nothing, defences stay."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from itertools import takewhile
from typing import Any

import numpy as np
import numpy.typing as npt

from clients import wire
from clients.diffusion import metrics
from clients.unlearning.pruning.masks import density
from server.audit.curves import Ladder
from server.audit.trial import NAMES, Outcome, Release, Weights, attack
from server.averaging import Acting, Averaging, by_parameter
from server.concepts import Attack, ConceptRound, Defence
from server.defences.recommend import recommend
from server.knobs import Knobs
from server.ledger import FEDERATION, Page
from server.revival.attack import Revival
from server.revival.knowledge import Adaptive, History, UnprunedClient, WeightsOnly, WithDensity, WithMask, WithShares
from server.studio import Shown, Studio, bytes_of
from server.timeline import Round
from server.update import Update

PICTURES = 8
"""Samples of the concept, and of other classes, that are kept of every version: as many as a report has room for."""


class Playing(Acting):
    """Plays the acts of the timeline.

    Parameters
    ----------
    studio : Studio
    ladder : Ladder
        Points of the curves that are taken at the first attack on a concept.
    """

    def __init__(self, studio: Studio, ladder: Ladder) -> None:
        self.studio, self.ladder = studio, ladder

    def act(self, state: Averaging, now: Round, updates: Sequence[Update], page: Page) -> None:
        """Carry out the acts of the round, in order."""
        for act in now.acts if isinstance(now, ConceptRound) else ():
            if not any(bool(mask.any()) for mask in state.cut.values()):
                page.events.append((act.do, (), "not carried out: nothing has been cut yet"))
                continue
            try:
                if isinstance(act, Defence):
                    state.fill(act.fill)
                else:
                    self._attack(act, state, now, updates, page)
            except ValueError as error:  # a cut that leaves nothing to learn from
                page.events.append((act.do, (), f"not carried out: {error}"))

    def examine(self, state: Averaging, page: Page) -> None:
        """Let the judge see samples of the final model, and say which fill would hide the cut."""
        shown = self.studio.show(state.weights, 0, metrics.Budget(self.studio.budget.others, self.studio.budget.others))
        sampled = float(np.mean(list(shown.each.values())))
        page.metrics.append((FEDERATION, "accuracy.sampled", sampled))
        classes = {str(value): share for value, share in shown.each.items()}
        page.findings.append(("model", {"sampled": sampled, "classes": classes} | _cross(shown)))
        judges = self.studio.judges
        style = {"style_held_out_accuracy": judges["style"].accuracy} if "style" in judges else {}
        page.findings.append(("judge", {"held_out_accuracy": judges["class"].accuracy} | style))
        if any(bool(mask.any()) for mask in state.cut.values()):
            pruned = {layer: w.masked_fill(state.cut[layer], 0.0) for layer, w in state.feed_forward(state.weights).items()}
            page.findings.append(("recommendation", recommend(pruned, state.cut, state.secret)))

    def _attack(self, act: Attack, state: Averaging, now: Round, updates: Sequence[Update], page: Page) -> None:
        """Attack the aggregate as it is now, and write down what came of it."""
        release = self._release(act.concept, state, now)
        known = _knowledge(act, state, release, updates)
        if known is None:
            raise ValueError("no uncut update came in this round, so there is nothing to copy")
        outcome = attack(release, act.adversary, known, (state.setup.brief.run_seed, "control", act.concept), state.secret)
        original = state.past(self._erased_in(act.concept, state) - 1)
        shown = {
            name: self.studio.show(original if name == "original" else _with(state, weights), act.concept)
            for name, weights in outcome.versions.items()
        }
        self._write(act, state, outcome, shown, page)
        if not any(act.concept == one.concept for one in _earlier_attacks(state, now, act)):
            erasure = next(one for one in state.setup.timeline.concepts if one.concept == act.concept)
            knobs = Knobs(self.studio, state, erasure, release, original, updates)
            settings = getattr(act.adversary, "revival", Revival())
            page.findings += [("curve", curve) for curve in knobs.turned(self.ladder, settings) if curve["points"]]

    def _release(self, concept: int, state: Averaging, now: Round) -> Release:
        original = state.feed_forward(state.past(self._erased_in(concept, state) - 1))
        return Release(state.feed_forward(state.weights), original, state.cut, state.filled(now))

    @staticmethod
    def _erased_in(concept: int, state: Averaging) -> int:
        """Return the round in which a concept was first to be erased."""
        return min(one.round for one in state.setup.timeline.concepts if one.concept == concept)

    def _write(self, act: Attack, state: Averaging, outcome: Outcome, shown: Mapping[str, Shown], page: Page) -> None:
        """Write an attack's measurements, pictures and time on the page."""
        blob = wire.to_bytes(_pictures(shown, act.concept))
        images = wire.sha256(blob)
        page.artefacts[images] = blob
        number = sum(name == "revival" for name, _ in page.findings)
        page.models[f"images/{number}"] = images
        page.timings.append((FEDERATION, f"attack/{number}", outcome.seconds))
        scores = {name: {"target": shown[name].target, "others": shown[name].others} | _cross(shown[name]) for name in NAMES}
        page.metrics += [(FEDERATION, f"{name}.{part}", value) for name in NAMES for part, value in scores[name].items() if number == 0]
        page.findings.append(
            (
                "revival",
                {
                    "concept": act.concept,
                    "policy": state.setup.policy.name,
                    "knowledge": _kind(act.adversary),
                    "completion": _kind(getattr(act.adversary, "revival", Revival()).completion),
                    **scores,
                    "sign_accuracy": outcome.sign_accuracy,
                    "sign_accuracy_top_fifth": outcome.sign_accuracy_top_fifth,
                    "location_auc": outcome.location_auc,
                    "column_auc": outcome.column_auc,
                    "density": density(state.cut),
                    "said": outcome.said,
                    "images": images,
                },
            )
        )


def _knowledge(act: Attack, state: Averaging, release: Release, updates: Sequence[Update]) -> WeightsOnly | None:
    """Return what the adversary may know, made from what the server sent and received; None if there is no uncut update."""
    weights, wanted = release.weights, act.adversary.knowledge
    if wanted == "WeightsOnly":
        return WeightsOnly(weights)
    if wanted == "WithDensity":
        return WithDensity(weights, density(release.cut))
    if wanted == "Adaptive":
        return Adaptive(weights, density(release.cut), release.ratio)
    if wanted == "WithMask":
        return WithMask(weights, release.cut)
    if wanted == "WithShares":
        total = sum(update.count for update in updates)
        return WithShares(weights, release.cut, sum(update.count for update in updates if update.cut) / max(1, total))
    if wanted == "History":
        erased = Playing._erased_in(act.concept, state)
        return History(weights, tuple(state.feed_forward(state.past(number)) for number in range(max(0, erased - 2), erased)))
    uncut = [update for update in updates if not update.cut]
    return UnprunedClient(weights, state.feed_forward(uncut[0].weights)) if uncut else None


def _earlier_attacks(state: Averaging, now: Round, act: Attack) -> list[Attack]:
    """Return the attacks before this one."""
    acts = [one for past in state.setup.timeline.rounds[: now.round] for one in past.acts]
    before = takewhile(lambda one: one is not act, acts)
    return [one for one in before if isinstance(one, Attack)]


def _with(state: Averaging, weights: Weights) -> dict[str, npt.NDArray[Any]]:
    """Return the global model with other feed-forward output weights."""
    return {**state.weights, **by_parameter(weights)}


def _cross(shown: Shown) -> dict[str, float]:
    """Return the accuracy on the other axis, where there is one."""
    return {} if shown.cross is None else {"cross": shown.cross}


def _pictures(shown: Mapping[str, Shown], concept: int) -> dict[str, npt.NDArray[Any]]:
    """Return some samples of every version as bytes, the verdicts, and what was asked for: first the concept, then other classes.

    Of every other class comes one before a second of any.
    """
    asked = shown["original"].asked  # ascending
    nth = np.arange(len(asked)) - np.searchsorted(asked, asked)
    others = [place for place in np.lexsort((asked, nth)) if asked[place] != concept]
    chosen = np.array([*np.flatnonzero(asked == concept)[:PICTURES], *others[:PICTURES]])
    arrays: dict[str, npt.NDArray[Any]] = {"conditions": asked[chosen]}
    for name, one in shown.items():
        arrays[name], arrays[f"judged_{name}"] = bytes_of(one.pixels[chosen]), one.judged[chosen]
    return arrays


def _kind(spec: object) -> str:
    return str(getattr(spec, "kind"))  # noqa: B009  every registered spec has a tag
