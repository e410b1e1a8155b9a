"""What private training spends of rows' privacy: as planned, as told by peers, and what it excludes."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from clients.privacy.accountant import EPSILON, NEEDED, Spent, installed
from clients.privacy.settings import LocalTraining
from server.averaging.methods import method_of
from server.averaging.past import Past
from server.timeline import Timeline
from simulator.tasks.classification.averaging.plan import AveragedPlan

if TYPE_CHECKING:
    from simulator.storage.store import RunStore

KEY = "privacy"
"""Key of the results."""
_ALIKE = 1e-9
"""Relative distance of two epsilons of the same steps; the accountant adds floats."""


@dataclass(frozen=True)
class Account:
    """What a peer's rows go through.

    Parameters
    ----------
    spent : Spent
    rounds, over : int
        Rounds in which it trains, and in which its budget forbids it to.
    """

    spent: Spent = field(default_factory=Spent)
    rounds: int = 0
    over: int = 0


def accounts(plan: AveragedPlan, past: Past) -> list[Account]:
    """Return what every peer's rows go through in a plan; all are empty if training is not private."""
    found, private = [Account() for _ in plan.configs], plan.scenario.training.private
    left = [set(config.rows) for config in plan.configs]
    for now in plan.timeline.rounds if private else ():
        for peer, gone in now.forget.items():
            left[peer] -= set(gone)
        for peer in past.contributing(now.round, now.round):
            if left[peer]:
                found[peer] = _after(found[peer], len(left[peer]), plan.scenario.training)
    return found


def _after(account: Account, rows: int, training: LocalTraining) -> Account:
    """Return what has happened after another round in which a peer is asked to train on this many rows."""
    assert training.private is not None
    spent = account.spent.after(training.rate(rows), training.steps(rows))
    if spent.within(training.private):
        return Account(spent, account.rounds + 1, account.over)
    return Account(account.spent, account.rounds, account.over + 1)


def in_words(plan: AveragedPlan, past: Past) -> Iterator[tuple[str, str]]:
    """Yield what the plan spends; nothing if training is not private."""
    if (private := plan.scenario.training.private) is None:
        return
    told = accounts(plan, past)
    found = [one.spent.epsilon(private.noise, private.delta) for one in told]
    over = sum(one.over > 0 for one in told)
    stop = f"; {over} of {len(told)} peers stop at their budget of {private.epsilon:g}" if over else ""
    yield "privacy of a row", f"epsilon {min(found):.3g} to {max(found):.3g} at delta {private.delta:g}{stop}"


def void(training: LocalTraining, rows: Sequence[int]) -> str | None:
    """Return why delta says nothing of peers with these numbers of rows, and what does; None if it says something, or is not used."""
    private, most = training.private, max(rows, default=0)
    return None if private is None or private.delta * most < 1 else _VOID.format(private.delta, most, 1 / most)


def refusals(training: LocalTraining, timeline: Timeline) -> Iterator[tuple[str, str]]:
    """Yield place and reason of everything that private training excludes; nothing if training is not private."""
    if training.private is None:
        return
    if not installed():
        yield "training.private", NEEDED
    for number, method in sorted({(one.round, method_of(one)) for one in timeline.erasures}, key=lambda one: (one[0], one[1].tag)):
        if method.guarantee == "exact":
            yield f"round {number}", _AGAIN.format(method.tag)
        elif method.by_peers or method.by_server:
            yield f"round {number}", _BARE.format(method.tag)
    for now in timeline.rounds:
        if now.generation:
            yield f"round {now.round}", _RETURNS.format(min(now.generation))


_VOID = "is {:g}, which allows to publish one of a peer's {} rows as it is: take one well below {:.2g}"
_INSTEAD = "write method = 'finetune', as private training has limited each row from the start"
_AGAIN = "{} trains again with noise that has been sent before, which would come off in the difference: " + _INSTEAD
_BARE = "{} sends what no noise hides: " + _INSTEAD
_RETURNS = "peer {} returns after its erasure, while what its rows have spent before would count no more: leave the rejoining out"


def findings(plan: AveragedPlan, past: Past, store: RunStore) -> dict[str, Any]:
    """Return the results' table ``privacy``: the settings, and of each peer what its rows have spent; empty if training is not private."""
    if (private := plan.scenario.training.private) is None:
        return {}
    told = _told(store)
    peers = [
        {"peer": peer, "epsilon": told.get(peer, 0.0), "rounds": account.rounds, "over_budget": account.over}
        for peer, account in enumerate(accounts(plan, past))
    ]
    return {KEY: {**private.model_dump(exclude={"epsilon"}), "budget": private.epsilon, "peers": peers}}


def problems(plan: AveragedPlan, past: Past, store: RunStore) -> Iterator[str]:
    """Yield a line for every peer that says of its privacy what its rounds do not bear out."""
    if (private := plan.scenario.training.private) is None:
        return
    if not installed():
        yield f"training.private: {NEEDED}"
        return
    told = _told(store)
    for peer, account in enumerate(accounts(plan, past)):
        spent = account.spent.epsilon(private.noise, private.delta)
        if abs(told.get(peer, 0.0) - spent) > _ALIKE * spent:
            yield f"peer {peer}: says that its rows have spent epsilon {told.get(peer, 0.0):.6g}, and its rounds spend {spent:.6g}"


def _told(store: RunStore) -> dict[int, float]:
    """Return the last epsilon that each peer has told."""
    rows = store.rows("select peer, value from metrics where name = ? and peer >= 0 order by round, rowid", (EPSILON.name,))
    return {int(peer): float(value) for peer, value in rows}
