"""Numbers, events and erasures in words."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Callable, Iterable, Sequence

from simulator.report.model import EventRow, ReportData
from simulator.report.outcomes import ArrivalRow, ErasureRow, Outcome
from simulator.requests import request_of

NOT_MEASURED = "not measured"
NOT_JUDGED = "not judged"
NO_RECEIPTS = "\u2013"
NOTHING_HELD = "0 of 0"

_SMALL = ("no", "one", "two", "three", "four", "five", "six", "seven", "eight", "nine", "ten", "eleven", "twelve")
_HAPPENED = {
    "arrive": "took new rows in",
    "attack": "came under attack",
    "away": "went away",
    "back": "came back",
    "correct": "had rows corrected",
    "crash": "crashed",
    "cut": "lost an edge between them",
    "defend": "put up a defence",
    "delete": "had data deleted",
    "erase": "had to be forgotten",
    "join": "joined",
    "leave": "left",
    "link": "were linked",
    "offline": "went offline",
    "refuse": "refused to delete a seed",
    "refused": "sent an update that the server refused",
    "rejoin": "rejoined",
    "straggle": "answered late",
    "undone": "had a request left undone",
    "untaken": "had new rows left untaken",
}


def number(n: int) -> str:
    """Return a count in words up to twelve, in digits with thin spaces beyond."""
    return _SMALL[n] if 0 <= n < len(_SMALL) else integer(n)


def integer(n: int | None) -> str:
    """Return an integer with thin spaces between thousands."""
    return NOT_MEASURED if n is None else f"{n:,}".replace(",", "\u202f")


def percent(share: float | None) -> str:
    """Return a share in [0, 1] as a percentage with one decimal."""
    return NOT_MEASURED if share is None else f"{100 * share:.1f}\u202f%"


def auc(value: float | None) -> str:
    """Return an area under a curve with three decimals."""
    return NOT_MEASURED if value is None else f"{value:.3f}"


def difference(value: float | None) -> str:
    """Return a difference with two digits; ``0.0`` means exactly zero."""
    if value is None:
        return NOT_MEASURED
    return "0.0" if value == 0 else "not comparable" if value == float("inf") else f"{value:.2g}"


def seconds(value: float | None) -> str:
    """Return a duration, given in seconds, in minutes, s, ms or µs."""
    if value is None:
        return NOT_MEASURED
    if value == 0:
        return "0\u202fs"
    if round(value) >= 120:
        return "{}\u202fmin {:02d}\u202fs".format(*divmod(round(value), 60))
    for factor, unit in ((1, "s"), (1e3, "ms")):
        if _three_digits(value) * factor >= 1:
            return f"{value * factor:.3g}\u202f{unit}"
    return f"{value * 1e6:.0f}\u202fµs"


def size(count: float | None) -> str:
    """Return a number of bytes in decimal units (kB, MB, GB, TB)."""
    if count is None:
        return NOT_MEASURED
    for factor, unit in ((1e12, "TB"), (1e9, "GB"), (1e6, "MB"), (1e3, "kB")):
        if _three_digits(count) >= factor:
            return f"{count / factor:.3g}\u202f{unit}"
    return f"{count:.0f}\u202fB"


def _three_digits(value: float) -> float:
    """Return a value as it is shown, so that its unit is chosen after rounding."""
    return float(f"{value:.3g}")


def listing(items: Iterable[object], most: int = 6) -> str:
    """Return ``a, b and c``; items beyond ``most`` are counted."""
    words = [str(item) for item in items]
    if len(words) > most + 1:
        words = [*words[:most], f"{integer(len(words) - most)} more"]
    return words[0] if len(words) == 1 else f"{', '.join(words[:-1])} and {words[-1]}" if words else "nobody"


def peers(ids: Sequence[int], most: int = 6) -> str:
    """Return ``peer 4`` or ``peers 4, 5 and 6``."""
    return f"peer{'s' if len(ids) != 1 else ''} {listing(ids, most)}"


def capital(text: str) -> str:
    """Return a text that begins with a capital."""
    return text[:1].upper() + text[1:]


def unbroken(text: str) -> str:
    """Return a text in which no line is broken within short brackets, such as those of an interval."""
    return re.sub(r"\([^()]{1,30}\)|\[[^\[\]]{1,30}\]", lambda found: found[0].replace(" ", "\u00a0"), text)


def plural(n: int, noun: str) -> str:
    """Return ``one row``, ``70 rows``: small numbers are in words."""
    return f"{number(n)} {noun}{'' if n == 1 else 's'}"


def sentence(event: EventRow) -> str:
    """Return an event as a sentence without full stop."""
    what = _HAPPENED.get(event.do, event.do)
    said = f"{peers(event.peers)} {what}" if event.peers else what
    return capital(said) + (f" ({event.detail})" if event.detail else "")


def arrived(arrival: ArrivalRow) -> tuple[str, str]:
    """Return how an arrival ended as (level, words); the level is ``good``, ``bad`` or ``open``."""
    if arrival.guarantee != "exact":
        return "open", f"{arrival.guarantee}, not compared"
    if arrival.equal is None:
        return "open", "claims exact, not compared"
    return ("good", "exact: every bit as if given before training") if arrival.equal else ("bad", "claims exact but differs")


def verdict(erasure: ErasureRow) -> tuple[str, str]:
    """Return the verdict on an erasure as (level, words); the level is ``good``, ``bad`` or ``open``."""
    found, why = erasure.outcome.difference, erasure.verdict.why
    if erasure.verdict.name == "proven":
        return erasure.verdict.level, f"{erasure.guarantee}: {why}"
    if erasure.verdict.name == "disproved":
        return erasure.verdict.level, f"claims to be {erasure.guarantee}: {why}"
    return erasure.verdict.level, why if found is None else f"{why}, {difference(found)} from retraining"


def subject(erasure: ErasureRow) -> str:
    """Return what had to be forgotten in an erasure."""
    return _told(erasure, request_of(erasure.kind).subject)


def subjects(erasures: Sequence[ErasureRow]) -> str:
    """Return what had to be forgotten in erasures that differ only in the peer."""
    if len(erasures) == 1:
        return subject(erasures[0])
    one, counts = request_of(erasures[0].kind), sorted({erasure.rows + erasure.edges for erasure in erasures})
    many = integer(counts[0]) if len(counts) == 1 else f"{integer(counts[0])} to {integer(counts[-1])}"
    return f"{peers([erasure.peer for erasure in erasures], 12)} ({many} {one.unit[counts[-1] != 1]} each)"


def short(erasure: ErasureRow) -> str:
    """Return what had to be forgotten in an erasure, abbreviated."""
    return _told(erasure, request_of(erasure.kind).short)


def _told(erasure: ErasureRow, template: str) -> str:
    count = erasure.rows + erasure.edges
    return template.format(peer=erasure.peer, count=f"{integer(count)} {request_of(erasure.kind).unit[count != 1]}")


def departures(data: ReportData) -> list[str]:
    """Return sentences on what had to be forgotten, and on other events."""
    said = []
    for kind in dict.fromkeys(e.kind for e in data.erasures):
        request, erasures = request_of(kind), [e for e in data.erasures if e.kind == kind]
        count = sum(e.rows + e.edges for e in erasures)
        owners = peers(sorted({e.peer for e in erasures}))
        said.append(capital(request.sentence.format(peers=owners, count=f"{number(count)} {request.unit[count != 1]}")) + ".")
    asked = {(e.round, e.peer) for e in data.erasures}
    others = [event for event in data.events if event.do not in {"leave", "erase", "delete", "correct", "undone"} and event.peers]
    silent = sorted({peer for event in data.events if event.do == "leave" for peer in event.peers if (event.round, peer) not in asked})
    if silent:
        said.append(f"{capital(peers(silent))} left, and nobody asked for {'its' if len(silent) == 1 else 'their'} data to be forgotten.")
    if 0 < len(others) <= 3:
        told = [f"{peers(event.peers)} {_HAPPENED.get(event.do, event.do)} in round {event.round}" for event in others]
        said.append(f"{capital(listing(told))}.")
    elif others:
        kinds = Counter(_HAPPENED.get(event.do, event.do) for event in others for _ in event.peers)
        said.append("Besides: " + listing(f"{what} ({n} \u00d7)" for what, n in sorted(kinds.items())) + ".")
    return said


def proof(data: ReportData) -> list[str]:
    """Return sentences on how many erasures are proven exact, and how many requests were never carried out."""
    if not data.erasures:
        return [undone(data) or "Nobody asked for anything to be forgotten."]
    claims = [e for e in data.erasures if e.guarantee == "exact"]
    proven, unmeasured = (sum(e.verdict.name == name for e in claims) for name in ("proven", "measured"))
    said = []
    if claims and proven == len(claims):
        said.append("Every erasure that claims to be exact left all that remains bit for bit as in a run where the data never existed.")
    elif claims:
        ends = f"{number(proven)} proved so, {number(len(claims) - proven - unmeasured)} did not, {number(unmeasured)} not measured"
        said.append(f"Of {plural(len(claims), 'erasure')} that should be exact: {ends}.")
    certified = [e for e in data.erasures if e.guarantee.startswith("certified")]
    if certified:
        held = sum(e.verdict.name == "proven" for e in certified)
        said.append(f"{plural(len(certified), 'erasure').capitalize()} should be certified: the certificates of {number(held)} hold.")
    if others := len(data.erasures) - len(claims) - len(certified):
        said.append(f"{plural(others, 'erasure').capitalize()} did not claim to be exact; the distance to retraining is shown below.")
    return [*said, undone(data)] if data.waiting else said


def undone(data: ReportData) -> str:
    """Return a sentence on the requests that were never carried out; empty if there are none."""
    one = data.waiting == 1
    ends = "was made and never carried out: its peer was" if one else "were made and never carried out: their peers were"
    return f"{plural(data.waiting, 'request').capitalize()} {ends} away to the end." if data.waiting else ""


def unmet(data: ReportData) -> list[str]:
    """Return a sentence on the failed expectations, if any."""
    failed = [one.text for one in data.expectations if not one.passed]
    if not failed:
        return []
    what = listing([text[:1].lower() + text[1:] for text in failed], 3)
    return [f"{capital(number(len(failed)))} of {plural(len(data.expectations), 'expectation')} failed: {what}."]


def steps(count: float | None) -> str:
    """Return gradient steps of relearning, which may be a mean over holders."""
    if count is None:
        return NOT_MEASURED
    return integer(int(count)) if float(count).is_integer() else f"{count:.1f}"


def receipts(outcome: Outcome) -> str:
    """Return how many of the holders gave a receipt; a dash if there were no holders."""
    if outcome.holders is None or outcome.receipts is None:
        return NO_RECEIPTS
    return f"{integer(outcome.receipts)} of {integer(outcome.holders)}"


FORMATS: dict[str, Callable[[float | None], str]] = {
    "difference": difference,
    "area": auc,
    "steps": steps,
    "seconds": seconds,
    "bytes": size,
    "share": percent,
}
"""Functions that format figures of audits, by the format of their column."""
