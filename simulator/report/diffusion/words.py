"""Erased, revived and hidden concepts in words."""

from __future__ import annotations

from collections.abc import Iterable

from server.audit.intervals import wilson
from server.audit.paired import Paired
from simulator.report import words
from simulator.report.diffusion.model import SEEDS, Erased, RevivalRow, Roots, Sample, Setting, mean_scores
from simulator.report.diffusion.scores import Drawn, Near, Scores
from simulator.report.model import EventRow, ReportData
from simulator.runs.shown import span

VARIANTS = {
    "original": "original",
    "pruned": "pruned",
    "revived": "revived",
    "random_signs": "random signs",
    "true_signs": "true signs",
    "neuron_mean": "neuron mean",
    "defended": "defended",
    "adaptive": "adaptive attack",
}

POLICIES = {
    "mean": "Averages everything. A weight that a share q of the peers cut comes out 1 \u2212 q times its size: no zero, the right sign. "
    "The cut is diluted.",
    "masked_mean": "Averages over the peers that kept a weight. One peer that did not prune brings it back whole.",
    "union_zero": "Zero wherever any peer cut. Keeps the cut and shows its place; one peer can cut as much as the budget allows.",
    "vote": "Zero where enough peers, by weight, cut; elsewhere the mean of those that kept the weight. Needs masks that agree.",
    "union_noise": "As union, then noise where the zeros were, drawn once on the server. Hides the place from those without masks.",
    "server_mask": "Peers cut nothing: they report what their neurons do, and the server makes one cut from the sums. The share is that of "
    "peers that report; one is enough for a whole cut, more make it surer.",
}

KNOWLEDGE = {
    "weights only": "the released weights alone",
    "weights, density": "the weights, and how much was cut",
    "weights, density, defence": "the weights, how much was cut, and how loud the fill is",
    "weights, mask": "the weights and the mask",
    "weights, mask, shares": "the weights, the mask, and the share of peers that pruned",
    "weights, history of aggregates": "the weights, and releases from before",
    "weights, releases of its own": "the released model, and other concepts’ cuts that it made of it",
    "weights, list of concepts": "the released model, and the list of its concepts",
    "weights, own images of other concepts": "the released model, and images of other concepts of its own",
    "weights, own images": "the released model, and a few images of the concept of its own",
    "weights, one unpruned client's update": "the weights, and the update of a peer that did not prune",
}
"""Description of what an adversary has, by its knowledge."""

IN_SEEDS = " in each seed "
"""What events say of attacks on relayed seeds."""

TESTS = {
    "entries": "entries by size",
    "grid": "entries by their low bits",
    "columns.std": "columns by spread",
    "columns.leading": "columns by leading part",
    "columns.coherence": "columns by coherence",
}


def whole(share: float | None) -> str:
    """Return a share in [0, 1] as a whole percentage."""
    return words.NOT_MEASURED if share is None else f"{100 * share:.0f}\u202f%"


def ends(share: float | None, n: int) -> str:
    """Return the 95 % interval of a share of ``n`` samples, as whole percentages; empty if either is unknown."""
    if share is None or not n:
        return ""
    low, high = wilson(share, n)
    return f"{100 * low:.0f}\u2013{100 * high:.0f}\u202f%"


def with_ends(share: float | None, n: int) -> str:
    """Return a share as a whole percentage with its interval, if that is known."""
    told = ends(share, n)
    return f"{whole(share)} ({told})" if told else whole(share)


def counted(pairs: Iterable[Scores]) -> str:
    """Return numbers of samples behind the shares in a table's rows, as a sentence; empty if they are unknown."""
    known = sorted({(pair.n_target, pair.n_others) for pair in pairs if pair.n_target})
    target, others = (span([pair[part] for pair in known]) for part in (0, 1)) if known else ("", "")
    return f"In brackets: 95 % intervals over samples; in each row {target} of the concept and {others} of the others." if known else ""


def changed(one: Paired | None) -> tuple[str, str]:
    """Return how many samples one version gained and lost against another, and the p value of the test."""
    return ("\u2013", "") if one is None else (f"+{one.gained} \u2212{one.lost}", f"p = {one.p:.2g}")


def tested(count: int) -> str:
    """Return what so many tests of changes say, as sentences; empty if there is none."""
    if not count:
        return ""
    said = (
        "Gained and lost: samples of the concept that only the later of two versions shows, and only the earlier one, from the same start "
        "noise; p is that of the exact test of McNemar that both are equally likely. It takes the training as given, and says nothing of "
        "another one."
    )
    level = f" None of the {count} tests is corrected: for all of them together, 5\u202f% is p below {0.05 / count:.2g}."
    return said + (level if count > 1 else "")


def entries(rows: Iterable[RevivalRow]) -> str:
    """Return over how many entries the shares of signs of attacks are, as a sentence; empty if that is unknown."""
    counts = [[row.n[name] for row in rows if name in row.n] for name in ("sign_accuracy", "sign_accuracy_top_fifth")]
    if not all(counts):
        return ""
    lost, surest = (" to ".join(words.integer(one) for one in sorted({min(found), max(found)})) for found in counts)
    return f"In brackets: 95\u202f% intervals; of signs over {lost} lost entries, and {surest} of the surest fifth."


def between(ends: tuple[float, float] | None, percent: bool) -> str:
    """Return an interval, as percentages with one decimal or as areas under a curve; empty if it is unknown."""
    if ends is None:
        return ""
    low, high = ends
    return f"{100 * low:.1f}\u2013{words.percent(high)}" if percent else f"{words.auc(low)}\u2013{words.auc(high)}"


def least(one: Drawn | None) -> str:
    """Return the concept of which the fewest samples are right, with its share as a whole percentage."""
    return words.NOT_MEASURED if one is None else f"{one.concept}: {whole(one.share)}"


def least_ends(one: Drawn | None) -> str:
    """Return the 95 % interval of that share, which holds for all concepts together, as whole percentages."""
    return "" if one is None else f"{100 * one.interval[0]:.0f}\u2013{100 * one.interval[1]:.0f}\u202f%"


def nearness(one: Near | None) -> tuple[str, str, str]:
    """Return Frechet distance, precision and recall of samples, each with that of real images in brackets."""
    if one is None:
        return (words.NOT_MEASURED,) * 3
    (distance, *shares), (floor, *floors) = one.samples, one.real
    precision, recall = (f"{whole(share)} ({whole(real)})" for share, real in zip(shares, floors, strict=True))
    return f"{distance:.2f} ({floor:.2f})", precision, recall


def nearness_note(rows: Iterable[Erased]) -> str:
    """Return what distances, precision and recall of erasures are over, as sentences; empty if none was measured."""
    counts = {one.near.n for row in rows for one in (row.before, row.after) if one is not None and one.near is not None}
    return nearness_of(span(counts)) if counts else ""


def nearness_of(n: str) -> str:
    """Return what distances, precision and recall are over, as sentences."""
    return (
        f"Of the concepts that nobody has erased: {n} samples, and as many real images, in the features of the judge. Precision is the "
        "share of samples that lie near a real image, recall that of real images near a sample. In brackets the same of other real images, "
        "which is what so few images can reach; there are no intervals, as resampling repeats images, which moves all three."
    )


def policy(name: str) -> str:
    """Return a policy's name in words: ``union_noise(1)`` becomes ``union noise (1)``."""
    return name.replace("_", " ").replace("(", " (") or "no policy named"


def explained(name: str) -> str:
    """Return a description of a policy's effect on a cut; empty for a policy of another distribution."""
    return POLICIES.get(name.split("(")[0].strip(), "")


def area(found: tuple[float, float, float] | None) -> tuple[str, str]:
    """Return an area under a curve with its interval."""
    return (words.NOT_MEASURED, "") if found is None else (f"{found[0]:.2f}", f"{found[1]:.2f}\u2013{found[2]:.2f}")


def knowledge(name: str) -> str:
    """Return a description of what an adversary with this knowledge has."""
    return KNOWLEDGE.get(name, name.replace("_", " ") or "what is not named")


def setting(own: Setting, among: Iterable[Setting] = ()) -> str:
    """Return what revivals share: how peers were averaged, who attacked, what the adversary holds, how it completes.

    ``among`` other settings, only what is not the same in all is told.
    """
    every = list(zip(*{own, *among}, strict=True))
    telling = [not among or len(set(values)) > 1 for values in every]
    parts = (
        "seeds of single peers, as their neighbours hold them" if own[0] == SEEDS else f"policy {policy(own[0])}",
        f"attacked by {own[1].replace('_', ' ')}",
        f"the adversary holds {knowledge(own[2])}",
        f"completion {own[3].replace('_', ' ')}",
    )
    told = [part for part, value, tell in zip(parts, own, telling, strict=True) if tell and value]
    return "; ".join(told)


def named(row: RevivalRow) -> str:
    """Return whom an adversary named, as a sentence; empty if it named nobody."""
    if row.named is None:
        return ""
    one = row.named
    verdict = "which is right" if one.right else "which is wrong"
    named = f"Round {row.round}: from the scar it names {one.first} first, {verdict}"
    return f"{named}; {row.concept} is number {one.place} of {one.of} suspects. By chance {whole(one.chance)} are right."


def sentence(event: EventRow) -> str:
    """Return an event of a diffusion run as a sentence without full stop."""
    if event.do == "erase":
        who = words.peers(event.peers)
        return f"{who[0].upper()}{who[1:]} erased {event.detail.replace('_', ' ')}"
    if event.do in ("attack", "defend"):
        who = "A curious neighbour" if IN_SEEDS in event.detail else "The server"
        return f"{who} {event.do}ed: {event.detail.replace('_', ' ')}"
    return words.sentence(event)


def verdict(sample: Sample) -> str:
    """Return the judge's verdict on a sample, readable without colour."""
    return f"{sample.judged}\u2009\u2713" if sample.right else f"{sample.judged}\u2009\u2717"


def spoken(variant: str, sample: Sample) -> str:
    """Return the alternative text of a sample."""
    return f"{VARIANTS[variant]}: asked for {sample.asked}, judged {sample.judged}, {'right' if sample.right else 'wrong'}"


def headline(data: ReportData) -> list[str]:
    """Return what happened in a diffusion run, in a few sentences."""
    who, long = words.plural(len(data.peers), "peer").capitalize(), words.plural(len(data.rounds), "round")
    said = [f"{who} trained a diffusion model on {data.dataset} together for {long}, each on its own images."]
    said += words.departures(data)
    if (released := data.own.released) is not None:
        right = with_ends(released.sampled, released.n)
        said.append(f"Of their seeds the server made a model, anew in each round, and released it; it draws {right} of its samples right.")
    said += _story(data.own) if data.own.revivals else []
    return said + (words.proof(data) if data.erasures or data.waiting else [])


def _story(roots: Roots) -> list[str]:
    """Return sentences on the results for the concepts."""
    rows = roots.rows(roots.settings[0])
    names = list(dict.fromkeys(row.concept for row in rows))
    means = {variant: mean_scores(rows, variant) for variant in VARIANTS}
    one = len(names) == 1
    which = f"{'Concept' if one else 'Concepts'} {words.listing(names, 12)}"
    said = [f"{which} was pruned away." if one else f"{which} were pruned away."]
    steps = (
        ("original", "Before, {} of the samples asked to show {} did"),
        ("pruned", "after the cut {}"),
        ("revived", "after an attack that reads the lost signs off the other weights {}"),
        ("random_signs", "with random signs {}"),
        ("defended", "with noise in the cut {}"),
        ("adaptive", "and after an attack that knows the noise {}"),
    )
    shares = {v: with_ends(means[v].target, means[v].n_target) for v, _ in steps if means[v].target is not None}
    told = [text.format(shares[v], "it" if one else "them") for v, text in steps if v in shares]
    return [*said, "; ".join(told) + "."] if told else said


def history(roots: Roots) -> str:
    """Return sentences on adversaries that kept an earlier release, if any."""
    rows = tuple(row for row in roots.revivals if row.adversary == "historian")
    if not rows:
        return ""
    before, after = mean_scores(rows, "original"), mean_scores(rows, "revived")
    now, once = (with_ends(one.target, one.n_target) for one in (after, before))
    return f"In this run it had {now} of the samples right again; before the cut it was {once}."


def success(row: RevivalRow) -> float | None:
    """Return the share of the lost score that the attack restores; None if it is not defined."""
    original, pruned, revived = (row.scores.get(variant, Scores()).target for variant in ("original", "pruned", "revived"))
    if original is None or pruned is None or revived is None or original <= pruned:
        return None
    return (revived - pruned) / (original - pruned)
