"""A peer with a language model of its own, a seed model distilled from it, and the seeds that it holds of its neighbours.

Heterogeneous decentralised unlearning (HDUS) with seed-model distillation: Ye, Chen, Nguyen, Yin, arXiv 2308.13269 (2023); its form for
language models is this project's. The rules of a peer travel with its seed, so that whoever can answer with the one has the other.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import numpy.typing as npt
from flwr.app import ArrayRecord

from clients import data, wire
from clients.classification.hdus.distillation import distil
from clients.classification.hdus.peer import COUNTS, mixed
from clients.data.rows import Ids
from clients.data.topics import Topical
from clients.language.contexts import PROMPTS, Contexts
from clients.language.hdus.config import HdusLanguageConfig, start_of
from clients.language.hdus.mixture import Mixture, Voice
from clients.language.hdus.requests import METHODS, methods_in
from clients.language.measures import log_probabilities, memorised, prompted, protected, refusals, topical
from clients.language.network import LanguageNetwork
from clients.language.publishing import GUARD, GUARDS, PUBLISH, rules_in
from clients.participant import ROWS, Neighbour, Record, Update
from clients.streams import Field
from clients.training import Arrays
from clients.unlearning.contract import Cost, Outcome
from clients.unlearning.general.contract import Learning, MethodSpec
from clients.unlearning.general.retrain import Retrain
from clients.unlearning.prompts.in_context import InContext
from clients.unlearning.prompts.prompting import Prompted
from clients.unlearning.prompts.rules import Guard, Guarded, Rule
from clients.unlearning.states import PROGRESS

_MODEL = "model/"


@dataclass(repr=False)
class HdusLanguagePeer(Contexts, Neighbour):
    """A peer that answers with its neighbours' seed language models; see `clients.participant.Participant`.

    Parameters
    ----------
    config : HdusLanguageConfig
    rows : int64 array
        Ids of the records that the peer still has, ascending.
    progress : int
        Rounds that the main model has trained.
    weights : dict of str to array
        The main model; before its first round, empty until the public weights have come.
    published, in_force : sequence of Rule
        Own rules that the next seed carries, and all rules that act now.
    methods : sequence of (MethodSpec, list of int)
        Methods that requests up to now name, with the ids of the records that they forget.
    """

    config: HdusLanguageConfig
    rows: Ids
    stream: tuple[Field, ...]
    progress: int = 0
    weights: Arrays = field(default_factory=dict)
    update: Update | None = None
    held: dict[int, Update] = field(default_factory=dict)
    published: Sequence[Rule] = ()
    in_force: Sequence[Rule] = ()
    methods: Sequence[tuple[MethodSpec, list[int]]] = ()

    @classmethod
    def new(cls, config: HdusLanguageConfig, stream: tuple[Field, ...] | None = None) -> HdusLanguagePeer:
        """Return an untrained peer with all its records; ``stream`` replaces the peer's own key (a negative control)."""
        return cls(config, np.asarray(config.rows, dtype=np.int64), stream or config.stream)

    @classmethod
    def restored(cls, config: HdusLanguageConfig, main: bytes, stream: tuple[Field, ...] | None = None) -> HdusLanguagePeer:
        """Return the peer with this main artefact, without its own seed and held seeds yet."""
        arrays = wire.from_bytes(main)
        weights = {name.removeprefix(_MODEL): array for name, array in arrays.items() if name.startswith(_MODEL)}
        peer = cls(config, arrays[ROWS], stream or config.stream, int(arrays[PROGRESS][0]), weights)
        peer.prompts = arrays.get(PROMPTS, peer.prompts)
        return peer

    @property
    def main_blob(self) -> bytes:
        """The main artefact: weights, how many rounds they have trained, ids of the records, and those that prompts are about."""
        kept = {ROWS: self.rows, PROGRESS: np.array([self.progress]), **self.kept_for_prompts()}
        return wire.to_bytes({**{_MODEL + name: array for name, array in self.weights.items()}, **kept})

    def receive(self, payload: Mapping[str, Record], now: int) -> None:
        """Store the public weights of both models, the rules, the methods of requests, and the round."""
        self.now, self.methods = now, methods_in(payload.get(METHODS))
        self.start, self.seed_start = (_arrays(payload[start_of(spec)]) for spec in (self.config.main, self.config.seed))
        self.published, self.in_force = (self.config.known(rules_in(payload.get(name))) for name in (PUBLISH, GUARDS))
        if not self.progress:
            self.weights = self.start

    def forget(self, ids: Iterable[int]) -> Outcome:
        """Forget own records by id: the main model is trained again from the public weights, or changed by the method that a request names.

        The next seed follows. In context no weight changes, and the prompts stay here.
        """
        gone = np.asarray(sorted(ids), dtype=np.int64)
        named = [(method, np.intersect1d(gone, rows)) for method, rows in self.methods if not isinstance(method, Retrain)]
        again = np.setdiff1d(gone, np.concatenate([np.empty(0, np.int64), *(rows for _, rows in named)]))
        outcomes = []
        if len(again) or not len(gone):
            self.rows = np.setdiff1d(self.rows, again)
            outcomes.append(Outcome(self._train_anew(), "exact"))
        outcomes += [self._forget_by(method, rows) for method, rows in named if len(rows)]
        return _joined(outcomes)

    def _forget_by(self, method: MethodSpec, ids: Ids) -> Outcome:
        """Change the main model so that it forgets records, or prompt it; the weights before any training, exactly, if it keeps none."""
        own = data.load(self.config.data).rows(self.rows)
        self.rows = np.setdiff1d(self.rows, ids)
        if not self.progress or not len(self.rows):
            return Outcome(self._train_anew(), "exact")
        parts = dict(self.weights), Learning(self.config.network, self.config.training, self.progress, (*self.stream, "main"))
        forget, retain = own.only(ids), own.without(ids)
        asked = *parts, forget, retain, (*self.stream, "forget", ids.tobytes()), method.measure(*parts, forget, retain)
        self.weights, outcome = method.finite(lambda: method.carry_out(*asked))
        if isinstance(method, InContext):
            self.keep_for_prompts(ids.tolist(), method.context)
        return outcome

    def arrive(self, ids: Iterable[int]) -> Outcome:
        """Take own records in by id: the main model is trained as if it had always had them; the next seed follows."""
        self.rows = np.union1d(self.rows, np.asarray(sorted(ids), dtype=np.int64))
        return Outcome(self._train_anew(), "exact")

    def _train_anew(self) -> Cost:
        """Train the main model from the public weights, for as many rounds as it has had; return the cost."""
        rounds, self.progress, self.weights = self.progress, 0, self.start
        return Cost(sum(self.train() for _ in range(rounds)), 1 if rounds else 0)

    def train(self) -> int:
        """Train the main model for one round; return the gradient steps."""
        own, settings = data.load(self.config.data).rows(self.rows), self.config.training
        epochs = range(self.progress * settings.epochs, (self.progress + 1) * settings.epochs)
        how: dict[str, Any] = {"epochs": epochs, "ids": own.ids, "key": (*self.stream, "main"), "settings": settings}
        self.weights, steps = self.config.network.train(self.weights, own.x, own.y, **how)
        self.progress += 1
        return steps

    def distil(self) -> int:
        """Distil a new own seed from the main model's answers to public questions; return the gradient steps.

        The key does not name the round, so a seed depends on the main model, the reference set and the rules in force only.
        """
        config, ids = self.config, np.asarray(self.config.reference, dtype=np.int64)
        asked = data.load(config.data).inputs(ids)
        answers, key = config.network.probabilities(self.weights, asked), (*self.stream, "seed")
        weights, steps = distil(self.seed_network, asked, ids, answers, key, config.distillation, self.seed_start)
        version = self.update.version + 1 if self.update else 1
        self.update = Update(version, wire.to_bytes({**weights, COUNTS: np.array([len(self.rows)]), **self.hashes(self.published)}))
        return steps

    def hashes(self, published: Iterable[Rule]) -> Arrays:
        """Return the hashes of own published rules as a seed carries them."""
        return {f"{GUARD}{rule.id}": self._patterns(rule) for rule in published if rule.scope == "global"}

    @property
    def seed_network(self) -> LanguageNetwork:
        """The common architecture of seed models, without weights."""
        return self.config.network_of(self.config.seed)

    @property
    def guarded(self) -> Guarded:
        """What its users ask: the mixture of its main model and the held seeds, prompted about what is forgotten in context, behind the
        rules that act here.

        The prompt stands before the question to every member; one for the main model alone would leave the answer to the seeds.
        """
        seeds, guards = [], []
        for owner, seed in sorted(self.held.items()):
            arrays = wire.from_bytes(seed.blob)
            records = int(arrays.pop(COUNTS)[0])
            hashes = {name.removeprefix(GUARD): arrays.pop(name) for name in [*arrays] if name.startswith(GUARD)}
            seeds.append(Voice(owner, self.seed_network, arrays, records))
            guards += [Guard(rule, hashes[rule.id]) for rule in self.in_force if rule.peer == owner and rule.id in hashes]
        guards += [Guard(rule, self._patterns(rule)) for rule in self.in_force if rule.peer == self.config.peer]
        own = Voice(self.config.peer, self.config.network, {}, len(self.rows))
        mixture, contexts = Mixture(self.config.ensemble, own, seeds), self.contexts
        prompted = Prompted(mixture, contexts) if contexts else mixture
        return Guarded(prompted, self.weights, tuple(guards), self.config.hash_key)

    @property
    def bare(self) -> Guarded:
        """The mixture without guards and prompts."""
        network = self.guarded.network
        return Guarded(network.model if isinstance(network, Prompted) else network, self.weights, key=self.config.hash_key)

    def evaluate(self) -> tuple[dict[str, float], npt.NDArray[np.float64]]:
        """Return the data set's metrics in [0, 1], and the mixture's probabilities of answers to test rows, float64 (n_test, classes).

        Own rules are measured in the last round in which they act, and everything else of the language model after the last round.
        """
        config, model = self.config, self.guarded
        source, test = data.load(config.data), np.asarray(config.test, dtype=np.int64)
        asked, y, own = source.inputs(test), source.classes_of(test), source.rows(self.rows)
        counts = np.bincount(own.y, minlength=source.classes).astype(np.int64)
        alone, together = config.network.probabilities(self.weights, asked), answers(model, asked)
        scores: dict[str, float] = {}
        for name, probabilities in (("main", alone), ("ensemble", together)):
            for metric, values in source.metrics(test, probabilities).items():
                scores[f"{metric}.global.{name}"] = float(values.mean())
                scores[f"{metric}.local.{name}"] = mixed(values, y, counts)
        final = self.now > config.rounds
        due = [guard for guard in model.guards if guard.rule.peer == config.peer and (final or guard.rule.until == self.now)]
        key = (*self.stream, "prompts")
        scores |= protected(Guarded(model.network, model.weights, tuple(due), model.key), own, config.peer, key)
        return scores | (self._at_the_end(model) if final else {}), together

    def _at_the_end(self, model: Guarded) -> dict[str, float]:
        """Return what the main model memorised, and what guards refuse without need."""
        own = data.load(self.config.data).rows(self.rows)
        found = memorised(self.config.network, self.weights, own)
        if model.guards:
            found |= refusals(model, own, self.config.peer, self.config.hash_key)
        found |= prompted(self.bare.network, self.weights, self.forgotten(), own, (*self.stream, "prompts"))
        return found | (topical(model, model.world) if isinstance(model.world, Topical) else {})

    def _patterns(self, rule: Rule) -> npt.NDArray[np.uint64]:
        """Return the hashes of the own records that a rule protects."""
        return self.config.patterns(rule, np.intersect1d(rule.rows, self.rows))


def _joined(outcomes: Sequence[Outcome]) -> Outcome:
    """Return what several outcomes come to: all that they cost and told, and the one guarantee of all, or that of approximations."""
    guarantees = {outcome.guarantee for outcome in outcomes}
    cost = Cost(sum(one.cost.gradient_steps for one in outcomes), sum(one.cost.parts for one in outcomes))
    notes = tuple(note for outcome in outcomes for note in outcome.notes)
    return Outcome(cost, guarantees.pop() if len(guarantees) == 1 else "approximate", notes=notes)


def answers(model: Guarded, asked: npt.NDArray[np.float32]) -> npt.NDArray[np.float64]:
    """Return the probabilities of the words that answer, without guards, float64 (n, classes), for questions, float32 (n, 4)."""
    logits = model.network.logits(model.weights, asked.astype(np.int64))[:, : len(model.world.answers)]
    found: npt.NDArray[np.float64] = np.exp(log_probabilities(logits))
    return found


def _arrays(record: Record) -> Arrays:
    assert isinstance(record, ArrayRecord)
    return wire.from_bytes(wire.unpack(record))
