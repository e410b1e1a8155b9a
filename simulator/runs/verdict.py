"""The verdict on a run, in one line, from the claims of its erasures and from its expectations."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Literal, Self

from clients.unlearning.contract import family
from server.timeline import Erasure
from simulator.errors import LetheError
from simulator.requests import request_of
from simulator.runs.asked import destroyed
from simulator.runs.claims import unkept
from simulator.runs.comparisons.rows import disproved
from simulator.runs.erasures import waits
from simulator.runs.expectations import when
from simulator.scenarios.plan import Plan
from simulator.storage.store import RunStore

Name = Literal["proven", "measured", "disproved", "expectations failed"]

_PROVEN = "every erasure left all that remains bit for bit as if the data had never been there"
_ARRIVED = "rows that arrived left all bit for bit as if they had been given before training"


@dataclass(frozen=True)
class Verdict:
    """What became of a run, or of one of its erasures.

    Parameters
    ----------
    name : {"proven", "measured", "disproved", "expectations failed"}
        ``proven``: every erasure claims to be exact or certified, and that was shown. ``measured``: nothing that was claimed is wrong,
        but not all of it was shown, a request never reached its peer, or nothing had to be forgotten. ``disproved``: an erasure is not
        what it claims to be. One erasure has no expectations.
    why : str
        The reason, in a few words.
    """

    name: Name
    why: str

    @classmethod
    def of(cls, results: Mapping[str, Any]) -> Self:
        """Return the verdict that stands in a run's results."""
        return cls(results["verdict"]["name"], results["verdict"]["why"])

    @classmethod
    def of_claims(cls, results: Mapping[str, Any]) -> tuple[Self, ...]:
        """Return the verdict on each erasure of a run, in the order of ``results["erasures"]``."""
        return tuple(cls(one["verdict"], one["why"]) for one in results["verdict"]["claims"][: len(results["erasures"])])

    @property
    def holds(self) -> bool:
        """Whether no claim is disproved, and every expectation is met."""
        return self.name in ("proven", "measured")

    @property
    def level(self) -> Literal["good", "open", "bad"]:
        """Level of its mark: green, none, or red."""
        return ("good" if self.name == "proven" else "open") if self.holds else "bad"

    @property
    def line(self) -> str:
        """The verdict as one line."""
        return f"verdict: {self.name}: {self.why}"


def verdict(claims: Sequence[Mapping[str, str]], found: Mapping[str, Any]) -> dict[str, Any]:
    """Return what the results say under ``verdict``: ``name``, ``why``, and the ``claims``.

    Parameters
    ----------
    claims : sequence of mapping
        What `claim` returns of each erasure, then what `simulator.runs.arrivals.claims` returns.
    found : mapping
        The other results.
    """
    unmet = [one for one in found["expectations"] if not one["met"]]
    concepts = list(_of_concepts(found.get("concepts", ()), bool(found.get("revivals"))))
    name, why = _named(claims, unmet, concepts, *(len(found.get(key, ())) for key in ("arrivals", "waiting")))
    if name != "disproved" and (broken := next(disproved(found.get("compare", ())), None)):
        name, why = "disproved", broken
    return {"name": name, "why": why, "claims": claims}


def claim(erasure: Erasure, plan: Plan, store: RunStore, row: Mapping[str, Any]) -> dict[str, str]:
    """Return what one erasure of a run whose audits are done claims, and what became of it: ``what``, ``claim``, ``verdict``, ``why``.

    ``row`` is the erasure's row in the results.
    """
    request = request_of(erasure.kind)
    who, claimed = request.name(erasure), str(row["guarantee"])
    wrong = [*_read(request.problems(erasure, plan, store)), *_read(unkept(erasure, plan, store))]
    wrong += _unanswered(who, row, destroyed(plan, erasure))
    if wrong:
        more = f" (and {len(wrong) - 1} more)" if len(wrong) > 1 else ""
        name, why = "disproved", f"{wrong[0].removeprefix(f'{who}: ')}{more}"
    else:
        name, why = _open(erasure, plan, store, row)
    return {"what": who, "claim": claimed, "verdict": name, "why": why}


def _open(erasure: Erasure, plan: Plan, store: RunStore, row: Mapping[str, Any]) -> tuple[str, str]:
    """Return how far a claim that nothing speaks against was shown."""
    claim = family(row["guarantee"])
    if erasure.index not in store.outcomes():
        return "measured", ": ".join(["not carried out by the end of the run", *waits(plan, erasure)])
    if claim == "certified":
        return "proven", "its certificate holds"
    if claim != "exact":
        return "measured", f"claims to be {claim}"
    if row["max_abs_difference"] == 0:
        return "proven", "bit for bit as if the data had never been there"
    reason = row.get("not_judged", {}).get("counterfactual")
    return "measured", f"claims to be exact, but was not compared: {reason or 'audit.counterfactual is off'}"


def _unanswered(who: str, row: Mapping[str, Any], gone: set[int]) -> Iterator[str]:
    """Yield a line if holders, other than those that are gone, gave no receipt for the seeds that they had to drop."""
    if silent := sorted(set(row["holders"]) - gone - {one["holder"] for one in row["receipts"]}):
        yield f"{who}: no receipt came from peers {silent} for what they held"


def _read(lines: Iterator[str]) -> Iterator[str]:
    """Yield the lines, and one more if their source cannot be read."""
    try:
        yield from lines
    except LetheError as error:
        yield str(error)


def _named(
    claims: Sequence[Mapping[str, str]], unmet: Sequence[Mapping[str, Any]], concepts: Sequence[str], arrivals: int, waiting: int
) -> tuple[Name, str]:
    """Return name and reason of the verdict on all claims, the last of them of arrivals, and unmet expectations together."""
    wrong = [one for one in claims if one["verdict"] == "disproved"]
    if wrong:
        more = f" (so are {len(wrong) - 1} more)" if len(wrong) > 1 else ""
        return "disproved", f"{wrong[0]['what']} claims to be {wrong[0]['claim']}: {wrong[0]['why']}{more}"
    if unmet:
        first, more = unmet[0], f" (and {len(unmet) - 1} more)" if len(unmet) > 1 else ""
        what = f"number {first['expect']}, {when(first['after'])}: expected {first['expected']}; {first['found']}"
        return "expectations failed", f"{what}{more}"
    if not claims and not concepts and not waiting:
        return "measured", "nothing had to be forgotten"
    if all(one["verdict"] == "proven" for one in claims) and not concepts and not waiting:
        certified, erasures = sum(family(one["claim"]) == "certified" for one in claims), len(claims) - arrivals
        why = f"{_PROVEN}, or holds a certificate ({certified} of {erasures})" if certified else _PROVEN
        return "proven", "; ".join([why] * (erasures > 0) + [_ARRIVED] * (arrivals > 0))
    return "measured", "; ".join(_told(claims, concepts, arrivals, waiting))


def _told(claims: Sequence[Mapping[str, str]], concepts: Sequence[str], arrivals: int, waiting: int) -> Iterator[str]:
    """Yield the number of proven claims, of the others the number for each reason, concepts, and how many requests never arrived."""
    erasures = len(claims) - arrivals
    for what, some in (("erasures", claims[:erasures]), ("arrivals", claims[erasures:])):
        if some:
            yield f"{sum(one['verdict'] == 'proven' for one in some)} of {len(some)} {what} proven"
    for why, count in Counter(one["why"] for one in claims if one["verdict"] == "measured").items():
        yield f"{count} {why}"
    yield from concepts
    if waiting:
        subject = "1 request waits for a peer that was" if waiting == 1 else f"{waiting} requests wait for peers that were"
        yield f"{subject} away to the end of the run"


def _of_concepts(rows: Sequence[Mapping[str, Any]], attacked: bool) -> Iterator[str]:
    """Yield, for each outcome, how many erasures of concepts had it."""
    for outcome, count in Counter(row["outcome"] for row in rows).items():
        subject = "1 erasure of a concept" if count == 1 else f"{count} erasures of concepts"
        by = "samples and attacks" if attacked else "samples"
        yield f"{subject} {'is' if count == 1 else 'are'} measured by {by}" if outcome == "measured" else f"{subject}: {outcome}"
