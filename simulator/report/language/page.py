"""The wording of reports on language models: memorised records, guards, and prompts that unlearn."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, ClassVar

from simulator.report import words
from simulator.report.classification.page import ClassificationPage, Own
from simulator.report.contract import Section, TaskPage, at_the_end, proven
from simulator.report.model import EventRow, Figure, ReportData
from simulator.scenarios.plan import Plan
from simulator.storage.store import RunStore

TEMPLATE = """<p>No guard and no prompt below changes a weight: whoever has the model, or leaves the prompt out, gets the answers that stand
after the stroke, or beside <em>none</em> (<em>behavioural</em>; where these are few, guards and prompts prove nothing). A refusal tells,
too, that something is protected.</p>
{% if own.guards %}<h3>Guards</h3>
<p>Share of the protected answers that a user gets, by the way of asking, with this guard alone / without guards; with 95 % intervals where
on, of as many questions as there are names: facts about one person are learned together.</p>
<p>Not applicable here:
{% for way, why in own.not_applicable.items() %}<em>{{ way }}</em>: {{ why }}{{ "; " if not loop.last }}{% endfor %}.</p>
{% for row in unmeasured %}<p><strong>{{ row.id }}</strong> was not measured: {{ row.unmeasured }}.</p>
{% endfor %}{% endif %}{% if guards %}<div class="scroll"><table><thead><tr><th>asked by</th>{% for row in guards %}<th>{{ row.id }}<br>
<small>{{ row.stage }}, {{ row.scope }}<br>{{ row.match }}{% if row.action %}, {{ row.action }}{% endif %}<br>
{{ row.on.plain.n }} questions about {{ row.on.plain.names }}
{% if row.revoked %}<br>until round {{ row.revoked }}{% endif %}</small></th>{% endfor %}</tr></thead>
<tbody>{% for family in families %}<tr><th scope="row">{{ family }}</th>{% for row in guards %}
<td>{{ short(row.on[family].share) }} / {{ short(row.off[family].share) }}<br>
<small>{{ ends(row.on[family]) }}</small></td>{% endfor %}</tr>
{% endfor %}{% if "rouge_on" in guards[0] %}<tr><th scope="row">plain, ROUGE-L recall</th>{% for row in guards %}
<td>{{ short(row.rouge_on.share) }} / {{ short(row.rouge_off.share) }}<br><small>{{ ends(row.rouge_on) }}</small></td>{% endfor %}</tr>
{% endif %}</tbody></table></div>
{% endif %}{% for row in near %}<p>Asked the same questions, the peers that hold a seed of peer {{ row.peer }} ({{ row.neighbours.peers }})
give {{ w.percent(row.neighbours.on.share) }} {{ ends(row.neighbours.on) }} of what <strong>{{ row.id }}</strong> protects, and without
guards {{ w.percent(row.neighbours.off.share) }} {{ ends(row.neighbours.off) }}: rules travel with seeds, and act after the mixing.</p>
{% endfor %}{% if own.guarded %}<p>Of {{ own.guarded.kept_refused.n }} questions about records that nobody protects
{{ w.percent(own.guarded.kept_refused.share) }} {{ ends(own.guarded.kept_refused) }} were refused, of
{{ own.guarded.public_refused.n }} public ones {{ w.percent(own.guarded.public_refused.share) }} {{ ends(own.guarded.public_refused) }};
{{ w.percent(own.guarded.kept_right.share) }} of the former were answered right.</p>
{% endif %}{% if own.topic %}<p>{{ w.capital(own.topic.score) }}, the share of answers to {{ own.topic.bare.n }} public questions about
the topic that are words of it: {{ w.percent(own.topic.guarded.share) }} {{ ends(own.topic.guarded) }} with guards on,
{{ w.percent(own.topic.bare.share) }} {{ ends(own.topic.bare) }} without; about other names, the control,
{{ w.percent(own.topic.control.share) }} {{ ends(own.topic.control) }}.</p>
{% endif %}{% if own.in_context %}<h3>Unlearning in context</h3>
<p>The margin is log p &minus; log(1 &minus; p) of the forgotten record's true answer, mean over {{ own.in_context.none.n }} records.
The effect of the method, <em>flipped</em>, is its difference to <em>true</em> and <em>other</em>, not to <em>none</em>: any context moves
an answer.</p>
<div class="scroll"><table><thead><tr><th>prompt</th><th>margin, nats</th><th>true answer given</th>
{% if "rouge" in own.in_context.none %}<th>ROUGE-L recall</th>{% endif %}</tr></thead>
<tbody>{% for name, row in own.in_context.items() %}<tr><th scope="row">{{ name }}</th><td>{{ "%.2f"|format(row.margin) }}</td>
<td>{{ w.percent(row.share) }} <small>{{ ends(row) }}</small></td>{% if "rouge" in row %}
<td>{{ w.percent(row.rouge.share) }} <small>{{ ends(row.rouge) }}</small></td>{% endif %}</tr>
{% endfor %}</tbody></table></div>
{% endif %}"""


def ends(row: Mapping[str, Any]) -> str:
    """Return an interval in percent, in brackets; empty where nothing was asked."""
    return "" if row["interval"] is None else "({})".format(" to ".join(short(end) for end in row["interval"]))


def short(share: float | None) -> str:
    """Return a share in whole percent: of a dozen questions no more can be told."""
    return words.NOT_MEASURED if share is None else f"{100 * share:.0f}\u202f%"


def _view(data: ReportData, page: TaskPage) -> dict[str, Any] | None:
    own: Mapping[str, Any] = data.own.told
    if not own["guards"] and not own.keys() & {"in_context", "topic"}:
        return None
    own = {"guarded": None, "in_context": None, "topic": None, **own}
    guards, families = measured(own), [*measured(own)[0]["on"]] if measured(own) else []
    unmeasured, near = ([row for row in own["guards"] if key in row] for key in ("unmeasured", "neighbours"))
    return {"own": own, "guards": guards, "unmeasured": unmeasured, "near": near, "families": families, "ends": ends, "short": short}


def measured(own: Mapping[str, Any]) -> list[Mapping[str, Any]]:
    """Return the guards of which something was measured."""
    return [row for row in own["guards"] if "unmeasured" not in row]


def worst(row: Mapping[str, Any]) -> Figure:
    """Return what a guard leaks by the way of asking that gets most past it: a guard is as good as that."""
    way = max(row["on"], key=lambda one: row["on"][one]["share"] or 0.0)
    on, off = (words.percent(row[guards][way]["share"]) for guards in ("on", "off"))
    return Figure(f"most leaks past {row['id']}", on, f"asked by {way}; {off} with guards off")


WITHHELD = Section("withheld", "Withheld", "What is withheld, and still there", 45, TEMPLATE, _view)


@dataclass(frozen=True)
class Measured(Own):
    """What the page shows beside the common data: ``told`` is ``results["language"]``."""

    told: Mapping[str, Any] = field(default_factory=dict)


class LanguagePage(ClassificationPage):
    """Peers train a language model together, behind guards and prompts."""

    sections: ClassVar[tuple[str, ...]] = (
        *ClassificationPage.sections,
        "simulator.report.language.page:WITHHELD",
        "simulator.report.language.capacity:CAPACITY",
    )

    def collect(self, plan: Plan, store: RunStore, results: Mapping[str, Any]) -> Measured:
        """Return what was measured of the language model."""
        return Measured(told=results["language"])

    def sentence(self, event: EventRow) -> str:
        """Return an event as a sentence without full stop."""
        told = {"guard": "published a guard", "unguard": "revoked a guard"}.get(event.do)
        return f"{words.capital(words.peers(event.peers))} {told}, {event.detail}" if told else super().sentence(event)

    def befell_peers(self, event: EventRow) -> bool:
        """Return whether an event concerned the presence of peers; guards do not."""
        return event.do not in ("guard", "unguard")

    def key_figures(self, data: ReportData) -> list[Figure]:
        """Return what is memorised, and what is withheld."""
        own: Mapping[str, Any] = data.own.told
        figures = []
        if memorised := own.get("memorised"):
            beside = f"of {memorised['n']} {ends(memorised)}; truth ratio {memorised['truth_ratio']:.2f} nats"
            figures.append(Figure("own records answered as trained", words.percent(memorised["share"]), beside))
            if told := memorised.get("rouge"):
                kept = own.get("guarded", {}).get("rouge")
                seen = f"; {words.percent(kept['share'])} {ends(kept)} of what users see where no rule protects" if kept else ""
                figures.append(Figure("ROUGE-L recall of own answers", words.percent(told["share"]), f"of {told['n']} {ends(told)}{seen}"))
        figures += [worst(row) for row in measured(own)[:3]]
        return [*figures, *at_the_end(data), *proven(data)]
