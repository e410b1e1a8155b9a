"""RUM: a forget set is refined into groups by memorisation, and each is unlearned by a method of its own."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Annotated, Any, ClassVar, Literal, Self

import numpy as np
import numpy.typing as npt
from pydantic import Field as Setting
from pydantic import model_validator

from clients.data.rows import Ids, Rows
from clients.models import ModelSpec
from clients.passes import Meter
from clients.streams import Field
from clients.training import Arrays
from clients.union import Tagged
from clients.unlearning.contract import COST_NOTE, Cost, Guarantee, Outcome, UnlearningError
from clients.unlearning.general import METHODS
from clients.unlearning.general.contract import Learning, MethodSpec, passes


class _Others:
    """The methods of groups: any is found by its name, and refused with the reason; offered are those that groups may have."""

    tag = "kind"

    def targets(self) -> Mapping[str, str]:
        return METHODS.targets()

    def load(self, kind: str) -> type[Any]:
        return METHODS.load(kind)

    def working(self) -> Mapping[str, type[Any]]:
        return {kind: spec for kind, spec in METHODS.working().items() if kind != "rum" and spec.applies()}


_Method = Annotated[Any, Tagged((_Others(),), lambda spec: spec, by_name=True)]


class Rum(MethodSpec):
    """Splits the rows to forget into even groups by memorisation, and carries out one method after the other, each on its group.

    Rows of later groups are retained rows until it is their turn. ``nothing`` for rows that are hardly memorised leaves their influence
    where it is, so that it is of no use where the law asks for a deletion.

    Parameters
    ----------
    methods : list of str or table
        A method for each group, from the least memorised to the most, whichever comes first; or one for all.
    groups : int
        Number of groups, at most 1,000; with 1 it is the method alone. A request for fewer rows is refused.
    by : {"confidence", "accuracy", "memorisation"}
        Proxy of memorisation: mean probability of the class over the epochs of training, or share of epochs in which the row was right.
        Training is made again for it. Or memorisation itself, estimated by networks trained on subsets (Feldman and Zhang 2020).
    models : int
        How many such networks, at least 32, each on 70 % of the rows; with a proxy, none.
    order : {"ascending", "descending"}
        Whether the least memorised group is forgotten first, or the most memorised; each by its own method.
    grouping : {"refined", "shuffled"}
        By the proxy, or at random: a control.
    """

    guarantee: ClassVar[Guarantee] = "approximate"
    summary: ClassVar[str] = "splits what must go by memorisation, and forgets each group by a method of its own"
    source: ClassVar[str] = "Zhao et al., What makes unlearning hard and what to do about it, NeurIPS 2024, arXiv 2406.01257"

    kind: Literal["rum"] = "rum"
    methods: tuple[_Method, ...] = Setting(("nothing", "finetune", "salun"), min_length=1, validate_default=True)
    groups: int = Setting(3, ge=1, le=1000)
    by: Literal["confidence", "accuracy", "memorisation"] = "confidence"
    # left out at its default: plans from before there was such a key keep their hash
    models: int = Setting(64, ge=32, le=4096, exclude_if=lambda models: models == 64)
    order: Literal["ascending", "descending"] = "ascending"
    grouping: Literal["refined", "shuffled"] = "refined"

    @model_validator(mode="after")
    def _suited(self) -> Self:
        if len(self.methods) not in (1, self.groups):
            raise ValueError(f"methods lists {len(self.methods)}, but there are {self.groups} groups: list one for each, or one for all")
        for one in self.methods:
            if isinstance(one, Rum):
                raise ValueError("method 'rum' would split its groups again: take another one, or set groups higher")
            if isinstance(one, MethodSpec) and not one.applies():
                raise ValueError(f"method {one.tag!r} {one.unsuited()}: take another one")
        return self

    def misfit(self, base: ModelSpec) -> str | None:
        """Return why a group's method does not work on such a network, or None."""
        return next((f"has {one.tag!r} as the method of a group, which {why}" for one in self.methods if (why := one.misfit(base))), None)

    def unable(self, forget: int, retain: int) -> str | None:
        """Return that there are fewer rows than groups, or why a group's method cannot forget so many, with the cure, or None."""
        if forget < self.groups:
            return f"{forget} rows make no {self.groups} groups: lower groups, or take one method"
        left = forget
        for level, method in self._turns():
            size = forget // self.groups + (level < forget % self.groups)
            left -= size
            if wrong := method.unable(size, retain + left):
                return f"group {level + 1}, {method.tag!r}: {wrong}"
        return None

    def _turns(self) -> list[tuple[int, MethodSpec]]:
        """Return the groups' levels of memorisation, in the order in which they are forgotten, and the method of each."""
        methods = self.methods * self.groups if len(self.methods) == 1 else self.methods
        return list(enumerate(methods))[:: -1 if self.order == "descending" else 1]

    def apply(self, weights: Arrays, learning: Learning, forget: Rows, retain: Rows, key: tuple[Field, ...]) -> tuple[Arrays, Outcome]:
        """Return the weights after the last group, with what each cost and said."""
        from clients.unlearning.refine.hardness import score

        if wrong := self.unable(len(forget), len(retain)):
            raise UnlearningError(f"rum: {wrong}")
        with Meter() as meter:
            groups, steps, notes = self._grouped(learning, forget, retain, key)
            if len(retain):
                notes.insert(0, score(learning.network, weights, forget, retain))
            parts, turns = 0, self._turns()
            for turn, (level, method) in enumerate(turns):
                ids = groups[level]
                own = key if not turn else (*key, "group", turn)
                later = forget.only(np.concatenate([ids[:0], *(groups[one] for one, _ in turns[turn + 1 :])]))
                weights, outcome = method.apply(weights, learning, forget.only(ids), retain.joined(later), own)
                steps, parts = steps + outcome.cost.gradient_steps, parts + outcome.cost.parts
                which = self._named(level)
                notes += [_told(which, method.tag, len(ids), note) for note in outcome.notes or ("",) if note or which]
        if self.groups > 1:
            notes.append(f"{passes(meter.rows, len(forget) + len(retain))}, those that refine included")
        return weights, Outcome(Cost(steps, parts), self.guarantee, notes=tuple(notes))

    def _named(self, level: int) -> str:
        """Return the name of a group in notes; empty if it is the only one."""
        if self.groups == 1:
            return ""
        ends = {0: " (least memorised)", self.groups - 1: " (most memorised)"} if self.grouping == "refined" else {}
        return f"group {level + 1}{ends.get(level, '')}"

    def _grouped(self, learning: Learning, forget: Rows, retain: Rows, key: tuple[Field, ...]) -> tuple[list[Ids], int, list[str]]:
        """Return the groups, the least memorised first, the gradient steps that the proxy took, and notes."""
        from clients.unlearning.refine.groups import refined, shuffled

        if self.groups == 1:
            return [forget.ids], 0, []
        if self.grouping == "shuffled":
            return shuffled(forget.ids, self.groups, key), 0, []
        rows = forget.joined(retain)
        scores, steps = self._scores(learning, rows, key)
        own = scores[np.isin(rows.ids, forget.ids)]
        groups = refined(forget.ids, own if self.by == "memorisation" else -own, self.groups, key)  # a low proxy is high memorisation
        means = " ".join(f"{own[np.isin(forget.ids, ids)].mean():.3g}" for ids in groups)
        return groups, steps, [f"mean {self.by} of the groups, least memorised first: {means}"]

    def _scores(self, learning: Learning, rows: Rows, key: tuple[Field, ...]) -> tuple[npt.NDArray[np.float64], int]:
        """Return the score of each row by which groups are made, and the gradient steps that it took."""
        from clients.models.stacked import StackError
        from clients.unlearning.refine.memorisation import SHARE, memorisation, proxies, subsets, together

        if self.by != "memorisation":
            found = proxies(learning, rows)
            return (found.confidence if self.by == "confidence" else found.accuracy), found.steps
        try:
            answers = together(learning, rows)
        except StackError as reason:
            raise UnlearningError(f'rum: {reason}, so memorisation is not estimated: take by = "confidence"') from None
        value = memorisation(rows.ids, answers, self.models, SHARE, key).value
        steps = self.models * learning.progress * learning.training.steps(int(subsets(rows.ids, 1, SHARE, key).sum()))
        return np.nan_to_num(value), steps  # a row that no network, or every one, had tells nothing


def _told(group: str, kind: str, rows: int, note: str) -> str:
    """Return a group's note; that of the only group, which has no name, as it is."""
    if not group:
        return note
    cost, plain = (COST_NOTE, note.removeprefix(COST_NOTE)) if note.startswith(COST_NOTE) else ("", note)
    return f"{cost}{group}, {rows} rows, {kind}{': ' if plain else ''}{plain}"
