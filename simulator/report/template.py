"""The page's template (Jinja2, escaping on). A module, so that it travels wherever the code does."""

PAGE = """<!DOCTYPE html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<title>{{ data.name }} \u2013 Lethe</title>
<style>{{ css|safe }}</style>
</head>
<body>
{% macro picture(pair, caption) %}
<figure><div class="wide">{{ pair[0]|safe }}</div><div class="narrow">{{ pair[1]|safe }}</div>
<figcaption>{{ caption }}</figcaption></figure>
{% endmacro %}
{% macro cell(text) %}<td{{ ' class="none"'|safe if text == w.NOT_MEASURED }}>{{ text }}</td>{% endmacro %}
<header>
<p class="kicker">Lethe \u00b7 what a federation forgot</p>
<h1>{{ data.name }}</h1>
<p class="lead">{{ headline }}</p>
<dl class="figures">
{% for figure in key_figures %}<div><dt>{{ figure.label }}</dt><dd>{{ figure.value }}<small>{{ figure.detail }}</small></dd></div>
{% endfor %}</dl>
</header>
<nav aria-label="Sections"><ul>
{% for anchor, title in sections %}<li><a href="#{{ anchor }}">{{ title }}</a></li>
{% endfor %}</ul></nav>
<main>

<section id="timeline"><h2>What happened</h2>
{% if plots.losses %}{{ picture(plots.losses, "Error of the predicted noise on the test images: mean of the peers\u2019 own "
  ~ "models, and of the average, or the ensembles, that they make together."
  ~ (" Numbered lines mark the rounds with events." if data.events else "")) }}
{% endif %}{% if plots.accuracy %}{{ picture(plots.accuracy, w.capital(data.measure) ~ ": mean over the peers live in each round; "
  ~ ("thin lines: each peer\u2019s " if not many else "the band holds the middle 80 % of the peers\u2019 ") ~ data.together
  ~ ("s." if many else ".")
  ~ (" Numbered lines mark the rounds with events, red where something had to be forgotten." if data.events else "")) }}
{% endif %}
{% if events %}<ol class="events">
{% for row in events %}<li><span class="mark{{ ' forgets' if row.forgets }}">{{ row.mark }}</span>
<div><span class="round">Round {{ row.round }}</span><ul>{% for line in row.lines %}<li>{{ line }}</li>{% endfor %}</ul></div></li>
{% endfor %}</ol>
{% if hidden_events %}<p class="note">{{ hidden_events }} more rounds with events are in the ledger.</p>{% endif %}
{% else %}<p>No event: the federation ran as it began.</p>{% endif %}
</section>

{% if forgetting %}<section id="erasures"><h2>Was it forgotten?</h2>
{% if erasures %}
<p>Each erasure stands beside two other runs of the same plan: one in which the data never existed, and one in which nothing was
done about the request. The difference is the largest absolute one over all parameters that remain and all answers of the
{{ data.together }}{{ "s" if not data.pooled }}.</p>
<div class="scroll"><table>
<thead><tr><th></th><th>largest difference</th><th>gradient steps</th><th>time</th><th>bytes</th><th>receipts of holders</th>
<th>membership inference</th><th>relearn steps</th></tr></thead>
{% for row in erasures %}<tbody>
<tr class="group"><th colspan="8" scope="rowgroup"><div>Round {{ row.data.round }}: {{ w.subject(row.data) }}
<span>method: {{ row.data.method }}</span> <span class="chip {{ row.verdict[0] }}">{{ row.verdict[1] }}</span></div></th></tr>
{% for label, aside, outcome in row.outcomes %}<tr{{ ' class="aside"'|safe if aside }}><th scope="row">{{ label }}</th>
{{ cell(w.difference(outcome.difference)) }}{{ cell(w.integer(outcome.gradient_steps)) }}{{ cell(w.seconds(outcome.seconds)) }}
{{- cell(w.size(outcome.bytes)) }}{{ cell(w.receipts(outcome)) }}{{ cell(w.auc(outcome.mia_auc)) }}
{{- cell(w.steps(outcome.relearn_steps)) }}</tr>
{% endfor %}</tbody>{% endfor %}
</table></div>
{% if hidden_erasures %}<p class="note">{{ hidden_erasures }} more erasures are in results.json.</p>{% endif %}
{% if plots.attack %}<h3>Membership inference</h3>
{{ picture(plots.attack, "How often a row that had to go looks more familiar to the models than a fresh row of the same class. "
  ~ "What counts is the distance to the run in which the rows never were, not to 0.5.") }}{% endif %}
{% else %}<p>This scenario asked for nothing to be forgotten.</p>{% endif %}
</section>

{% endif %}
{% if roots %}{% include "roots" %}
{% endif %}
<section id="members"><h2>Who was there</h2>
{{ picture(plots.membership, "One row a peer, one column a round." if not hidden_rows else
  "One row a peer, one column a round; " ~ hidden_rows ~ " peers are left out, those with events first to stay.") }}
</section>

{% if plots.graphs %}<section id="graph"><h2>The graph, before and after</h2>
{% for graph in plots.graphs %}<h3>Round {{ graph.round }}: {{ graph.title }}</h3>
{{ picture(graph.pictures, graph.caption) }}
{% endfor %}{% if hidden_graphs %}<p class="note">{{ hidden_graphs }} later changes are not drawn.</p>{% endif %}</section>{% endif %}

{% if plots.holdings %}<section id="seeds"><h2>Who held whose seed</h2>
<p>A seed model is what a peer lends its neighbours. Forgetting a peer means that every holder drops its seed and signs a receipt;
forgetting rows or edges means that the holders drop the owner\u2019s seed and get one made anew with the next delivery.</p>
{% for one in plots.holdings %}<h3>Round {{ one.round }}: {{ one.title }}</h3>
{{ picture(one.pictures, one.caption) }}
{% endfor %}{% if hidden_holdings %}<p class="note">{{ hidden_holdings }} later changes are not drawn.</p>{% endif %}</section>{% endif %}

<section id="costs"><h2>What it cost</h2>
{% if plots.costs %}{{ picture(plots.costs, "Overlay counts what parties share (seeds, updates, averages), once for each receiver; "
  ~ "physical counts all bytes that the engine carried, states and answers included.") }}{% endif %}
<div class="scroll"><table>
<thead><tr><th>round</th><th>live peers</th>{% if classified %}<th>{{ data.together }}, all classes</th>
{%- endif %}<th>gradient steps</th><th>time</th><th>overlay</th>
<th>physical</th></tr></thead><tbody>{% for row in rounds %}<tr><td>{{ row.round }}</td>
<td>{{ row.live }}</td>{% if classified %}{{ cell(w.percent(row.accuracy.global_ensemble)) }}{% endif %}
{{- cell(w.integer(row.gradient_steps)) }}{{ cell(w.seconds(row.seconds)) }}{{ cell(w.size(row.bytes_overlay)) }}
{{- cell(w.size(row.bytes_physical)) }}</tr>
{% endfor %}</tbody></table></div>
{% if hidden_rounds %}<p class="note">{{ hidden_rounds }} rounds between the first and the last ones are left out.</p>{% endif %}
</section>

<section id="peers"><h2>Peer by peer</h2>
<p>{% if classified %}{{ w.capital(data.measure) }} when last heard of, on all classes and on the peer\u2019s own class mix.
{%- endif %}{% if mixes %} The bars show that mix, one a class: {{ w.listing(data.classes, 20) }}.{% endif %}</p>
<div class="scroll"><table>
<thead><tr><th>peer</th><th class="text">at the end</th><th class="text">{{ "main model" if classified else "model" }}</th><th>rows</th>
{%- if mixes %}<th class="text">class mix</th>{% endif %}
{% if classified %}<th>main, all</th><th>{{ data.together }}, all</th><th>main, own</th>
<th>{{ data.together }}, own</th>{% endif %}</tr></thead>
<tbody>{% for row in peer_rows %}<tr><td>{{ row.data.peer }}</td><td class="text">{{ row.data.status }}</td>
<td class="text">{{ row.data.main }}</td><td>{{ w.integer(row.data.rows) }}</td>
{%- if mixes %}<td class="text"><span class="mix" role="img" aria-label="rows by class: {{ row.data.counts|join(', ') }}">
{%- for share in row.mix %}<i style="height:{{ share }}%"></i>{% endfor %}</span></td>{% endif %}
{%- if classified %}{{ cell(w.percent(row.last.global_main)) }}{{ cell(w.percent(row.last.global_ensemble)) }}
{{- cell(w.percent(row.last.local_main)) }}{{ cell(w.percent(row.last.local_ensemble)) }}{% endif %}</tr>
{% endfor %}</tbody></table></div>
{% if hidden_peers %}
<p class="note">{{ w.integer(hidden_peers) }} more peers are in the ledger; those with events are shown first.</p>{% endif %}
</section>

{% if data.expectations %}<section id="expectations"><h2>Expectations</h2>
<ul class="checks">{% for one in data.expectations %}<li class="{{ 'passed' if one.passed else 'failed' }}">{{ one.text }}
<span class="{{ 'good' if one.passed else 'bad' }}">{{ 'met' if one.passed else 'failed' }}</span>
{%- if one.found %} <span class="note">found: {{ one.found }}</span>{% endif %}</li>
{% endfor %}</ul></section>{% endif %}

<section id="incidents"><h2>Incidents</h2>
{% if incidents %}<ul>{% for one in incidents %}<li>Round {{ one.round }}: {{ one.text }}</li>{% endfor %}</ul>
{% if hidden_incidents %}<p class="note">{{ hidden_incidents }} more are in the ledger.</p>{% endif %}
{% else %}<p>None: every message was answered and no worker had to be restarted.</p>{% endif %}</section>

<section id="reading"><h2>How to read this</h2>
<dl class="terms">
<dt>exact</dt><dd>All that remains is bit for bit what it would be had the data never been there. Said only where the measured
difference is 0.0.</dd>
<dt>never there</dt><dd>The counterfactual: the same plan, played again without the data. Retraining from nothing gives the same models,
so its steps and seconds up to the round of the erasure are what retraining costs.</dd>
<dt>did nothing</dt><dd>The same plan with the requests ignored: what the others must be better than.</dd>
<dt>membership inference</dt><dd>An attacker ranks rows by the models\u2019 confidence in the true label, within each class. 0.5 is a
coin toss. The attacker\u2019s gain is the mean distance to the run without the data.</dd>
<dt>relearn steps</dt><dd>Gradient steps until the best seed a holder has fits the erased rows as well as if nothing had been forgotten.
Few mean that something was left.</dd>
<dt>final evaluation</dt><dd>After the last round {{ "every" if data.pooled else "the last seeds are delivered and every" }} peer
that is still there answers the test rows once more.</dd>
<dt>limits</dt><dd>All this concerns the bytes under the federation\u2019s control. A copy that somebody took before the request stays a
copy, and who sees the models before and after may learn more than from either alone. {{
"The server sees the sums of every peer" if data.pooled
else "The relay sees all seeds: it simulates a topology, not a network without trust" }}.</dd>
</dl></section>

<section id="scenario"><h2>The scenario</h2>
<pre>{{ data.scenario }}</pre></section>
</main>
<footer>
<p>Engine {{ data.engine }} \u00b7 seed {{ data.seed }} \u00b7 digest <code>{{ data.digest }}</code></p>
<p>{% for library, version in data.versions %}{{ library }} {{ version }}{{ " \u00b7 " if not loop.last }}{% endfor %}</p>
</footer>
</body>
</html>
"""
