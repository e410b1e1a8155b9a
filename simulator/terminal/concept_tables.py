"""Tables of erased concepts that fit a terminal: with 80 columns, no cell is broken."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from typing import Any

from rich.table import Table

from simulator.runs.shown import number, span

VERSIONS = ("original", "pruned", "revived", "random_signs", "true_signs", "neuron_mean", "defended", "adaptive")
"""The variants of a model's weights, one row each."""

NONE = "-"
GAP = 2

_LABELS = (*(name.replace("_", " ") for name in VERSIONS), "signs right", "surest fifth", "worst other")

Row = Mapping[str, Any]
Cells = Callable[[Row], list[str]]
"""Returns the column of an attack."""


def tables(found: Row, width: int) -> Iterator[Table | str]:
    """Yield a table of erasures, tables of attacks and of samples that changed, as many as the width requires, and how sure all are.

    Parameters
    ----------
    found : mapping
        Content of ``results.json``: ``concepts`` and ``revivals``.
    width : int
        Width of the terminal in columns.
    """
    erasures, attacks = found["concepts"], found["revivals"]
    if erasures:
        yield _erasures(erasures)
    yield from _side_by_side("attacks: share of samples that show the erased concept / the others", attacks, width, _LABELS, _cells)
    yield from _certainty([row[name] for row in erasures for name in ("original", "erased") if row[name]], "erasures")
    yield from _certainty([row[name] for row in attacks for name in VERSIONS if row[name]], "attacks")
    yield from _signs(attacks)
    yield from _changes(erasures, attacks, width)
    yield from (_named(row) for row in attacks if "named" in row)


def not_played(rows: Sequence[Row]) -> Iterator[str]:
    """Yield a line for each attack or defence that was not played, with the reason."""
    for row in rows:
        what = f"concept {row['concept']} by {row['adversary']}" if "adversary" in row else row["fill"]
        yield f"not played, round {row['round']}: {row['do']} {what}: {row['why']}"


def accuracy(what: str, told: Row) -> Iterator[str]:
    """Yield lines on the accuracy of a model: how sure it is, its worst class, and how near its samples are to real images."""
    line = f"{what}: {number(told.get('sampled'))}"
    if "interval" in told:
        line += f" ({_ends(told['interval'])}, n = {told['n']})"
        if (worst := told["worst"]) is not None:
            line += f"; worst class {_worst(told)} ({_ends(worst['interval'])}, n = {worst['n']})"
    yield line
    if "local_interval" in told:
        yield f"  of main models without their neighbours: {number(told['local'])} ({_ends(told['local_interval'])}, n = {told['n']})"
    if near := told.get("fidelity"):
        distance, precision, recall = (f"{near[part]:.2f} ({near['real'][part]:.2f})" for part in ("frechet", "precision", "recall"))
        yield f"  Fr\u00e9chet distance {distance}, precision {precision}, recall {recall}; in brackets: of real images"


def _named(row: Row) -> str:
    """Return whom an adversary named from the scar."""
    named = row["named"]
    verdict, place = "right" if named["right"] else "wrong", f"{row['concept']} is number {named['place']} of {named['of']} suspects"
    return f"named from the scar, round {row['round']}: {named['concept']}, {verdict} (chance {named['chance']:.2f}); {place}"


def _certainty(scores: Sequence[Row], what: str) -> Iterator[str]:
    """Yield how many samples there are and how wide the widest 95 % intervals, if that is known."""
    pairs = [pair for pair in scores if "n" in pair]
    if not pairs:
        return
    half = [_half((pair[part], pair["interval"][part]) for pair in pairs) for part in ("target", "others")]
    target, others = (span({pair["n"][part] for pair in pairs}) for part in ("target", "others"))
    line = f"{what}: of {target} / {others} samples each; 95 % intervals: at most \u00b1{half[0]:.2f} / \u00b1{half[1]:.2f}"
    if worst := [pair["worst"] for pair in pairs if pair.get("worst")]:
        line += f"; worst other of {span({one['n'] for one in worst})}: \u00b1{_half((one['share'], one['interval']) for one in worst):.2f}"
    yield line


def _signs(rows: Sequence[Row]) -> Iterator[str]:
    """Yield how many entries there are behind the shares of signs, and how wide the widest 95 % intervals, if that is known."""
    known = [row for row in rows if row.get("n")]
    if not known:
        return
    parts = {"sign_accuracy": "lost entries", "sign_accuracy_top_fifth": "surest"}
    having = {part: rows for part in parts if (rows := [row for row in known if part in row["n"]])}
    counts = " / ".join(f"{span({row['n'][part] for row in rows})} {parts[part]}" for part, rows in having.items())
    halves = " / ".join(f"\u00b1{_half((row[part], row['interval'][part]) for row in rows):.3f}" for part, rows in having.items())
    yield f"signs: of {counts}"
    yield f"  95 % intervals: at most {halves}, too narrow as entries are dependent"


def _changes(erasures: Sequence[Row], attacks: Sequence[Row], width: int) -> Iterator[Table | str]:
    """Yield tables and lines on the samples of the concept that changed between versions of the weights, if they were counted."""
    pairs = [(later, earlier) for later in VERSIONS for earlier in VERSIONS if any(earlier in _paired(row[later]) for row in attacks)]

    def cells(row: Row) -> list[str]:
        return [_change(_paired(row[later]).get(earlier)) for later, earlier in pairs]

    labels = [f"{earlier} to {later}".replace("_", " ") for later, earlier in pairs]
    changed = [(row, paired) for row in erasures if (paired := _paired(row["erased"]).get("original"))]
    if pairs:
        yield from _side_by_side("changes: samples of the concept gained and lost, p of the test", attacks, width, labels, cells)
    for row, paired in changed:
        yield f"erased in round {row['round']}: {row['concept']}, samples gained and lost: {_change(paired)}"
    if pairs or changed:
        yield "gained, lost: samples from the same start noise; p: exact test of McNemar,"
        yield "  over samples of one training, not corrected for the number of tests"


def _paired(scores: Row | None) -> Row:
    """Return the samples that changed from other versions to one, by the others' names; empty if they were not counted."""
    return {} if scores is None else scores.get("paired", {})


def _change(paired: Row | None) -> str:
    return NONE if paired is None else f"+{paired['gained']} -{paired['lost']} p {paired['p']:.2g}"


def _half(told: Iterable[tuple[float, Sequence[float]]]) -> float:
    """Return how far the farthest end of an interval lies from its share."""
    return max(max(share - low, high - share) for share, (low, high) in told)


def _ends(interval: Sequence[float]) -> str:
    return f"{interval[0]:.2f} to {interval[1]:.2f}"


def _erasures(rows: Sequence[Row]) -> Table:
    table = _table("erased concepts: samples that show the concept / the others")
    alone = any(row["drawn"] for row in rows) and not any(row["erased"] for row in rows)
    heads = ("drawn by them\nalone", "with their\nneighbours") if alone else ("before", "after")
    judged = [row for row in rows if (row["erased"] or {}).get("worst")]
    for head in ("round", "concept", "erased by", "peers", *heads, *(["worst\nother"] if judged and not alone else [])):
        table.add_column(head, no_wrap=True)
    for row in rows:
        drawn = [_drawn(row["drawn"] or {}, name) for name in ("local", "sampled")]
        scores = drawn if alone else [_pair(row["original"]), _pair(row["erased"])]
        worst = [_worst(row["erased"])] if judged and not alone else []
        table.add_row(str(row["round"]), str(row["concept"]), row["method"], str(len(row["peers"])), *scores, *worst)
    return table


def _side_by_side(title: str, rows: Sequence[Row], width: int, labels: Sequence[str], cells: Cells) -> Iterator[Table]:
    """Yield tables with a column for each attack, as many as the width requires."""
    while rows:
        taken = _that_fit(rows, width - max(map(len, labels)), cells)
        table = _table(title)
        table.add_column("")
        for row in rows[:taken]:
            table.add_column(_head(row), no_wrap=True)
        for label, line in zip(labels, zip(*map(cells, rows[:taken]), strict=True), strict=True):
            table.add_row(label, *line)
        yield table
        title, rows = f"{title.partition(':')[0]}, continued", rows[taken:]


def _that_fit(rows: Sequence[Row], left: int, cells: Cells) -> int:
    """Return how many attacks fit side by side into what is left of a width in columns, at least one."""
    for count, row in enumerate(rows):
        left -= GAP + max(len(text) for text in [*_head(row).splitlines(), *cells(row)])
        if left < 0:
            return max(1, count)
    return len(rows)


def _head(row: Row) -> str:
    seed = f"\nseed of peer {row['seed_of']}" if "seed_of" in row else ""
    return f"{row['adversary'].replace('_', ' ')}\nconcept {row['concept']}\nround {row['round']}{seed}"


def _cells(row: Row) -> list[str]:
    signs = (_share(row[name]) for name in ("sign_accuracy", "sign_accuracy_top_fifth"))
    return [*(_pair(row[name]) for name in VERSIONS), *signs, _worst(row["revived"])]


def _pair(scores: Row | None) -> str:
    return NONE if scores is None else f"{scores['target']:.2f} / {scores['others']:.2f}"


def _worst(scores: Row | None) -> str:
    """Return the concept, of those nobody has erased, of which the fewest samples are right, and their share."""
    worst = (scores or {}).get("worst")
    return NONE if worst is None else f"{worst['concept']}: {worst['share']:.2f}"


def _drawn(found: Row, name: str) -> str:
    """Return the share of samples of the peers that erased a concept, with its interval if that is known."""
    if name not in found or "interval" not in found:
        return _share(found.get(name))
    low, high = found["interval"][name]
    return f"{found[name]:.2f} ({low:.2f}-{high:.2f})"


def _share(value: float | None) -> str:
    return NONE if value is None else f"{value:.2f}"


def _table(title: str) -> Table:
    return Table(title=title, title_justify="left", box=None, pad_edge=False, padding=(0, GAP, 0, 0))
