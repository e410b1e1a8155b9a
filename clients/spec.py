"""Specs: the validated tables a scenario is made of, and the registries that find them by ``kind``.

A spec is a frozen description that can ``build`` the thing it describes. Spec modules import nothing heavy at the top (torch,
scikit-learn and friends are imported inside ``build``), so that checking a scenario stays fast.
"""

from __future__ import annotations

from collections.abc import Mapping
from functools import cache, reduce
from importlib import import_module
from importlib.metadata import entry_points
from operator import or_
from typing import Annotated, Any, Generic, TypeVar

from pydantic import BaseModel, ConfigDict, Field

TAGS = ("kind", "do", "dataset", "role")
"""Fields that tell the specs of a registry apart."""


def located(target: str) -> Any:
    """Return what a text ``"module:name"`` stands for; the module is imported only now."""
    module, _, name = target.partition(":")
    return getattr(import_module(module), name)


class Spec(BaseModel):
    """A frozen table of a scenario; unknown keys are refused."""

    model_config = ConfigDict(frozen=True, extra="forbid", allow_inf_nan=False)

    @property
    def tag(self) -> str:
        """The value by which a registry knows this spec; ``AttributeError`` for a table that is in no registry."""
        for name in TAGS:
            if name in type(self).model_fields:
                return str(getattr(self, name))
        raise AttributeError(f"{type(self).__name__} has none of the tags {', '.join(TAGS)}")


S = TypeVar("S", bound=Spec)


class Registry(Generic[S]):
    """Specs by the value of their tag; third parties add theirs through an entry point.

    Parameters
    ----------
    group : str
        Entry-point group in which other distributions register specs, for example ``"lethe.models"``.
    builtin : mapping of str to str
        Tag to ``"module:Class"``. Nothing is imported before it is asked for.
    tag : str
        Name of the field that tells the specs apart, ``"kind"`` unless told.
    """

    def __init__(self, group: str, builtin: Mapping[str, str], tag: str = "kind") -> None:
        self.group = group
        self.tag = tag
        self._targets = dict(builtin)

    @cache  # noqa: B019  registries live as long as the process
    def targets(self) -> dict[str, str]:
        """Return tag to ``"module:Class"``, built-in and third-party, sorted by tag."""
        found = {point.name: point.value for point in entry_points(group=self.group)}
        return dict(sorted({**found, **self._targets}.items()))

    def load(self, kind: str) -> type[S]:
        """Return the spec class registered under ``kind``; ``KeyError`` if there is none."""
        spec: type[S] = located(self.targets()[kind])
        return spec

    def specs(self) -> list[type[S]]:
        """Return every registered spec class in the order of its tag."""
        return [self.load(kind) for kind in self.targets()]

    def union(self) -> Any:
        """Return the tagged union of all specs, as a type for a pydantic field."""
        specs = self.specs()
        return specs[0] if len(specs) == 1 else Annotated[reduce(or_, specs), Field(discriminator=self.tag)]
