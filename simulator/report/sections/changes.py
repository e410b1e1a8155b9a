"""Common parts of the sections that show changes as pictures: of the graph, and of the seeds that peers hold."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any, TypeVar

from simulator.report import svg

MOST_PICTURES = 12

TEMPLATE = """{% for one in changes %}<h3>Round {{ one.round }}: {{ one.title }}</h3>
{{ picture(one.pictures, one.caption) }}
{% endfor %}{% if hidden %}<p class="note">{{ hidden }} later changes are not drawn.</p>{% endif %}
"""

C = TypeVar("C")


def view(changes: Sequence[C], shown: Callable[[C, int], dict[str, Any]]) -> dict[str, Any] | None:
    """Return the template's variables, None without changes; ``shown`` returns those of one change, given its position."""
    drawn = [shown(one, place) for place, one in enumerate(changes[:MOST_PICTURES])]
    return {"changes": drawn, "hidden": len(changes) - len(drawn)} if drawn else None


def pair(draw: Callable[[C, float, str], str], change: C, name: str) -> tuple[str, str]:
    """Return a change, drawn for wide and for narrow screens; the ids in the pictures begin with ``name``."""
    return draw(change, svg.WIDE, f"{name}-w"), draw(change, svg.NARROW, f"{name}-n")
