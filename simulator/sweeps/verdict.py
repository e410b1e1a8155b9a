"""One verdict on many runs."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping

from simulator.runs.verdict import Name, Verdict

_BAD: tuple[Name, ...] = ("disproved", "expectations failed")
_GOOD: tuple[Name, ...] = ("proven", "measured")


def of_all(verdicts: Mapping[str, Verdict | None]) -> Verdict:
    """Return the worst of some runs' verdicts, and why.

    Parameters
    ----------
    verdicts : mapping
        Verdicts by what the runs are called; None for one that is not finished: without it nothing is better than measured.
    """
    for name in _BAD:
        if wrong := {label: one for label, one in verdicts.items() if one is not None and one.name == name}:
            label, first = next(iter(wrong.items()))
            more = f" (so are {len(wrong) - 1} more of {len(verdicts)} runs)" if len(wrong) > 1 else f" (one of {len(verdicts)} runs)"
            return Verdict(name, f"{label}: {first.why}{more}")
    counts = Counter(one.name for one in verdicts.values() if one is not None)
    told = [f"{counts[name]} of {len(verdicts)} runs {name}" for name in _GOOD if counts[name]]
    if unfinished := len(verdicts) - counts.total():
        told.append(f"{unfinished} of {len(verdicts)} runs not finished")
    return Verdict("proven" if counts["proven"] == len(verdicts) else "measured", "; ".join(told))
