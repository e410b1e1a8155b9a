"""The common part of plans of language models: a timeline with rules that withhold knowledge."""

from __future__ import annotations

from collections.abc import Iterator

from clients.language.config import WordsConfig
from server.language.timeline import GuardedTimeline
from simulator.scenarios.plan import Plan


class GuardedPlan(Plan):
    """A scenario of language models after every random choice has been drawn."""

    configs: tuple[WordsConfig, ...]
    returns: tuple[WordsConfig, ...] = ()
    timeline: GuardedTimeline

    @property
    def served(self) -> GuardedTimeline:
        """The timeline as the server has it: rules protect only rows that the generation that publishes them has, which are fewer in a
        counterfactual, and what is readable in them stays at their owner's edge.
        """
        held = {(one.peer, one.generation): set(one.rows) for one in (*self.configs, *self.returns)}
        for one in self.timeline.arrivals():
            held[one.peer, one.generation].update(one.rows)
        lives = [held[rule.peer, self.timeline.generation(rule)] for rule in self.timeline.rules]
        left = [tuple(row for row in rule.rows if row in rows) for rule, rows in zip(self.timeline.rules, lives, strict=True)]
        rules = tuple(rule.told(rows) for rule, rows in zip(self.timeline.rules, left, strict=True))
        return self.timeline.model_copy(update={"rules": rules})

    def in_clear(self) -> Iterator[str]:
        """Yield a line if the run directory holds words of guards as the scenario has them, which may be of what was forgotten."""
        if names := [rule.id for rule in self.timeline.rules if rule.match.readable or rule.answer or rule.user]:
            yield f"scenario.toml and plan.json hold pattern, answer and user of guards as they were written, in words: {', '.join(names)}"
