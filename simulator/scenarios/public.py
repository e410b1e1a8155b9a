"""Choice of the public rows. It is keyed by the rows' ids, so that no private row can influence it."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from clients.data import DataError
from clients.data.facts import PublicRows, Source
from clients.data.rows import Ids
from clients.streams import order


@dataclass(frozen=True)
class Split:
    """Ids of reference, test, validation and remaining rows, each ascending."""

    reference: Ids
    test: Ids
    validation: Ids
    rest: Ids

    def shown(self, facts: str) -> PublicRows:
        """Return the rows from which facts are read: the public ones or, with ``facts = "all"`` (the negative control), all."""
        labelled = np.concatenate([self.reference, self.test, self.validation])
        if facts == "all":
            everything = np.sort(np.concatenate([labelled, self.rest]))
            return PublicRows(everything, everything)
        return PublicRows(self.reference, np.sort(labelled))


def split(source: Source, seed: int, reference: int, test: int, validation: int) -> Split:
    """Return the rows that are set aside: the first in the order of the hashes of their ids.

    If rows belong to users, users are set aside: one row of each is used, and no peer gets the others. ``DataError`` if no row is left
    for the peers.
    """
    ids = source.ids
    owner, what = (ids, "rows") if source.user_names is None else (source.user_names, "users")
    drawn = order(ids, seed, "asked")
    owners, first = np.unique(owner[drawn], return_index=True)
    public = reference + test + validation
    if public >= len(owners):
        asked = f"reference = {reference}, test = {test} and validation = {validation}"
        asked = asked if validation else f"reference = {reference} and test = {test}"
        raise DataError(f"{asked} leave none of {len(owners)} {what} to deal: lower them")
    parts = np.split(order(owners, seed, "aside"), [reference, reference + test, public])
    asked_of, tested, tuned = (np.sort(ids[drawn[first[part]]]) for part in parts[:3])
    return Split(asked_of, tested, tuned, ids[np.isin(owner, owners[parts[3]])])
