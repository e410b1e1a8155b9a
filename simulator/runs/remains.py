"""What remains, by design, of what was forgotten in a run: copies, ids, hashes and figures."""

from __future__ import annotations

from collections.abc import Iterator

from clients.unlearning.contract import family
from simulator.requests import request_of
from simulator.runs.added import asked
from simulator.scenarios.plan import Plan
from simulator.storage.store import RunStore
from simulator.tasks.contract import cell_of

_HASHES = "select main from states union select seed from states" + "".join(
    f" union select sha256 from {table}" for table in ("receipts", "holdings", "models", "history", "probabilities")
)


def remains(plan: Plan, store: RunStore) -> Iterator[str]:
    """Yield a line for everything that remains of what had to be forgotten in a finished run; none without a request.

    None of it is a fault: bit equality is claimed for models, seeds and predictions, not for the records of the run.
    """
    if plan.timeline.erasures:
        yield from _held(store)
        yield from _in_weights(plan, store)
        yield from _written(plan, store)
        yield from _outside(plan, store)


def _held(store: RunStore) -> Iterator[str]:
    """Yield a line for every seed that a holder had to drop and still has."""
    mailbox = store.mailbox()
    for holder, owners in sorted(mailbox.owed.items()):
        for owner, erasures in sorted(owners.items()):
            if seed := mailbox.held.get(holder, {}).get(owner):
                asked = ", ".join(map(str, erasures))
                yield f"peer {holder} holds the seed of peer {owner} (erasure {asked}), for which it gave no receipt: {seed.sha256}"


def _in_weights(plan: Plan, store: RunStore) -> Iterator[str]:
    """Yield a line for every erasure after which weights that had learned from the data stay in use."""
    outcomes = store.outcomes()
    for erasure in plan.timeline.erasures:
        line = outcomes.get(erasure.index)
        if line is not None and family(line.outcome.guarantee) != "exact":
            who = request_of(erasure.kind).name(erasure)
            yield f"{who}: {line.outcome.guarantee}: weights that learned from it were changed, and are not what they would be without it"


def _written(plan: Plan, store: RunStore) -> Iterator[str]:
    """Yield a line for each kind of record of the forgotten data in the run directory: ids, hashes, metrics."""
    ids = sum(len(request_of(erasure.kind).ids(erasure)) for erasure in plan.timeline.erasures)
    yield f"plan.json and run.sqlite name what was forgotten by {ids} ids, and say whose it was"
    if gone := {name for (name,) in store.rows(_HASHES) if name} - store.alive():
        yield f"run.sqlite names {len(gone)} artefacts that are gone by their hashes: who has a copy can tell that it is one"
    last = max(erasure.round for erasure in plan.timeline.erasures)
    if count := store.rows("select count(*) from metrics where round < ?", (last,))[0][0]:
        yield f"run.sqlite, results.json and the report hold {count} metrics of earlier rounds, of models that may have learned from it"


def _outside(plan: Plan, store: RunStore) -> Iterator[str]:
    """Yield a line for what lies outside the run directory and belongs to the simulation, not to the federation: data, cached trainings."""
    from clients.cache import remains as cached

    source = plan.configs[0].data
    where = getattr(source, "path", None)
    yield f"the data set, {source.tag}{f' ({where})' if where else ''}: rows are dealt from it, and counterfactuals played from it"
    yield from cell_of(plan).remains(plan)
    if any(spec.shadows for spec in asked(plan, store).values()):
        yield from cached()
