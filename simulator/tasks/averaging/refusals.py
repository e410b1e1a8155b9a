"""Requests that an averaging federation cannot carry out, derived from the timeline."""

from __future__ import annotations

from collections.abc import Iterator

from clients.unlearning.general.contract import MethodSpec
from clients.unlearning.general.finetune import Finetune
from server.averaging.history import Choice
from server.averaging.methods import method_of
from server.averaging.past import Past
from server.timeline import Timeline


def refusals(timeline: Timeline, past: Past, history: Choice | None) -> Iterator[tuple[str, str]]:
    """Yield place and reason of every request that cannot be carried out as specified."""
    unclean: tuple[str, int] | None = None
    for number in sorted({one.round for one in timeline.erasures}):
        methods = [method_of(one) for one in timeline.erasures if one.round == number]
        exact = sorted({method.tag for method in methods if method.guarantee == "exact"})
        if any(isinstance(method, Finetune) and method.rounds != 1 for method in methods):
            yield f"round {number}", "finetune goes on with the rounds that the federation plays anyway: remove rounds"
        if exact and unclean is not None:
            yield f"round {number}", _AFTER_OTHERS.format(exact[0], *unclean)
            return
        if differing := _differing(timeline, number):
            yield f"round {number}", _DIFFERING.format(*differing)
        if twice := _measured_with_others(timeline, number):
            yield f"round {number}", _TWICE.format(*twice)
        if others := [method.tag for method in methods if method.guarantee != "exact"]:
            unclean = others[0], number
        if not exact:
            continue
        if "rollback" in exact and history in ("none", "updates"):
            yield "federation.history", f"is {history!r}, but rollback goes back to an earlier model: write 'models' or 'all'"
        first = 1 if "retrain" in exact else past.rollback(number)
        if (away := past.unreachable(first, number)) is not None:
            yield f"round {number}", _AWAY.format(exact[0], first, number - 1, *away)


def _measured_with_others(timeline: Timeline, number: int) -> tuple[int, str] | None:
    """Return a peer with rows to forget and to correct in one round, and a method that measures both at once; None if there is none."""
    due = [one for one in timeline.erasures if one.round == number]
    correcting = {one.peer for one in due if one.correction is not None}
    both = correcting.intersection(one.peer for one in due if one.correction is None)
    measuring = ((one.peer, method_of(one).tag) for one in due if one.peer in both and method_of(one).measures())
    return next(measuring, None)


def _differing(timeline: Timeline, number: int) -> tuple[int, str] | None:
    """Return a peer with requests by different methods in one round, and two of these in words; None if there is none."""
    first: dict[int, MethodSpec] = {}
    for one in timeline.erasures:
        if one.round == number and (before := first.setdefault(one.peer, method_of(one))) != (now := method_of(one)):
            return one.peer, f"{now.tag} with different settings" if now.tag == before.tag else f"{before.tag} and by {now.tag}"
    return None


_DIFFERING = "peer {} has requests by {}, of which a round carries out one: give them the same method, or rounds of their own"
_TWICE = "peer {} has rows to delete and rows to correct, which {} would measure together and change twice: move one to another round"
_AFTER_OTHERS = (
    "{} begins again without what {} left in the model in round {}, so it could not be compared with a run without this request: put the "
    "approximate request last, or let both be exact"
)
_AWAY = (
    "{} asks all to train again who took part in rounds {} to {}, but peer {}, of round {}, is away: move the request to a round in which "
    "it is present, or take method = 'finetune'"
)
