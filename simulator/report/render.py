"""Rendering of a report's data to one HTML page, by a pure function."""

from __future__ import annotations

from collections.abc import Sequence

from markupsafe import Markup

from clients.spec import located
from simulator.report import words
from simulator.report.contract import Section, TaskPage
from simulator.report.model import ReportData
from simulator.report.sections import COMMON
from simulator.report.style import CSS
from simulator.report.template import environment


def render(data: ReportData) -> str:
    """Return the report as a self-contained HTML page, which loads nothing; equal data give equal bytes.

    Long lists are cut, and the page says by how much.
    """
    page: TaskPage = located(data.page)()
    named = dict.fromkeys((*COMMON, *page.sections, *data.sections))
    known: list[Section] = sorted(map(located, named), key=lambda section: section.order)
    views = {section.id: view for section in known if (view := section.view(data, page)) is not None}
    sections = [section for section in known if section.id in views]
    sources = {section.id: f'{{% from "macros" import picture, cell with context %}}{section.template}' for section in sections}
    frame = environment({f"section/{name}": source for name, source in sources.items()})
    html: dict[str, Markup] = {}
    for section in sorted(sections, key=lambda section: not section.within):  # what stands within another comes first
        parts = Markup("").join(html[one.id] for one in sections if one.within == section.id)
        context = {"data": data, "page": page, "w": words, "parts": parts, **views[section.id]}
        html[section.id] = Markup(frame.get_template(f"section/{section.id}").render(context))
    return frame.get_template("page").render(
        data=data,
        w=words,
        css=CSS + "".join(_styles(sections)),
        headline=" ".join([*page.headline(data), *words.unmet(data)]),
        figures=[*page.key_figures(data), *(figure for section in sections for figure in section.figures(data))],
        sections=[section for section in sections if not section.within],
        html=html,
    )


def _styles(sections: Sequence[Section]) -> list[str]:
    """Return the distinct style sheets of sections."""
    return list(dict.fromkeys(section.style for section in sections if section.style))
