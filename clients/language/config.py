"""What the configs of peers with a language model have in common: the models' words, and the hashes of what rules protect."""

from __future__ import annotations

from collections.abc import Iterable
from typing import TYPE_CHECKING

from pydantic import Field

from clients.classification.config import ClassifierConfig
from clients.data.rows import Ids
from clients.data.worlds import world_of
from clients.language.metrics import METRICS
from clients.language.network import LanguageNetwork
from clients.language.spec import LanguageSpec
from clients.metrics import Metric
from clients.streams import Field as Key
from clients.unlearning.prompts.matchers.contract import Hashes
from clients.unlearning.prompts.rules import Edge, Rule


class WordsConfig(ClassifierConfig):
    """Config of a peer whose model is a language model of a world's words."""

    edge: dict[str, Edge] = Field({}, exclude_if=lambda edge: not edge)
    """What of own rules nobody else may read, by id."""

    if TYPE_CHECKING:  # a field of the subclasses, in whose order configs are written
        main: LanguageSpec

    @property
    def model(self) -> str:
        """The language model in one line."""
        return self.main.title

    @property
    def metrics(self) -> tuple[Metric, ...]:
        """Every metric that peers of this role send."""
        return (*super().metrics, *METRICS)

    @property
    def network(self) -> LanguageNetwork:
        """The peer's own model, or the global one, without weights."""
        return self.network_of(self.main)

    def network_of(self, spec: LanguageSpec) -> LanguageNetwork:
        """Return a language model of the data's words without weights."""
        from clients import data

        source, world = data.load(self.data), world_of(self.data)
        return LanguageNetwork(spec, source.shape, source.classes, device=self.compute.device, world=world)

    def known(self, rules: Iterable[Rule]) -> list[Rule]:
        """Return rules as this peer knows them: own ones with what is readable in them."""
        own = ((rule, self.edge.get(rule.id) if rule.peer == self.peer else None) for rule in rules)
        return [rule if edge is None else rule.model_copy(update=dict(edge)) for rule, edge in own]

    @property
    def hash_key(self) -> tuple[Key, ...]:
        """The key of hashes, which peers share."""
        return hash_key(self.run_seed)

    def patterns(self, rule: Rule, ids: Ids) -> Hashes:
        """Return the hashes that a rule keeps of the rows with these ids, uint64 (n, pieces)."""
        from clients import data

        rows, world = data.load(self.data).rows(ids), world_of(self.data)
        return rule.patterns([(world.text(x), world.answers[y]) for x, y in zip(rows.x, rows.y, strict=True)], self.hash_key)


def hash_key(seed: int) -> tuple[Key, ...]:
    """Return the key of the hashes, and of the public questions, of a run."""
    return seed, "guards"
