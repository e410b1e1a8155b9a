"""Playing of comparisons: the rounds before a request once, then one run for each row, all of them in memory."""

from __future__ import annotations

from functools import cached_property
from typing import Any

from clients.unlearning.general.contract import MethodSpec
from server.ledger import RoundRecord
from simulator.audits.contract import AGAIN, NOTHING, ORIGINAL, RETRAINED, Branch
from simulator.errors import LetheError, StoppedError
from simulator.requests.counterfactual import without
from simulator.runs.audits import Play
from simulator.runs.comparisons.costs import of_request, of_training
from simulator.runs.comparisons.figures import Judged, figures
from simulator.runs.comparisons.judged import judged
from simulator.runs.comparisons.rows import FAILED, names, references
from simulator.scenarios.compare import Comparison, label
from simulator.scenarios.plan import Plan
from simulator.storage.comparisons import key
from simulator.storage.store import RunStore
from simulator.tasks.contract import cell_of
from simulator.tasks.replica import peers_at_end


def play_comparisons(plan: Plan, store: RunStore, play: Play) -> None:
    """Make every row that the ledger lacks; each is committed when it is complete, and nothing else of the runs is kept."""
    for i, one in enumerate(plan.comparisons):
        runs = _Runs(plan, one, play)
        for name in names(one):
            if store.audit(key(i, name)) is None:
                store.set_audit(key(i, name), runs.row(name))


class _Prefix(RunStore):
    """The run up to a request, in memory; ``branch`` is its state before the final evaluation, from which others go on.

    Parameters
    ----------
    last : int
        The round before the request.
    """

    def __init__(self, last: int) -> None:
        super().__init__()
        self.last = last
        self.branch = RunStore()

    def commit(self, record: RoundRecord) -> None:
        """Write a round record, and keep a copy of the store after the last round."""
        super().commit(record)
        if record.round == self.last:
            self.branch = self.copied()


class _Runs:
    """The runs of one comparison, played when a row first needs them."""

    def __init__(self, plan: Plan, one: Comparison, play: Play) -> None:
        self.plan, self.one, self._play = plan, one, play
        self.cell = cell_of(plan)
        self.base = self.cell.branched(plan, one, one.methods[0])
        self.what = f"event {one.event}"

    def row(self, name: str) -> dict[str, Any]:
        """Return the figures of a row, or the reason why there are none."""
        if name in references(self.one):
            return self._reference(name)
        (method,) = [method for method in self.one.methods if label(method) == name]
        try:
            return self._method(method)
        except StoppedError:
            raise
        except LetheError as error:
            return {FAILED: str(error)}

    def _reference(self, name: str) -> dict[str, Any]:
        """Return the figures of a run that no method is part of."""
        if name == ORIGINAL.name:
            return self._figures(self._before_request)
        if name == RETRAINED.name:
            return self._figures(self._retrained) | of_training(self.base, self._retrained.store, self.one.last)
        if name == AGAIN.name:
            plan = self._without.again()
            branch = self._played(plan, RunStore(), f"{name}: {self.what}")
            return self._figures(branch) | of_training(plan, branch.store, self.one.last)
        assert name == NOTHING.name
        plan = self.base.until(self.one.last).ignoring_requests(self.one.first)
        return self._figures(self._played(plan, self._branch(), f"{name}: {self.what}"))

    def _method(self, method: MethodSpec) -> dict[str, Any]:
        """Return the figures of the run in which a method carries the request out."""
        plan = self.cell.branched(self.plan, self.one, method).until(self.one.last)
        branch = self._played(plan, self._branch(), f"{label(method)}: {self.what}")
        return self._figures(branch) | of_request(plan, branch.store, self.one)

    def _figures(self, branch: Branch) -> dict[str, Any]:
        return figures(self.base, branch, self._retrained, self._judged)

    @cached_property
    def _without(self) -> Plan:
        """The plan in which the data never existed, up to the round of the request."""
        return without(self.base, self.one.request).until(self.one.last)

    @cached_property
    def _retrained(self) -> Branch:
        return self._played(self._without, RunStore(), f"{RETRAINED.name}: {self.what}")

    @cached_property
    def _prefix(self) -> _Prefix:
        """The run up to the request; nothing is played if it comes in the first round."""
        store = _Prefix(self.one.first - 1)
        if store.last:
            self._play(self.cell.prefix(self.plan, self.one), store, f"up to {self.what}")
        return store

    @cached_property
    def _before_request(self) -> Branch:
        return Branch(self._prefix, peers_at_end(self.base.until(self.one.first - 1), self._prefix))

    @cached_property
    def _judged(self) -> Judged:
        return judged(self.base, self.one, self._prefix.branch)

    def _branch(self) -> RunStore:
        """Return a store in the state before the request."""
        return self._prefix.branch.copied()

    def _played(self, plan: Plan, store: RunStore, why: str) -> Branch:
        self._play(plan, store, why)
        return Branch(store, peers_at_end(plan, store))
