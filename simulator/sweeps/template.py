"""The parts of a sweep's page (Jinja2, escaping on) inside the frame of every report."""

PAGE = """{% extends "page" %}
{% block kicker %}many runs, one table{% endblock %}
{% block foot %}<p>Sweep <code>{{ digest }}</code> \u00b7 {{ w.plural(processors|length, "processor") }}: {{ processors|join("; ") }}</p>
<p>{% for one in versions %}{{ one }}{{ " \u00b7 " if not loop.last }}{% endfor %}</p>
{% endblock %}
"""

CHARTS = """{% if names|length > 1 %}<p class="legend">{% for name, variable in names %}
<span><i style="background: var(--{{ variable }})"></i>{{ name }}</span>{% endfor %}</p>
{% endif %}<div class="multiples">{% for one in charts %}<figure><figcaption><strong>{{ one.name }}</strong> {{ one.unit }}</figcaption>
{{ one.svg|safe }}</figure>
{% endfor %}</div>
<p class="note">{% if axis %}Along the axis: {{ axis }}. {% endif %}Dots: one seed each. Marks: means; bars: their 95\u202f% intervals,
where there are two seeds or more.</p>
{% if hidden_charts %}<p class="note">{{ hidden_charts }} more measures stand in the table.</p>{% endif %}
<p class="note">What is the same in every run is not drawn.</p>
"""

TABLE = """<div class="scroll"><table>
<thead><tr><th></th><th>runs</th><th>mean</th><th>95\u202f% interval</th>
{% if compared %}<th>difference to the first</th><th>95\u202f% interval</th>{% endif %}</tr></thead>
{% for group in groups %}<tbody>
<tr class="group"><th colspan="{{ 6 if compared else 4 }}" scope="rowgroup"><div>{{ group.name }}
<span>{{ group.unit }}</span></div></th></tr>
{% for one in group.rows %}<tr><th scope="row">{{ one.label }}</th><td>{{ one.n }}</td>
{% for text in one.texts %}<td>{{ text }}</td>{% endfor %}</tr>
{% endfor %}</tbody>{% endfor %}
</table></div>
"""

RUNS = """<div class="scroll"><table>
<thead><tr><th>variant</th><th>seed</th><th class="text">verdict</th><th class="text">run</th></tr></thead>
<tbody>{% for one in runs %}<tr><td class="text">{{ one.variant }}</td><td>{{ one.seed }}</td>
<td class="text"><span class="chip {{ one.level }}">{{ one.verdict }}</span>
{%- if one.why %} <span class="note">{{ one.why }}</span>{% endif %}</td>
<td class="text">{% if one.link %}<a href="{{ one.link }}"><code>{{ one.digest }}</code></a>{% else %}\u2013{% endif %}</td></tr>
{% endfor %}</tbody></table></div>
{% if hidden_runs %}<p class="note">{{ hidden_runs }} more runs are in <code>runs</code>.</p>{% endif %}
"""

READING = """<dl class="terms">
<dt>runs</dt><dd>How many runs the mean is over, one a seed. A seed decides every random choice of a run, so that seeds are independent of
each other, and variants under one seed draw alike wherever their plans ask for the same.</dd>
<dt>95\u202f% interval</dt><dd>Student\u2019s t over the seeds: the mean \u00b1 t s / \u221an. Each is for itself: where many are read at
once, some miss by chance.</dd>
{% if compared %}<dt>difference to the first</dt><dd>The mean of the differences to the first variant, seed by seed, with the interval of
those differences. It is given where both are judged on the same rows in every seed; where it says \u2013, they are not.</dd>
{% endif %}<dt>values</dt><dd>Of metrics the final evaluation counts, or the last round in which they were measured; of costs the sum
over all rounds. Where a run was attacked more than once, each attack has figures of its own, counted from 0. Figures of erasures are means
over all erasures of a kind in a run, differences their largest. Times are left out: they differ from one computation of a run to the
next.</dd>
</dl>
"""

SCENARIO = """{% if varied %}<dl class="terms">{% for key, values in varied %}
<dt><code>{{ key }}</code></dt><dd>{{ values }}</dd>{% endfor %}
<dt>seeds</dt><dd>{{ seeds }}</dd></dl>
{% endif %}<p class="note">The first run\u2019s; the others differ from it in what is varied and in the seed.</p>
<pre>{{ scenario }}</pre>
"""

STYLE = """
.multiples { display: grid; grid-template-columns: repeat(auto-fill, minmax(14rem, 1fr)); gap: 1.2rem 1.4rem; margin-top: 1rem; }
.multiples figure { margin: 0; } .multiples figcaption { margin: 0 0 .2rem; overflow-wrap: anywhere; line-height: 1.3; }
.multiples strong { color: var(--ink); font-weight: 650; display: block; }
.legend { display: flex; flex-wrap: wrap; gap: .2rem 1.2rem; font-size: .88rem; max-width: none; }
.legend i { display: inline-block; width: .7rem; height: .7rem; border-radius: 50%; margin-right: .35rem; }
"""
