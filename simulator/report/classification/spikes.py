"""Spikes and thresholds of spiking networks before and after requests."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import matplotlib as mpl
import numpy as np

from simulator.report import svg

MOST = 4
"""Requests that are shown."""

TEMPLATE = """<p>One dot a spike: time steps across, hidden neurons up, on the first public test row of the class that was forgotten
most and on one of another class. A neuron whose threshold was raised needs more current to fire. Where forgetting
is not exact, the run in which the rows never were is another training, which does not compare neuron for neuron.</p>
{% for one in shown %}<h3>Round {{ one.round }}, peer {{ one.peer }}</h3>
{{ picture(one.chart, one.caption) }}
{% endfor %}{% if hidden %}<p class="note">{{ hidden }} more requests are in results.json.</p>{% endif %}
"""


def view(firing: Sequence[Mapping[str, Any]]) -> dict[str, Any]:
    """Return the values of the template's variables."""
    shown = [
        {
            "round": one["round"],
            "peer": one["peer"],
            "chart": tuple(chart(one, f"spikes-{place}-{name}", width) for name, width in (("w", svg.WIDE), ("n", svg.NARROW))),
            "caption": caption(one),
        }
        for place, one in enumerate(firing[:MOST])
    ]
    return {"shown": shown, "hidden": max(0, len(firing) - MOST)}


def caption(one: Mapping[str, Any]) -> str:
    """Return how many spikes each run has on each row, and how many thresholds were raised, as text."""
    counts = [
        f"{row['class']}: " + ", ".join(f"{len(run['spikes'][place])} spikes {name}" for name, run in one["runs"].items())
        for place, row in enumerate(one["rows"])
    ]
    after, before = one["runs"]["at the end"]["thresholds"], one["runs"].get("before the request")
    risen = "" if before is None else f"{int(np.sum(np.asarray(after) > np.asarray(before['thresholds'])))} of {len(after)} are higher, "
    return f"{'; '.join(counts)}. Thresholds at the end: {risen}the highest is {max(after):.3g}."


def chart(one: Mapping[str, Any], name: str, width: float) -> str:
    """Draw spikes, one row of panels for each test row and one column for each run, and thresholds beneath."""
    runs, rows = one["runs"], one["rows"]
    with mpl.rc_context(svg.STYLE):
        fig = svg.figure(width, 1.7 * (len(rows) + 1))
        panels = fig.subplots(len(rows) + 1, len(runs), squeeze=False, sharey="row")
        for column, (run, told) in enumerate(runs.items()):
            neurons = np.arange(len(told["thresholds"]))
            panels[0, column].set_title(run, fontsize=8.5)
            for line, spikes in enumerate(told["spikes"]):
                axes = panels[line, column]
                steps, fired = np.asarray(spikes, dtype=int).reshape(-1, 2).T
                axes.scatter(steps, fired, s=2.5, color=svg.GONE if line == 0 else svg.ENSEMBLE, linewidths=0)
                axes.set_xlim(-0.5, told["steps"] - 0.5)
                axes.set_ylim(-1, len(neurons))
            axes = panels[-1, column]
            axes.scatter(neurons, told["thresholds"], s=5, color=svg.MAIN, linewidths=0)
            axes.set_xlabel("neuron")
        for line, row in enumerate(rows):
            panels[line, 0].set_ylabel(row["class"], fontsize=8)
        panels[-1, 0].set_ylabel("threshold", fontsize=8)
        return svg.inline(fig, name, f"Spikes and thresholds of peer {one['peer']} in {len(runs)} runs")
