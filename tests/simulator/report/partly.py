"""Pages of which a test reads a few sections: the others, and all figures, are left out, which take most of a page's time."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from clients.spec import located
from simulator.report import render, svg
from simulator.report.contract import Section
from simulator.report.model import ReportData


def rendered(data: ReportData, *sections: str) -> str:
    """Return the page with the sections of these ids alone, and no figure in them."""

    def chosen(name: str) -> Any:
        found = located(name)
        return replace(found, view=lambda *_: None) if isinstance(found, Section) and found.id not in sections else found

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(render, "located", chosen)
        patch.setattr(svg, "drawn", lambda fig: '<svg viewBox="0 0 1 1"></svg>')
        return render.render(data)
