"""The language model of a finished run, ready to be asked by hand: with what withholds its answers at the end of the run, and without."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np

from clients import wire
from clients.data.rows import Rows
from clients.data.worlds import Tokens, World, normalised
from clients.language.averaging.peer import LanguagePeer
from clients.training import Arrays
from clients.unlearning.prompts.prompting import Prompted
from clients.unlearning.prompts.rules import Guard, Guarded, Reply
from server.language.averaging.coordinator import REGISTRY
from simulator.errors import LetheError, one_line
from simulator.runs.directory import read_plan
from simulator.runs.loaded import dataset_of
from simulator.storage.reading import reading
from simulator.storage.store import RunStore
from simulator.tasks.contract import cell_of
from simulator.tasks.language.averaging.plan import LanguagePlan
from simulator.tasks.language.plan import GuardedPlan
from simulator.tasks.replica import peers_at_end

HELP = "/guard off asks the weights alone, /guard on brings guards and prompts back, /user NAME asks as this user, /quit ends"


@dataclass
class Chat:
    """Questions to a language model, and what a user gets for an answer: the most probable word, unless a guard acts.

    Parameters
    ----------
    model : Guarded
        The model behind its guards; its network writes the prompts of records forgotten in context.
    bare : Guarded
        The same weights without any of them.
    contexts : dict of tuple of int to int64 array
        The prompts, by question.
    opening : tuple of str
        What is told first: a line for each guard, for prompts, and for what nothing withholds, with a question and its trained answer, and
        the commands.
    on : bool
        Whether guards and prompts act.
    """

    model: Guarded
    bare: Guarded
    contexts: dict[tuple[int, ...], Tokens]
    opening: tuple[str, ...]
    on: bool = True

    @property
    def prompt(self) -> str:
        """What stands before the user's line."""
        return "guard on> " if self.on else "guard off> "

    def answer(self, line: str) -> str:
        """Return the answer to a question, or to ``/guard on``, ``/guard off`` and ``/user NAME``, as one line."""
        words = line.split()
        if not words:
            return HELP
        if words[0].startswith("/"):
            return self._switched(words)
        (reply,) = (self.model if self.on else self.bare).replies([line])
        notes = [*self._acted(line, reply), *self._read(line)]
        told = f"   [{'; '.join(notes)}]" if notes else ""
        return one_line(f"{reply.word or '(refused)'}{told}")

    def _switched(self, words: list[str]) -> str:
        """Switch guards and prompts, or who asks, as a command says."""
        if words[0] == "/user" and len(words) == 2:
            return self._asks(words[1])
        if words not in (["/guard", "on"], ["/guard", "off"]):
            return one_line(f"{' '.join(words)}: no such command: {HELP}")
        self.on = words[1] == "on"
        return "guards and prompts act again" if self.on else "the weights answer alone: they are those that answered before"

    def _asks(self, user: str) -> str:
        """Ask as a user from now on."""
        there = sorted({guard.rule.user for guard in self.model.guards if guard.rule.user})
        if user not in there:
            return one_line(f"{user}: no rule is for this user alone: take one of {', '.join(there) or 'none'}")
        self.model = replace(self.model, user=user)
        return f"{user} asks"

    def _acted(self, line: str, reply: Reply) -> Iterator[str]:
        """Yield what changed an answer: a guard, else a prompt."""
        if reply.rule:
            yield f"guard {reply.rule.id}, {reply.rule.stage}"
        elif self.on and tuple(self.model.world.tokens(line)) in self.contexts:
            yield "prompt that shows this record with a wrong answer"

    def _read(self, line: str) -> Iterator[str]:
        """Yield what of a text the model did not read."""
        world = self.model.world
        read = {word: world.text(world.tokens(word)) for word in line.split()}
        if unknown := [word for word, known in read.items() if not known]:
            yield f"words that the model does not know are left out: {', '.join(unknown)}"
        if near := [f"{word} as {known}" for word, known in read.items() if known and normalised(known) != normalised(word)]:
            yield f"read with a wrong letter: {', '.join(near)}"
        if len(world.tokens(line)) > self.model.network.longest:
            yield f"too long: only the last {self.model.network.longest} words were read"


def opened(folder: Path, peer: int | None = None) -> Chat:
    """Return the chat with a finished run's model, as a user of this peer has it; unless one is named, with published guards alone.

    Where peers exchange seeds, one must be named: each answers with its own model and its neighbours' seeds.

    Raises
    ------
    LetheError
        If the folder is no run directory, the run is of another task or not finished, its data changed or absent, or the peer away at the
        end.
    """
    plan = read_plan(folder)
    if not isinstance(plan, GuardedPlan):
        raise LetheError(f"{folder}: the run trains no language model: give one of task = 'language'")
    with reading(folder) as store:
        if not store.finished:
            raise LetheError(f"{folder}: the run is not finished: `lethe resume {folder}`")
        if line := cell_of(plan).lacking(plan, plan.rounds):
            raise LetheError(line)
        found, there = dataset_of(plan, store), _peers(plan, store)
        everyone = ", ".join(map(str, there))
        if peer is not None and peer not in there:
            raise LetheError(f"--peer {peer}: is not among the peers at the end of the run: name one of {everyone}")
        if isinstance(plan, LanguagePlan):
            model, bare, contexts = _averaged(plan, store, None if peer is None else there[peer])
        elif peer is None:
            raise LetheError(f"{folder}: each peer answers with its model and its neighbours' seeds: name one with --peer, of {everyone}")
        else:
            model, bare, contexts = there[peer].guarded, there[peer].bare, there[peer].contexts
    rows = np.concatenate([np.empty(0, np.int64), *(one.rows for one in there.values())])
    return Chat(model, bare, contexts, (*_examples(plan, model, contexts, found.rows(np.sort(rows))), HELP))


def _averaged(plan: LanguagePlan, store: RunStore, peer: LanguagePeer | None) -> tuple[Guarded, Guarded, dict[tuple[int, ...], Tokens]]:
    """Return the averaged model as the users of a peer, or of none in particular, have it, the bare one, and the prompts by question."""
    weights, registry = (_part(store, name) for name in ("global", REGISTRY))
    config = plan.configs[0]
    guards = [Guard(rule, registry[rule.id]) for rule in plan.served.acting(plan.rounds + 1) if rule.id in registry]
    contexts = {} if peer is None else peer.contexts
    guards += () if peer is None else peer.own_guards
    bare = Guarded(config.network, weights, key=config.hash_key)
    return Guarded(Prompted(config.network, contexts), weights, tuple(guards), config.hash_key), bare, contexts


def _part(store: RunStore, name: str) -> Arrays:
    """Return a part of the server's state at the end; empty if it was never written."""
    sha256 = store.model(name)
    return wire.from_bytes(store.artefact(sha256)) if sha256 else {}


def _peers(plan: GuardedPlan, store: RunStore) -> dict[int, Any]:
    """Return the peers as they are at the end, told of the rules that then act."""
    peers: dict[int, Any] = dict(peers_at_end(plan, store))
    for one in peers.values():
        one.in_force = one.config.known(plan.served.acting(plan.rounds + 1))
    return peers


def _examples(plan: GuardedPlan, model: Guarded, contexts: Mapping[tuple[int, ...], Tokens], own: Rows) -> Iterator[str]:
    """Yield a line for each guard, for prompts, and for what nothing withholds, with a question about a record that peers have, ``own``."""
    kept = own
    for guard in model.guards:
        rule, left = guard.rule, plan.timeline.protected(guard.rule, plan.rounds)
        rows, absent = own.only(left), "its owner is away" if left else "all that it protected was deleted"
        kept = kept.keep(~np.isin(kept.x[:, -1], rows.x[:, -1]))
        told = f"{len(rows)} records{_such_as(model.world, rows)}" if len(rows) else absent
        yield f"guard {rule.id}, {rule.stage}, {rule.match.tag}, of peer {rule.peer}: {told}"
    if contexts:
        question, prompt = next(iter(contexts.items()))
        shown = model.world.text(prompt[len(question)])
        yield f"prompts: {len(contexts)} records, such as: {model.world.text(question)}   (the prompt shows: {shown}, which is wrong)"
    elif not model.guards:
        yield "no guard or prompt acts: what peers keep to themselves acts for their users (--peer)"
    if len(kept):
        yield f"about people whom none protects: {len(kept)} records{_such_as(model.world, kept)}"


def _such_as(world: World, rows: Rows) -> str:
    """Return the first of some records as an example."""
    return f", such as: {world.text(rows.x[0])}   (trained: {world.answers[int(rows.y[0])]})"
