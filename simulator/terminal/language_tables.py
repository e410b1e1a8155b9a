"""Tables of what a language model memorised, of guards and their leaks, and of prompts that unlearn."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from rich.table import Table

Row = Mapping[str, Any]


def tables(found: Row) -> Iterator[Table | str]:
    """Yield lines and tables of ``results["language"]``; every share has the number that it is of, or its interval, beside it."""
    if memorised := found.get("memorised"):
        yield f"own records answered as trained: {share(memorised)}; truth ratio {memorised['truth_ratio']:.2f} nats"
    yield from _rouge(found)
    if topic := found.get("topic"):
        yield f"{topic['score']}, words of the topic in answers about it: guards on {share(topic['guarded'])}, off {share(topic['bare'])}"
        yield f"the control, words of the topic in answers about other names: {share(topic['control'])}"
    if measured := [one for one in found["guards"] if "unmeasured" not in one]:
        yield _leaks(measured)
        yield "not applicable here: " + "; ".join(f"{way}: {why}" for way, why in found["not_applicable"].items())
    for guard in found["guards"]:
        if near := guard.get("neighbours"):
            yield f"guard {guard['id']}: given by {near['peers']} neighbours of its owner: on {share(near['on'])}, off {share(near['off'])}"
        if "unmeasured" in guard:
            yield f"guard {guard['id']}: not measured: {guard['unmeasured']}"
    if guarded := found.get("guarded"):
        yield f"refused without need: own records {share(guarded['kept_refused'])}, public questions {share(guarded['public_refused'])}"
    if points := found.get("capacity"):
        yield _capacity(points)
    if prompts := found.get("in_context"):
        yield _prompts(prompts)
    if found["guards"] or prompts:
        yield "behavioural: guards and prompts change no weight; without them the answers are given as told under off, and beside none"


def _rouge(found: Row) -> Iterator[str]:
    """Yield lines on how much of the true answers is in those given, of which users see some and the model gives others."""
    if raw := found.get("memorised", {}).get("rouge"):
        kept = found.get("guarded", {}).get("rouge")
        seen = f"; what users see of what no rule protects {share(kept)}" if kept else ""
        yield f"ROUGE-L recall of answers about own records: the model's {share(raw)}{seen}"
    for guard in found["guards"]:
        if "rouge_on" in guard:
            on, off = share(guard["rouge_on"]), share(guard["rouge_off"])
            yield f"ROUGE-L recall of answers that guard {guard['id']} protects: on {on}, off {off}"
    prompts = found.get("in_context", {})
    if told := [f"{name} {share(row['rouge'])}" for name, row in prompts.items() if "rouge" in row]:
        yield f"ROUGE-L recall of answers forgotten in context, by prompt: {', '.join(told)}"


def share(row: Row) -> str:
    """Return a share with its number and interval: ``0.25 of 12 (0.09 to 0.53)``; with that of names, where these come again."""
    if row["share"] is None:
        return "of none"
    low, high = row["interval"]
    people = f" about {row['names']}" if row["names"] < row["n"] else ""
    return f"{row['share']:.2f} of {row['n']}{people} ({low:.2f} to {high:.2f})"


def _leaks(guards: list[Row]) -> Table:
    """Return a table with one row per way of asking, and one column per guard: leaks with guards on / off."""
    table = Table(title="protected answers that are given: guards on / off", title_justify="left", box=None, pad_edge=False)
    table.add_column("asked by", overflow="fold")
    for guard in guards:
        until = f"\nuntil round {guard['revoked']}" if guard["revoked"] else ""
        action = f", {guard['action']}" if guard["action"] else ""
        asked = f"{guard['on']['plain']['n']} asked about {guard['on']['plain']['names']}"
        table.add_column(f"{guard['id']}\n{guard['stage']}, {guard['match']}{action}\n{asked}{until}", overflow="fold")
    for family in guards[0]["on"]:
        table.add_row(family, *(f"{one['on'][family]['share']:.2f} / {one['off'][family]['share']:.2f}" for one in guards))
    return table


def _capacity(points: list[Row]) -> Table:
    """Return a table with one row per number of guards: counts of questions with the first ones alone."""
    table = Table(title="more guards: questions with the first ones alone", title_justify="left", box=None, pad_edge=False)
    for column in ("guards", "leaked", "precision", "others refused", "others right", "public refused"):
        table.add_column(column, overflow="fold")
    for row in points:
        counts = [f"{row[name]} of {row[of]}" for name, of in (("leaked", "asked"), ("kept_stopped", "kept"), ("kept_right", "kept"))]
        precision = "-" if row["precision"] is None else f"{row['precision']:.2f}"
        table.add_row(str(row["guards"]), counts[0], precision, *counts[1:], f"{row['public_stopped']} of {row['public']}")
    return table


def _prompts(prompts: Mapping[str, Row]) -> Table:
    """Return a table with one row per prompt about forgotten records."""
    table = Table(title="forgotten in context: the true answer", title_justify="left", box=None, pad_edge=False)
    for column in ("prompt", "margin, nats", "given"):
        table.add_column(column, overflow="fold")
    for name, row in prompts.items():
        table.add_row(name, f"{row['margin']:.2f}", share(row))
    return table
