"""History size and unlearning costs of an averaging server, estimated without training."""

from __future__ import annotations

from collections.abc import Iterator

from server.averaging.history import Keeping
from server.averaging.methods import method_of
from server.averaging.past import Past
from server.timeline import Timeline


def history_in_words(keeping: Keeping, timeline: Timeline, past: Past, size: int, moments: int) -> Iterator[tuple[str, str]]:
    """Yield the bytes of the history, given the bytes of one model (``size``) and of the optimizer's state (``moments``); 0 if unknown."""
    rounds = timeline.rounds
    updates = sum(len(past.contributing(now.round, now.round)) for now in rounds)
    models = len(rounds) if keeping.models else 1
    total = size * models + moments * (len(rounds) if keeping.moments else 1) + size * updates * keeping.updates
    kept = [f"{models} {'models' if models > 1 else 'model'}", *([f"{updates} updates"] if keeping.updates else [])]
    yield "history", f"{' and '.join(kept)}, about {total:,} bytes"


def replays_in_words(timeline: Timeline, past: Past) -> Iterator[tuple[str, str]]:
    """Yield the number of replayed rounds, and of peers' local trainings in them."""
    for number in sorted({one.round for one in timeline.erasures}):
        methods = sorted({method_of(one).tag for one in timeline.erasures if one.round == number})
        if not {"retrain", "rollback"}.intersection(methods):
            continue
        first = 1 if "retrain" in methods else past.rollback(number)
        again = sum(len(past.contributing(one, number)) for one in range(first, number))
        told = f"{number - first} rounds again, {again} times a peer's local work" if first < number else "nothing to play again"
        yield f"requests of round {number}", f"{' and '.join(methods)}: {told}"
