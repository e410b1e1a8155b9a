"""Attacks on and defences of the aggregate: attacks only measure, defences change the model permanently."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from typing import Any

import numpy as np
import numpy.typing as npt

from clients import wire
from clients.diffusion import metrics
from clients.diffusion.judges.spec import told as told_of
from clients.unlearning.pruning.masks import density
from server.defences.recommend import recommend
from server.diffusion.audit.trial import Outcome, Release, Weights, attack
from server.diffusion.evaluation import SampleEvaluation, Shown, bytes_of
from server.diffusion.metrics import VERSIONS
from server.diffusion.release.contract import Acting, NotPlayedError, Releasing, by_parameter
from server.diffusion.release.curves import Ladder
from server.diffusion.release.sweeps import Sweeps
from server.diffusion.release.threat_model import first_request, knowledge, release, require_something_to_learn_from
from server.diffusion.release.update import DenoiserUpdate
from server.diffusion.scores import details, of_versions
from server.diffusion.timeline import Attack, ConceptErasure, ConceptRound, Defence
from server.ledger import FEDERATION, RoundRecord
from server.revival.attack import Revival
from server.timeline import Round

PICTURES = 8
"""Samples of the concept, and as many of other classes, kept of every version; limited by the report's space."""


class Playing(Acting):
    """Carries out the attacks and defences of the timeline.

    Parameters
    ----------
    evaluation : SampleEvaluation
    ladder : Ladder
        Points of the curves, which are computed at the first attack on a concept that can be carried out and finds a cut.
    """

    def __init__(self, evaluation: SampleEvaluation, ladder: Ladder) -> None:
        self.evaluation, self.ladder = evaluation, ladder

    def act(self, state: Releasing, now: Round, updates: Sequence[DenoiserUpdate], record: RoundRecord) -> None:
        """Score the erasures that all their peers have received by now, then carry out the acts of the round, in order."""
        for one in state.setup.timeline.concepts:
            if _asked_of_all(one, state) == now.round:
                self._score(one, state, now, record)
        for act in now.acts if isinstance(now, ConceptRound) else ():
            with _noted(act, record):
                if isinstance(act, Defence):
                    self._defend(act, state, now)
                    continue
                for model in state.attacked(act, updates):
                    with _noted(act, record):
                        self._attack(act, model, now, updates, record)

    def act_again(self, state: Releasing, past: Round) -> None:
        """Repeat the round's defences; attacks change nothing."""
        for act in past.acts if isinstance(past, ConceptRound) else ():
            if isinstance(act, Defence):
                with suppress(NotPlayedError):
                    self._defend(act, state, past)

    def evaluate_finally(self, state: Releasing, record: RoundRecord) -> None:
        """Evaluate samples of the final model with the judges, and recommend a fill that would hide the cut."""
        shown = self.evaluation.show(state.weights, 0, metrics.Budget(self.evaluation.budget.others, self.evaluation.budget.others))
        sampled = float(np.mean(list(shown.each.values())))
        record.metrics.append((FEDERATION, state.named.accuracy, sampled))
        classes = {str(value): share for value, share in shown.each.items()}
        told = {"sampled": sampled, "classes": classes} | ({} if shown.cross is None else {"cross": shown.cross})
        record.findings.append((state.finding, told | details(shown, self.evaluation, 0, _erased(state, state.setup.timeline.rounds[-1]))))
        record.findings.append(("judge", told_of(self.evaluation.judges)))
        if any(bool(mask.any()) for mask in state.cut.values()):
            pruned = {layer: w.masked_fill(state.cut[layer], 0.0) for layer, w in state.feed_forward(state.weights).items()}
            record.findings.append(("recommendation", recommend(pruned, state.cut, state.secret)))

    def _score(self, one: ConceptErasure, state: Releasing, now: Round, record: RoundRecord) -> None:
        """Record the sample accuracy of the concept and of the others, before the erasure and now."""
        models = {"erased": state.weights}
        with suppress(NotPlayedError):  # it cannot be had where nobody is left of those who made it
            models = {"original": state.model_after(first_request(one.concept, state).round - 1), **models}
        shown = {name: self.evaluation.show(weights, one.concept, erased=_erased(state, now)) for name, weights in models.items()}
        told = of_versions(shown, self.evaluation, one.concept, _erased(state, now))
        if not any(name == "erasure" for name, _ in record.findings):
            record.metrics += [(FEDERATION, f"erased.{part}", told["erased"][part]) for part in ("target", "others")]
        record.findings.append(("erasure", {"index": one.index, **told}))

    def _defend(self, act: Defence, state: Releasing, now: Round) -> None:
        """Fill the cut; ``NotPlayedError`` if there is none."""
        if not any(bool(mask.any()) for mask in state.cut.values()):
            raise NotPlayedError("nothing has been cut that could be filled")
        weights = state.feed_forward(state.weights)
        require_something_to_learn_from(Release(weights, weights, state.cut, state.last_fill(now) is not None))
        state.fill(act.fill)

    def _attack(self, act: Attack, state: Releasing, now: Round, updates: Sequence[DenoiserUpdate], record: RoundRecord) -> None:
        """Attack the current aggregate, and record the measurements."""
        released, erasure = release(act.concept, state, now), first_request(act.concept, state)
        known = knowledge(act, state, now, released, updates, self.evaluation)
        config = state.setup.config
        settings: Revival = getattr(act.adversary, "revival", None) or Revival().settled(config.compute.device)
        outcome = attack(released, act.adversary, known, (config.run_seed, "control", act.concept), state.secret, settings)
        original = state.model_after(erasure.round - 1)
        shown = {
            name: self.evaluation.show(
                original if name == "original" else _with(state, weights),
                act.concept,
                erased=_erased(state, now),
                embedding=outcome.embedding if name == "revived" else None,
            )
            for name, weights in outcome.versions.items()
        }
        told = of_versions(shown, self.evaluation, act.concept, _erased(state, now))
        images = self._keep_pictures(shown, act.concept, record)
        cut = density(released.cut) if released.masked else None
        self._write(act, state, outcome, _named(act, state, now, outcome) | {"density": cut}, told, images, record)
        if released.masked and act.target == "release" and not _drawn(act.concept, state, record):
            sweeps = Sweeps(self.evaluation, state, erasure, released, original, updates, _erased(state, now))
            record.findings += [("curve", curve) for curve in sweeps.turned(self.ladder, settings) if curve["points"]]

    def _keep_pictures(self, shown: Mapping[str, Shown], concept: int, record: RoundRecord) -> str:
        """Keep samples of every version of an attack, and return their hash."""
        blob = wire.to_bytes(_pictures(shown, concept))
        images = wire.sha256(blob)
        record.artefacts[images] = blob
        record.models[f"images/{_attacks(record)}"] = images
        return images

    def _write(
        self,
        act: Attack,
        state: Releasing,
        outcome: Outcome,
        found: Mapping[str, Any],
        told: Mapping[str, dict[str, Any]],
        images: str,
        record: RoundRecord,
    ) -> None:
        """Write an attack's measurements and time to the record."""
        number = _attacks(record)
        record.timings.append((FEDERATION, f"attack/{number}", outcome.seconds))
        if number == 0 and act.target == "release":
            record.metrics += [(FEDERATION, f"{name}.{part}", one[part]) for name, one in told.items() for part in ("target", "others")]
        record.findings.append(
            (
                "revival",
                {
                    "concept": act.concept,
                    **state.told,
                    "adversary": act.adversary.tag,
                    "knowledge": act.adversary.knows(),
                    "completion": _completion(act),
                    **{name: told.get(name) for name in VERSIONS},
                    "sign_accuracy": outcome.sign_accuracy,
                    "sign_accuracy_top_fifth": outcome.sign_accuracy_top_fifth,
                    "location_auc": outcome.location_auc,
                    "column_auc": outcome.column_auc,
                    "n": outcome.n,
                    "interval": outcome.interval,
                    **found,
                    "said": outcome.said,
                    "images": images,
                },
            )
        )


@contextmanager
def _noted(act: Attack | Defence, record: RoundRecord) -> Iterator[None]:
    """Write to the record why an act was not carried out, if it was not."""
    try:
        yield
    except NotPlayedError as error:
        record.events.append((act.do, (), f"not carried out: {error}"))
        record.findings.append(("not_played", {**_told(act), "why": str(error)}))


def _asked_of_all(one: ConceptErasure, state: Releasing) -> int | None:
    """Return the round by which every addressed peer has received the request; None if none does. Peers that are away get it later."""
    return max((past.round for past in state.setup.timeline.rounds for orders in past.erase.values() if one.index in orders), default=None)


def _told(act: Attack | Defence) -> dict[str, Any]:
    """Describe an act for a finding."""
    if isinstance(act, Defence):
        return {"do": act.do, "fill": act.fill.tag}
    return {"do": act.do, "concept": act.concept, "adversary": act.adversary.tag}


def _completion(act: Attack) -> str | None:
    """Return the kind of the adversary's matrix completion; None if it completes none."""
    settings: Revival | None = getattr(act.adversary, "revival", None)
    return settings.settled().completion.tag if settings is not None and act.adversary.completes else None


def _drawn(concept: int, state: Releasing, record: RoundRecord) -> bool:
    """Return whether curves of a concept have been computed, in an earlier round or this one."""
    drawn = [*state.ledger.findings("curve"), *(body for name, body in record.findings if name == "curve")]
    return any(curve["concept"] == concept for curve in drawn)


def _with(state: Releasing, weights: Weights) -> dict[str, npt.NDArray[Any]]:
    """Return the global model with other feed-forward output weights."""
    return {**state.weights, **by_parameter(weights)}


def _erased(state: Releasing, now: Round) -> set[int]:
    """Return the concepts of which an erasure was requested by a round."""
    return {one.concept for one in state.setup.timeline.concepts if one.round <= now.round}


def _named(act: Attack, state: Releasing, now: Round, outcome: Outcome) -> dict[str, Any]:
    """Return which concept the adversary named first, the place of the attacked one among its suspects, and what chance would find."""
    if not outcome.suspects:
        return {}
    first = act.concept - state.setup.config.denoiser.axis(act.concept)[1]
    suspects = [first + one for one in outcome.suspects]
    erased = _erased(state, now).intersection(suspects)
    told = {"concept": suspects[0], "right": suspects[0] in erased, "place": suspects.index(act.concept) + 1, "of": len(suspects)}
    return {"named": told | {"chance": len(erased) / len(suspects)}}


def _attacks(record: RoundRecord) -> int:
    """Return how many attacks a round's record has."""
    return sum(name == "revival" for name, _ in record.findings)


def _pictures(shown: Mapping[str, Shown], concept: int) -> dict[str, npt.NDArray[Any]]:
    """Return samples of every version as uint8, the judges' predictions, and the conditions: first the concept, then other classes.

    Other classes take turns, so that each one is shown once before any is shown twice.
    """
    asked = shown["original"].asked  # ascending
    nth = np.arange(len(asked)) - np.searchsorted(asked, asked)
    others = [place for place in np.lexsort((asked, nth)) if asked[place] != concept]
    chosen = np.array([*np.flatnonzero(asked == concept)[:PICTURES], *others[:PICTURES]])
    arrays: dict[str, npt.NDArray[Any]] = {"conditions": asked[chosen]}
    for name, one in shown.items():
        arrays[name], arrays[f"judged_{name}"] = bytes_of(one.pixels[chosen]), one.judged[chosen]
    return arrays
