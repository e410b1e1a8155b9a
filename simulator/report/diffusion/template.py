"""Jinja2 templates of the sections on erased, revived and hidden concepts, and their style sheet."""

LOSSES = """{{ picture(chart, "Error of the predicted noise on the test images: mean of the peers\u2019 own "
  ~ "models, and of the average, or the ensembles, that they make together."
  ~ (" Numbered lines mark the rounds with events." if data.events else "")) }}
"""

RELEASED = """<p>After each round the server made one model of the seeds in circulation: from the public weights with which every seed
began, it moved on by {{ "%g"|format(released.scale) }} times their mean step. Cuts were joined by the policy
{{ r.policy(released.policy) }}. At the end {{ r.with_ends(released.sampled, released.n) }} of its samples are judged right
{%- if alone is not none %}; of the peers\u2019 ensembles it is {{ r.with_ends(alone, n_alone) }}{% endif %}.</p>
<p>Where it behaves otherwise than an average that peers train together:</p><ul>
<li>It is made anew, of the seeds alone. A departure takes the seed, and the next release is, byte for byte, what it would have been
without the peer; an average must be trained again.</li>
<li>Peers prune what they keep and what they send. In the round of the request a seed is what the peer would have sent, pruned; in later
rounds it is distilled again, from the main model without the concept, and pruned again.</li>
<li>A cut that only a leaver had made goes with it: policies count the seeds that are there.</li>
<li>Defences stay in force: each release is filled from the same secret, where it is cut, at the size of its layers.</li></ul>
"""

REVIVAL = """{% macro bracketed(ends) %}{% if ends %}<small class="ends">({{ ends }})</small>{% endif %}{% endmacro %}
{% macro change(one) %}{% set count, p = r.changed(one) %}<td>{{ count }}{% if p %}<small class="ends">{{ p }}</small>{% endif %}</td>
{%- endmacro %}
{% macro within(text, row, name, percent) %}<td{{ ' class="none"'|safe if text == w.NOT_MEASURED }}>{{ w.unbroken(text) }}
{{- bracketed(r.between(row.interval.get(name), percent)) }}</td>{% endmacro %}
<p>A concept was erased by setting to zero the weights that it excites. An adversary who holds only what is named below finds
the zeros, guesses the signs of the lost weights from those that are left, and gives them a bold size. A fill puts noise where the zeros
were; it hides where the cut was, not what it was. Bars are means over concepts; random signs are the floor of the attack, true signs its
ceiling.</p>
{% if roots.erased %}{% set untold = roots.erased | rejectattr("outcome", "eq", "measured") | list %}
<div class="scroll"><table class="many">
<thead><tr><th>concept</th><th>round</th><th class="text">erased by</th><th class="text">method</th><th class="text">policy</th>
{% if roots.drawn %}<th>still drawn by them, alone</th><th>with their neighbours</th>
{%- endif %}{% if roots.scored or not roots.drawn %}
<th>weights cut</th><th>peers\u2019 cuts in common</th><th>still cut in the aggregate</th>{% endif %}
{%- if untold %}<th class="text">what became of it</th>{% endif %}</tr></thead>
<tbody>{% for row in roots.erased %}<tr><th scope="row">{{ row.concept }}</th><td>{{ row.round }}</td>
<td class="text">{{ "all peers" if 1 < row.peers|length == data.peers|length else w.peers(row.peers) }}</td>
<td class="text">{{ row.method.replace("_", " ") }}</td>
<td class="text">{{ r.policy(row.policy) if row.policy else "\u2013" }}</td>
{%- if roots.drawn %}
<td>{{ w.percent(row.drawn_alone) }}{{ bracketed(r.ends(row.drawn_alone, row.n_drawn)) }}</td>
<td>{{ w.percent(row.drawn) }}{{ bracketed(r.ends(row.drawn, row.n_drawn)) }}</td>
{%- endif %}{% if roots.scored or not roots.drawn %}
{{- cell(w.percent(row.density)) }}{{ cell(w.percent(row.agreement)) }}{{ cell(w.percent(row.survival)) }}{% endif %}
{%- if untold %}<td class="text">{{ row.outcome }}</td>{% endif %}</tr>
{% endfor %}</tbody></table></div>{% if roots.hidden_erased %}
<p class="note">{{ roots.hidden_erased }} more requests are in results.json.</p>{% endif %}
{% if roots.scored %}<h3>What it cost the others</h3><div class="scroll"><table class="many pairs">
<thead><tr><th>concept</th><th class="text">when</th><th>drawn right</th><th>others</th><th>worst of the others</th>
<th>Fr\u00e9chet distance</th><th>precision</th><th>recall</th>
{%- if roots.changed %}<th>gained and lost</th>{% endif %}</tr></thead>
<tbody>{% for row in roots.erased if row.after %}{% for when, one in (("before", row.before), ("after", row.after)) if one %}<tr>
<th scope="row">{{ row.concept }}</th><td class="text">{{ when }}</td>
<td>{{ r.whole(one.target) }}{{ bracketed(r.ends(one.target, one.n_target)) }}</td>
<td>{{ r.whole(one.others) }}{{ bracketed(r.ends(one.others, one.n_others)) }}</td>
<td>{{ r.least(one.worst) }}{{ bracketed(r.least_ends(one.worst)) }}</td>
{%- for text in r.nearness(one.near) %}{{ cell(text) }}{% endfor %}
{%- if roots.changed %}{{ change(one.paired.get("original")) }}{% endif %}</tr>
{% endfor %}{% endfor %}</tbody></table></div>{% set told = r.nearness_note(roots.erased) %}{% if told %}
<p class="note">{{ told }}</p>{% endif %}{% endif %}{% endif %}
{% for one in roots.settings %}<h3>{{ one.title }}</h3>
{{ picture(one.chart, one.caption) }}
<div class="scroll"><table class="pairs">
<thead><tr><th>concept <small>others below{{ ", then the other axis" if one.crossed }}{{ ", then the worst of the others" if one.worst -}}
</small></th>
{%- for name in r.VARIANTS.values() %}<th>{{ name }}</th>{% endfor %}</tr></thead>
<tbody>{% for row in one.accuracies %}<tr{{ ' class="mean"'|safe if row.mean }}><th scope="row">{{ row.label }}</th>
{%- for pair in row.scores %}<td{{ ' class="none"'|safe if pair.target is none }}>{{ r.whole(pair.target) }}
{{- bracketed(r.ends(pair.target, pair.n_target)) }}
{%- if pair.others is not none %}<small>{{ r.whole(pair.others) }}</small>{{ bracketed(r.ends(pair.others, pair.n_others)) }}{% endif %}
{%- if pair.cross is not none %}<small>{{ r.whole(pair.cross) }}</small>{{ bracketed(r.ends(pair.cross, pair.n_cross)) }}{% endif %}
{%- if pair.worst %}<small>{{ r.least(pair.worst) }}</small>{{ bracketed(r.least_ends(pair.worst)) }}{% endif %}</td>{% endfor %}</tr>
{% endfor %}</tbody></table></div>{% if one.counted %}<p class="note">{{ one.counted }}</p>{% endif %}
{% if one.pairs %}<div class="scroll"><table class="pairs">
<thead><tr><th>concept <small>samples gained and lost</small></th>
{%- for later, earlier in one.pairs %}<th>{{ r.VARIANTS[later] }}<small>from {{ r.VARIANTS[earlier] }}</small></th>{% endfor %}</tr></thead>
<tbody>{% for row in one.accuracies if not row.mean %}<tr><th scope="row">{{ row.label }}</th>
{%- for later, earlier in one.pairs %}{{ change(row.by[later].paired.get(earlier)) }}{% endfor %}</tr>
{% endfor %}</tbody></table></div>{% endif %}
<div class="scroll"><table class="pairs">
<thead><tr><th>concept</th><th>brought back, of what was lost</th><th>signs right</th><th>signs right, surest fifth</th>
<th>entries found <small>(AUC)</small></th><th>columns found <small>(AUC)</small></th><th>time of the attack</th></tr></thead>
<tbody>{% for row in one.figures %}<tr{{ ' class="mean"'|safe if row.mean }}><th scope="row">{{ row.label }}</th>
{{- cell(r.whole(row.success)) }}
{{- within(w.percent(row.signs), row, "sign_accuracy", true) }}{{ within(w.percent(row.surest), row, "sign_accuracy_top_fifth", true) }}
{{- within(w.auc(row.location), row, "location_auc", false) }}{{ within(w.auc(row.column), row, "column_auc", false) }}
{{- cell(w.seconds(row.seconds)) }}</tr>
{% endfor %}</tbody></table></div>{% if one.signs %}<p class="note">{{ one.signs }}</p>{% endif %}{% for told in one.named %}
<p>{{ told }}</p>{% endfor %}
{% endfor %}{% if roots.tested %}<p class="note">{{ roots.tested }}</p>{% endif %}
{% if roots.settings %}<p class="note">A lost weight for which the attack has no guess counts as a wrong sign; one that
an earlier cut had made zero has none. Entries and columns found: how well weights that were cut, and columns
with such weights, are told from the rest in what was released; 0.5 is chance.{% if roots.bounded %} Their intervals, and
those of signs, take entries and columns for independent; those of a layer are not, so that the
intervals are too narrow.{% endif %}</p>{% endif %}
{% if roots.hidden %}<p class="note">{{ roots.hidden }} more revivals are in results.json.</p>{% endif %}
{% if roots.not_played %}<p class="note">Not played:</p><ul class="note">{% for one in roots.not_played %}
<li>round {{ one.round }}, {{ one.what }}: {{ one.why }}</li>{% endfor %}</ul>{% endif %}
{% if roots.recommendation %}<p class="advice"><b>Recommendation.</b> {{ roots.recommendation }}</p>{% endif %}
{% if roots.fills %}<div class="scroll"><table class="pairs">
<thead><tr><th>fill, tried until one hides the cut</th>{% for name in r.TESTS.values() %}<th>{{ name }}</th>{% endfor %}<th>hides</th></tr>
</thead><tbody>{% for fill in roots.fills %}<tr><th scope="row">{{ fill.name.replace("_", " ") }}</th>
{%- for name in r.TESTS %}{% set value, interval = r.area(fill.tests.get(name)) %}<td>{{ value }}<small>{{ interval }}</small></td>
{%- endfor %}<td>{{ "yes" if fill.hides else "no" }}</td></tr>
{% endfor %}</tbody></table></div>
<p class="note">Area under the curve with its 95 % interval; 0.5 is chance, and far below it is as bad as far above.</p>{% endif %}
<p class="advice"><b>With history the adversary recovers everything.</b> Whoever kept a release from before the erasure sees which weights
fell to zero or jumped, and writes the old values back: no completion is needed, and no fill and no policy answers it. {{ roots.history }}
What is said here of a defence is said of adversaries who have no such release.</p>
"""

SAMPLES = """<p>Samples of the erased concept, and of others. All in one column began as the same noise. Beneath each stands what the judge
saw: \u2713 what was asked for, \u2717 something else
{%- if roots.judge is not none %}; on real images that it had not seen the judge is right in
{{ w.percent(roots.judge) }}{% if roots.n_judge %} ({{ r.ends(roots.judge, roots.n_judge) }} of {{ roots.n_judge }})
{%- endif %}{% endif %}.</p>
{% if roots.doubt %}<p><strong>Mind: {{ roots.doubt }}.</strong></p>{% endif %}
{% for grid in roots.grids %}<figure class="grid" style="--columns: {{ grid.columns }}"
aria-label="Samples, concept {{ grid.concept }}">
<h3>{{ grid.title }}</h3>
<div class="strip head"><span></span><span>asked for {{ grid.concept }}</span><span>asked for others</span></div>
{% for strip in grid.strips %}<div class="strip"><span class="variant">{{ r.VARIANTS[strip.variant] }}</span>
{% for samples in (strip.target, strip.others) %}<ol>{% for sample in samples %}<li class="{{ 'right' if sample.right else 'wrong' }}">
{#- #}<img src="{{ sample.src }}" alt="{{ sample.spoken }}"><span aria-hidden="true">{{ sample.verdict }}</span></li>
{%- endfor %}</ol>{% endfor %}</div>
{% endfor %}</figure>
{% endfor %}{% if roots.hidden_grids %}<p class="note">Samples of {{ roots.hidden_grids }} more revivals are not shown.</p>{% endif %}
"""

SWEEPS = """{% macro bracketed(ends) %}{% if ends %}<small class="ends">({{ ends }})</small>{% endif %}{% endmacro %}
{% for title, pair, caption in roots.curves %}<h3>{{ title }}</h3>
{{ picture(pair, caption) }}
{% endfor %}{% if roots.policies %}<h3>What each way of averaging does to a cut</h3>
<div class="scroll"><table class="pairs">
<thead><tr><th>policy <small>others below</small></th>{% for x in roots.shares %}<th>{{ r.whole(x) }} prune</th>{% endfor %}
<th class="text">what it does</th></tr></thead>
<tbody>{% for row in roots.policies %}<tr><th scope="row">{{ row.name }}</th>
{%- for pair in row.scores %}<td{{ ' class="none"'|safe if pair.target is none }}>{{ r.whole(pair.target) }}
{{- bracketed(r.ends(pair.target, pair.n_target)) }}
{%- if pair.others is not none %}<small>{{ r.whole(pair.others) }}</small>{{ bracketed(r.ends(pair.others, pair.n_others)) }}
{%- endif %}</td>
{%- endfor %}
<td class="text">{{ row.explained }}</td></tr>
{% endfor %}</tbody></table></div>{% if counted %}<p class="note">{{ counted }}</p>{% endif %}{% endif %}
"""

STYLE = """
.pairs small { display: block; color: var(--muted); font-size: .92em; font-weight: 400; }
.pairs small.ends { white-space: nowrap; font-size: .8em; }
tr.mean th, tr.mean td { background: var(--wash); font-weight: 650; }
.pairs td.text { min-width: 17rem; }
.advice { border-left: 3px solid var(--ensemble); padding-left: .9rem; max-width: 44rem; margin-top: 1rem; }
.grid { margin-top: 1.6rem; }
.grid h3 { margin: 0 0 .4rem; }
.strip {
  display: grid; grid-template-columns: 6.5rem 1fr 1fr; column-gap: 1.4rem; align-items: start; padding: .3rem 0;
  border-top: 1px solid var(--line);
}
.variant { font-size: .84rem; font-weight: 600; line-height: 1.25; padding-top: .3rem; }
.strip ol { display: grid; grid-template-columns: repeat(var(--columns), minmax(0, 3.2rem)); gap: .3rem;
  list-style: none; margin: 0; padding: 0; }
.strip li { font-size: .72rem; line-height: 1.25; text-align: center; overflow-wrap: anywhere; }
.strip img { display: block; width: 100%; aspect-ratio: 1; image-rendering: pixelated; border: 2px solid var(--line); border-radius: 3px; }
.strip .right img { border-color: var(--fresh); } .strip .right span { color: var(--fresh); }
.strip .wrong img { border: 2px dashed var(--gone); } .strip .wrong span { color: var(--gone); font-weight: 650; }
.strip.head { color: var(--muted); font-size: .84rem; border-top: 0; padding-bottom: 0; }
@media (max-width: 40rem) {
  .strip.head { display: none; }
  .strip { grid-template-columns: 1fr; row-gap: .35rem; padding: .45rem 0 .55rem; }
  .strip ol { gap: .25rem; } .variant { padding-top: 0; }
}
@media print {
  .strip { grid-template-columns: 4.5rem 1fr 1fr; } .grid { break-inside: avoid; } .pairs td.text { min-width: 9rem; }
}
"""
