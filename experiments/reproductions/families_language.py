"""The behavioural family, on facts about authors: guards and prompts beside a model trained without these facts."""

from __future__ import annotations

from functools import partial
from time import thread_time

from experiments.benchmarks import pretending
from experiments.reproductions.families_tables import Figures


def measured(seed: int, quick: bool = False) -> dict[str, Figures]:
    """Return the figures of a seed by method, of a tiny model if ``quick``; a gap is the difference of the shares of forgotten facts that
    are answered right.
    """
    training = pretending.TRAINING.model_copy(update={"epochs": 1}) if quick else pretending.TRAINING
    one = pretending.case(seed, pretending.QUICK if quick else pretending.USUAL, training)
    clock = thread_time()
    never = pretending.retrained(one)
    spent = thread_time() - clock
    wanted, kept = (pretending.right(one, never, rows) for rows in (one.forget, one.kept))
    undone, floor = (
        abs(pretending.right(one, weights, one.forget) - wanted) for weights in (one.weights, pretending.retrained(one, "again"))
    )
    size = sum(array.nbytes for array in one.weights.values())
    figures = partial(Figures, undone=undone, floor=floor, retrained=kept, training=spent)
    found = {"retrain": figures("exact", 0.0, test=kept, seconds=spent, held=size)}
    for stage in pretending.STAGES:
        clock = thread_time()
        model = pretending.behind(one, stage)
        seconds = thread_time() - clock
        gap, held = abs(pretending.given(model, one.forget) - wanted), size + sum(guard.patterns.nbytes for guard in model.guards)
        found[f"guard ({stage})"] = figures("behavioural", gap, test=pretending.given(model, one.kept), seconds=seconds, held=held)
    clock = thread_time()
    texts = pretending.prompts(one)
    seconds = thread_time() - clock
    gap, held = abs(pretending.prompted(one, texts) - wanted), size + sum(text.nbytes for text in texts)
    answered = pretending.right(one, one.weights, one.kept)  # without a prompt
    return found | {"in_context": figures("behavioural", gap, test=answered, seconds=seconds, held=held)}
