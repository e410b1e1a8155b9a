"""The page's frame, a Jinja2 template with escaping: head, headline, navigation, sections, foot."""

from __future__ import annotations

from collections.abc import Mapping

from jinja2 import DictLoader, Environment, StrictUndefined

MACROS = """{% macro picture(pair, caption) %}
<figure><div class="wide">{{ pair[0]|safe }}</div><div class="narrow">{{ pair[1]|safe }}</div>
<figcaption>{{ caption }}</figcaption></figure>
{% endmacro %}
{% macro cell(text) %}<td{{ ' class="none"'|safe if text in (w.NOT_MEASURED, w.NOT_JUDGED) }}>{{ w.unbroken(text) }}</td>
{%- endmacro %}
"""

PAGE = """<!DOCTYPE html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<title>{{ data.name }} \u2013 Lethe</title>
<style>{{ css|safe }}</style>
</head>
<body>
<header>
<p class="verdict {{ data.verdict.level }}"><strong>{{ w.capital(data.verdict.name) }}.</strong> {{ w.capital(data.verdict.why) }}.</p>
<p class="kicker">Lethe \u00b7 {% block kicker %}what a federation forgot{% endblock %}</p>
<h1>{{ data.name }}</h1>
<p class="lead">{{ headline }}</p>
<dl class="figures">
{% for figure in figures %}{% set value, bracket, interval = figure.value.partition(" (") %}
<div><dt>{{ figure.label }}</dt>
<dd>{{ value }}{% if bracket %}<span>{{ bracket }}{{ interval }}</span>{% endif %}<small>{{ figure.detail }}</small></dd></div>
{% endfor %}</dl>
</header>
<nav aria-label="Sections"><ul>
{% for section in sections if section.title %}<li><a href="#{{ section.id }}">{{ section.title }}</a></li>
{% endfor %}</ul></nav>
<main>
{% for section in sections %}
<section id="{{ section.id }}"><h2>{{ section.heading }}</h2>
{{ html[section.id]|safe }}</section>
{% endfor %}
</main>
<footer>
{% block foot %}<p>Engine {{ data.engine }} \u00b7 seed {{ data.seed }} \u00b7 digest <code>{{ data.digest }}</code></p>
<p>{% for library, version in data.versions %}{{ library }} {{ version }}{{ " \u00b7 " if not loop.last }}{% endfor %}</p>
{% endblock %}</footer>
</body>
</html>
"""


def environment(templates: Mapping[str, str]) -> Environment:
    """Return the frame (``page``), the macros (``macros``) and further templates by their names."""
    loader = DictLoader({"page": PAGE, "macros": MACROS, **templates})
    return Environment(loader=loader, autoescape=True, undefined=StrictUndefined, trim_blocks=True)
