"""Verification of a run from its directory: hashes, receipts, claims, and the absence of what was erased.

The ledger's rows are chained by hash, so that a change of any row is detected. Someone who can write to the directory can also compute a
new chain; against that, keep the digest elsewhere.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Iterable, Iterator
from contextlib import suppress
from dataclasses import dataclass
from itertools import chain
from pathlib import Path

from clients.data import DataError
from simulator.errors import LetheError, one_line
from simulator.requests import request_of
from simulator.runs import arrivals, audits, folder_checks, ledger_checks, loaded
from simulator.runs.asked import destroyed, missing
from simulator.runs.claims import unkept, unproven_exactness
from simulator.runs.comparisons import rows
from simulator.runs.directory import RESULTS, read_plan, reason
from simulator.runs.remains import remains
from simulator.runs.results import CLAIMS, settled
from simulator.runs.written import as_read, read_file
from simulator.scenarios.plan import Plan
from simulator.storage.reading import reading
from simulator.storage.store import RunStore
from simulator.tasks.contract import cell_of

GARBLED = (ValueError, TypeError, LookupError, AttributeError)
"""Errors raised by rows that no run has written, in a ledger whose hashes were made to match."""


@dataclass(frozen=True)
class Verification:
    """The result of verifying a run.

    Parameters
    ----------
    problems : tuple of str
        One line for everything that does not hold; none if the run is verified.
    not_checked : tuple of str
        One line for everything that could not be checked here, with the reason.
    remaining : tuple of str
        One line for everything that remains, by design, of what was forgotten.
    """

    problems: tuple[str, ...]
    not_checked: tuple[str, ...] = ()
    remaining: tuple[str, ...] = ()


def verify(folder: Path | str) -> list[str]:
    """Return one line for everything that does not hold; an empty list if the run is verified."""
    return list(examine(folder).problems)


def examine(folder: Path | str) -> Verification:
    """Verify a run; nothing is written. ``LetheError`` if the folder is no run directory that this version can read."""
    folder = Path(folder)
    plan = read_plan(folder)
    if wrong := tuple(folder_checks.links(folder)):
        return _told(wrong)
    try:
        with reading(folder) as store:
            return _examine(plan, store, folder)
    except sqlite3.Error as error:
        return _told([f"run.sqlite: cannot be read ({error})"])
    except OSError as error:
        raise LetheError(f"{error.filename or folder}: cannot be read ({reason(error)}): mend that, and verify again") from None


def _examine(plan: Plan, store: RunStore, folder: Path) -> Verification:
    if not store.finished:
        return _told([f"{folder}: the run is not finished: `lethe resume {folder}` first"])
    if broken := tuple(ledger_checks.broken(plan, store)):
        return _told([*broken, *_gaps(plan, store)])  # the rest reads the ledger
    found = [*folder_checks.as_planned(plan, store, folder), *folder_checks.artefacts(store, folder)]
    found += _readable(chain(missing(plan, store), _receipts(plan, store), audits.problems(plan, store), rows.problems(plan, store)))
    found += _readable(_results(plan, store, folder))
    not_checked: list[str] = []
    claims = [("what the final model answers about the data", cell_of(plan).problems(plan, store))]
    for erasure in plan.timeline.erasures:
        request = request_of(erasure.kind)
        what = f"{request.name(erasure)}: its claim, for which the data are needed"
        claims += [(what, request.problems(erasure, plan, store)), (what, unkept(erasure, plan, store))]
        not_checked += _read_so_far(unproven_exactness(erasure, plan, store))
    claims.append(("what arrived at peers", arrivals.problems(plan, store)))
    not_checked += _read_so_far(arrivals.unproven(plan, store))
    not_checked += _read_so_far(cell_of(plan).unchecked(plan, store))
    compared = loaded.compare(plan, store)
    if compared.changed:
        found.append(compared.changed)
    if not (compared.changed or compared.absent):
        claims.append(("the verdicts on the claims", _verdicts(plan, store)))
    for what, one in claims:
        try:
            found += _readable(one)
        except DataError as error:
            if not compared.absent:
                found.append(f"data: {error}")
            not_checked.append(what)
    if compared.absent:
        not_checked.insert(0, compared.absent)
    return _told(found, not_checked, _read_so_far(remains(plan, store)))


def _read_so_far(lines: Iterator[str]) -> list[str]:
    """Return the lines up to one that cannot be made from a forged ledger, which another check reports as a problem."""
    found = []
    with suppress(LetheError, *GARBLED):
        for line in lines:
            found.append(line)  # noqa: PERF402  a list would lose them all
    return found


def _told(problems: Iterable[str], not_checked: Iterable[str] = (), remaining: Iterable[str] = ()) -> Verification:
    """Return the result, without duplicates; control characters in names are escaped."""
    return Verification(*(tuple(dict.fromkeys(map(one_line, lines))) for lines in (problems, not_checked, remaining)))


def _gaps(plan: Plan, store: RunStore) -> list[str]:
    """Return what a changed ledger lacks, as far as it can still be read, so that what was removed is named."""
    try:
        return [*missing(plan, store), *audits.problems(plan, store), *rows.problems(plan, store)]
    except (sqlite3.Error, *GARBLED):
        return []


def _verdicts(plan: Plan, store: RunStore) -> Iterator[str]:
    """Yield a line if the recorded verdicts differ from those that the evidence gives."""
    if store.meta(CLAIMS) != settled(plan, store):
        yield "run.sqlite: its verdicts on the claims are not those that the evidence gives"


def _readable(found: Iterator[str]) -> Iterator[str]:
    """Yield the lines, and one more if their source cannot be read."""
    try:
        yield from found
    except LetheError as error:
        yield str(error)
    except DataError:
        raise
    except GARBLED as error:
        yield f"run.sqlite: holds what no run has written ({type(error).__name__}: {error})"


def _receipts(plan: Plan, store: RunStore) -> Iterator[str]:
    """Yield a line for every missing receipt, and for every one that names a seed that its holder did not have."""
    receipts = store.rows("select round, erasure, holder, owner, version, sha256 from receipts")
    given = {(erasure, holder) for _, erasure, holder, *_ in receipts}
    for erasure, holder in store.rows("select erasure, holder from owed order by 1, 2"):
        due = plan.timeline.erasures[erasure]
        if (erasure, holder) not in given and holder not in destroyed(plan, due):
            yield f"erasure {erasure} (peer {due.peer}): peer {holder} gave no receipt for the seed it held"
    for number, erasure, holder, owner, version, sha256 in receipts:
        held = store.rows(
            "select 1 from holdings where holder = ? and owner = ? and version = ? and sha256 = ? and until = ?",
            (holder, owner, version, sha256, number),
        )
        if not held:
            yield f"erasure {erasure}: the receipt of peer {holder} in round {number} names a seed of peer {owner} that it did not hold"


def _results(plan: Plan, store: RunStore, folder: Path) -> Iterator[str]:
    if not (folder / RESULTS).exists():
        yield f"{RESULTS}: is missing: `lethe report {folder}` makes it again"
        return
    try:
        if read_file(folder) != as_read(plan, store):
            yield f"{RESULTS}: says something else than the ledger"
    except LetheError as error:
        yield str(error)
