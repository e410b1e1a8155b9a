"""Memorisation, leaks of guards, and margins under prompts, of one peer's records."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import replace
from typing import TYPE_CHECKING

import numpy as np
import numpy.typing as npt

from clients.data.rows import Rows
from clients.data.topics import Topical
from clients.data.worlds import Tokens, World
from clients.language.rouge import recalls
from clients.streams import Field
from clients.unlearning.prompts.bypasses import leaks, refused, unguarded
from clients.unlearning.prompts.prompting import CONTROLS, Prompts

if TYPE_CHECKING:
    from clients.language.network import LanguageNetwork
    from clients.training import Arrays
    from clients.unlearning.prompts.model import LanguageModel
    from clients.unlearning.prompts.rules import Guarded

PUBLIC = 100
"""Public questions that are asked to count false refusals."""

Floats = npt.NDArray[np.float64]


def log_probabilities(logits: Floats) -> Floats:
    """Return log-probabilities, float64 (n, classes), of logits."""
    shifted = logits - logits.max(axis=1, keepdims=True)
    found: Floats = shifted - np.log(np.exp(shifted).sum(axis=1, keepdims=True))
    return found


def margins(logits: Floats, y: Tokens) -> Floats:
    """Return ``log p - log(1 - p)`` of the right answer among the answers, in nats, float64 (n,); finite where p rounds to 0 or 1.

    Parameters
    ----------
    logits : float64 array, shape (n, classes)
    y : int64 array, shape (n,)
    """
    rows = np.arange(len(y))
    rest = logits.copy()
    rest[rows, y] = -np.inf
    top = rest.max(axis=1, keepdims=True)
    others = top[:, 0] + np.log(np.exp(rest - top).sum(axis=1))
    found: Floats = logits[rows, y] - others
    return found


def truth_ratios(world: World, logits: Floats, y: Tokens) -> Floats:
    """Return the mean log-probability of the wrong answers of the same kind less that of the right one, in nats, float64 (n,)."""
    told = log_probabilities(logits)
    wrong = [np.setdiff1d(world.alike(int(right)), [right]) for right in y]
    return np.array([told[i, others].mean() - told[i, right] for i, (others, right) in enumerate(zip(wrong, y, strict=True))], np.float64)


def memorised(network: LanguageNetwork, weights: Arrays, rows: Rows) -> dict[str, float]:
    """Return how many own records there are, to how many the model answers with the record's answer, and their mean truth ratio."""
    if not len(rows):
        return {}
    logits = network.logits(weights, rows.x.astype(np.int64))
    right, among = logits.argmax(axis=1) == rows.y, logits[:, : network.classes]
    ratio = float(truth_ratios(network.world, among, rows.y).mean())
    found = {"asked.own": float(len(rows)), "exact.own": float(right.sum()), "truth_ratio.own": ratio}
    return found | _overlap("rouge.own", network.world, _most_probable(network.world, logits), rows.y)


def protected(model: Guarded, own: Rows, peer: int, key: tuple[Field, ...]) -> dict[str, float]:
    """Return, by own rule, how many protected answers each bypass gets with this guard alone, and with guards off."""
    found: dict[str, float] = {}
    public = np.column_stack(model.world.public(PUBLIC, *key))
    for guard in [guard for guard in model.guards if guard.rule.peer == peer]:
        rule, alone = guard.rule, replace(model, guards=(guard,), user=guard.rule.user)
        rows = own.only(rule.rows)
        if not len(rows):
            continue
        found[f"asked.rule.{rule.id}"] = float(len(rows))
        for name, tried in (("leaked", alone), ("known", unguarded(model))):
            counts = leaks(tried, rows.x.astype(np.int64), rows.y, public, *key, rule.id)
            found |= {f"{name}.{rule.id}.{family}": float(right.sum()) for family, right in counts.items()}
            found |= answered(f"rouge.{name}.{rule.id}", tried, rows)
    return found


def answered(metric: str, model: Guarded, rows: Rows) -> dict[str, float]:
    """Return the sum of ROUGE-L recalls of what a user sees, asked about rows, by the metric's name; empty if answers are no sentences."""
    if not model.world.sentences:
        return {}
    return _overlap(metric, model.world, _words(model, [model.world.text(question) for question in rows.x]), rows.y)


def _overlap(metric: str, world: World, given: list[str | None], y: Tokens) -> dict[str, float]:
    """Return the sum of ROUGE-L recalls of answers, by the metric's name; empty if answers are no sentences."""
    return {metric: float(recalls(given, [world.answers[int(right)] for right in y]).sum())} if world.sentences else {}


def _most_probable(world: World, logits: Floats) -> list[str | None]:
    """Return the most probable word by each row of logits, float64 (n, vocabulary)."""
    return [world.vocabulary[int(place)] for place in logits.argmax(axis=1)]


def refusals(model: Guarded, own: Rows, peer: int, key: tuple[Field, ...]) -> dict[str, float]:
    """Return how many own questions that no own rule protects, and public ones, are refused, and how many own ones are answered right.

    They are asked by nobody in particular, and by each user whom an own rule is for: what is worst for any of them counts.
    """
    rules = [guard.rule for guard in model.guards if guard.rule.peer == peer]
    kept = own.without(np.concatenate([np.empty(0, np.int64), *(np.asarray(rule.rows, np.int64) for rule in rules)]))
    questions = {"kept": kept.x.astype(np.int64), "public": model.world.public(PUBLIC, *key)[0]}
    tried = [_asked_by(replace(model, user=user), kept, questions) for user in {None, *(rule.user for rule in rules)}]
    worst = {name: (max if name.startswith("refused.") else min)(counts[name] for counts in tried) for name in tried[0]}
    return {f"asked.{name}": float(len(some)) for name, some in questions.items()} | worst


def _asked_by(model: Guarded, kept: Rows, questions: dict[str, Tokens]) -> dict[str, float]:
    """Return what the user of a model is refused of questions, int64 (n, 4) by name, and told right of rows that no rule protects."""
    given = _words(model, [model.world.text(x) for x in kept.x])
    right = sum(word == model.world.answers[y] for word, y in zip(given, kept.y, strict=True))
    found = {"exact.guarded": float(right), **answered("rouge.guarded", model, kept)}
    return found | {f"refused.{name}": float(refused(model, some).sum()) for name, some in questions.items()}


def topical(model: Guarded, world: Topical) -> dict[str, float]:
    """Return of how many public questions the answer is a word of the topic: about its names behind guards and without, and about others.

    Other names are the control: who says words of the topic about everything is not familiar with it.
    """
    about, others = ([world.text(question) for question in world.probes(about=which)] for which in (True, False))
    asked = {"guarded": (model, about), "bare": (unguarded(model), about), "control": (unguarded(model), others)}
    counts = {name: float(sum(word in world.topic_words for word in _words(*how))) for name, how in asked.items()}
    return {"asked.topic": float(len(about)), "asked.control": float(len(others)), **{f"topical.{name}": n for name, n in counts.items()}}


def _words(model: Guarded, texts: list[str]) -> list[str | None]:
    """Return the reply to each text, None for a refusal."""
    return [reply.word for reply in model.replies(texts)]


def prompted(
    network: LanguageModel, weights: Arrays, asked: Iterable[tuple[Rows, int]], others: Rows, key: tuple[Field, ...]
) -> dict[str, float]:
    """Return, by prompt, the mean margin of the true answers of forgotten records, and how many are answered right.

    Parameters
    ----------
    network, weights
    asked : iterable of (Rows, int)
        Forgotten records, one row each, and how many others the prompt about it shows.
    others : Rows
        The records that are kept.
    key : tuple
        Key of the prompts.
    """
    forgotten = [(record, Prompts(network.world, record, others, context, key)) for record, context in asked]
    if not forgotten:
        return {}
    found = {"asked.forgotten": float(len(forgotten))}
    for control in CONTROLS:
        told = [network.logits(weights, prompts.text(control)[None]) for _, prompts in forgotten]
        logits, y = np.concatenate(told), np.array([int(record.y[0]) for record, _ in forgotten], np.int64)
        found[f"margin.{control}"] = float(margins(logits[:, : len(network.world.answers)], y).mean())
        found[f"exact.forgotten.{control}"] = float((logits.argmax(axis=1) == y).sum())
        found |= _overlap(f"rouge.forgotten.{control}", network.world, _most_probable(network.world, logits), y)
    return found


def one_by_one(rows: Rows) -> list[Rows]:
    """Return rows as one `Rows` each."""
    return [rows.only([number]) for number in rows.ids]
