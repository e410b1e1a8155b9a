"""The report of a sweep: one HTML page that needs no other file, in the style of the report of a run."""

from __future__ import annotations

from collections.abc import Iterator
from itertools import groupby
from typing import Any, NamedTuple

from markupsafe import Markup

from simulator.report import words
from simulator.report.model import Figure
from simulator.report.style import CSS
from simulator.report.svg import variable
from simulator.report.template import environment
from simulator.runs.verdict import Verdict
from simulator.sweeps import charts, template
from simulator.sweeps.directory import RUNS
from simulator.sweeps.estimates import Line
from simulator.sweeps.measures import Measure
from simulator.sweeps.result import Played, Sweep
from simulator.sweeps.tables import NOTHING, number, told
from simulator.version import __version__

MOST_CHARTS = 30
MOST_RUNS = 200


class Part(NamedTuple):
    """A section of the page: its anchor, its title in the navigation (none: not there), its heading, and its template."""

    id: str
    title: str
    heading: str
    template: str


class Head(NamedTuple):
    """What the frame says above everything else."""

    name: str
    verdict: Verdict


PARTS = (
    Part("charts", "Pictures", "What it came to", template.CHARTS),
    Part("table", "Table", "The table", template.TABLE),
    Part("runs", "Runs", "Every run", template.RUNS),
    Part("reading", "", "How to read this", template.READING),
    Part("scenario", "Scenario", "The scenario", template.SCENARIO),
)


def page(done: Sweep) -> str:
    """Return the page of a sweep of which at least one run is finished; equal runs give equal bytes."""
    frame = environment({"sweep": template.PAGE, **{one.id: one.template for one in PARTS}})
    view = {"w": words, **_charts(done), **_table(done), **_runs(done), **_scenario(done)}
    return frame.get_template("sweep").render(
        data=Head(done.design.name, done.verdict),
        w=words,
        css=CSS + template.STYLE,
        headline=" ".join(_headline(done)),
        figures=_figures(done),
        sections=PARTS,
        html={one.id: Markup(frame.get_template(one.id).render(view)) for one in PARTS},
        digest=done.design.digest,
        processors=sorted({run.results["machine"]["driver"]["processor"] for run in done.runs}),
        versions=[f"lethe {__version__}"],
    )


def _headline(done: Sweep) -> Iterator[str]:
    design = done.design
    yield f"{words.plural(len(design.runs), 'run').capitalize()} of one scenario, played under {words.plural(len(design.seeds), 'seed')}"
    yield f"with {words.plural(len(design.variants), 'choice')} of {words.listing(design.keys)}." if design.keys else "each as it is."
    if stopped := len(design.runs) - len(done.runs):
        what = f"{words.plural(stopped, 'run').capitalize()} could not be finished"
        yield f"{what}, and the table is without {'it' if stopped == 1 else 'them'}."


def _figures(done: Sweep) -> list[Figure]:
    proven = sum(one.verdict is not None and one.verdict.name == "proven" for one in done.played)
    return [
        Figure("runs finished", f"{len(done.runs)} of {len(done.played)}", "each in a run directory"),
        Figure("runs proven", f"{proven} of {len(done.played)}", "every erasure shown to be what it claims"),
        Figure("seeds", words.integer(len(done.design.seeds)), _seeds(done.design.seeds)),
        Figure("variants", words.integer(len(done.design.variants)), "each under every seed"),
    ]


def _seeds(seeds: tuple[int, ...]) -> str:
    """Return the seeds in words."""
    first, last = seeds[0], seeds[-1]
    if seeds == tuple(range(first, last + 1)):
        return f"{first} to {last}" if len(seeds) > 1 else str(first)
    return words.listing(seeds, 12)


def _groups(done: Sweep) -> list[tuple[Measure, list[Line], bool]]:
    """Return every measure with its lines of the table, and whether it is the same in every run."""
    groups = [(measure, list(own)) for measure, own in groupby(done.lines, key=lambda line: line.measure)]
    values = {measure: {found[measure] for found in done.measured if found and measure in found} for measure, _ in groups}
    return [(measure, own, len(values[measure]) == 1) for measure, own in groups]


def _charts(done: Sweep) -> dict[str, Any]:
    varying = [(measure, own) for measure, own, constant in _groups(done) if not constant]
    drawn = [
        {"name": measure.name, "unit": measure.unit, "svg": charts.multiple(done.design, own, done.measured, f"multiple-{place}")}
        for place, (measure, own) in enumerate(varying[:MOST_CHARTS])
    ]
    return {
        "charts": drawn,
        "hidden_charts": len(varying) - len(drawn),
        "names": [(name, variable(charts.look(place)[0])) for place, name in enumerate(charts.series(done.design))],
        "axis": done.design.keys[0] if done.design.keys else "",
    }


def _table(done: Sweep) -> dict[str, Any]:
    compared = len(done.design.variants) > 1
    groups = []
    for measure, own, constant in _groups(done):
        rows = [_same(own)] if constant and compared else [_row(done, line, compared) for line in own]
        groups.append({"name": measure.name, "unit": measure.unit, "rows": rows})
    return {"groups": groups, "compared": compared}


def _row(done: Sweep, line: Line, compared: bool) -> dict[str, Any]:
    texts = [*told(line.own), *(told(line.difference) if compared else ())]
    return {"label": done.design.labels[line.variant], "n": line.own.n, "texts": texts}


def _same(own: list[Line]) -> dict[str, Any]:
    """Return one row for all variants."""
    texts = [number(own[0].own.mean), *[NOTHING] * 3]
    return {"label": "the same in every run", "n": sum(line.own.n for line in own), "texts": texts}


def _runs(done: Sweep) -> dict[str, Any]:
    return {"runs": [_run(done, one) for one in done.played[:MOST_RUNS]], "hidden_runs": max(len(done.played) - MOST_RUNS, 0)}


def _run(done: Sweep, one: Played) -> dict[str, Any]:
    variant, found = done.design.labels[one.planned.variant], one.verdict
    row = {"variant": variant, "seed": one.planned.seed, "link": "", "digest": ""}
    if one.run is None or found is None:
        return row | {"verdict": "not finished", "level": "bad", "why": one.why}
    link = f"{RUNS}/{one.run.folder.name}/report.html"
    why = "" if found.holds else found.why
    return row | {"verdict": found.name, "level": found.level, "why": why, "link": link, "digest": one.run.digest[:16]}


def _scenario(done: Sweep) -> dict[str, Any]:
    columns = {key: dict.fromkeys(dict(variant.values)[key] for variant in done.design.variants) for key in done.design.keys}
    return {
        "varied": [(key, ", ".join(values)) for key, values in columns.items()],
        "seeds": _seeds(done.design.seeds),
        "scenario": done.design.runs[0].scenario.to_toml(),
    }
