"""ToW: how near accuracies on forget, retain and test rows are to those of the retrained model, as one number.

Zhao et al., "What makes unlearning hard and what to do about it", NeurIPS 2024, arXiv 2406.01257.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
import numpy.typing as npt


class Accuracies(NamedTuple):
    """Shares of right answers, in [0, 1], on the rows to forget, the retained rows and test rows."""

    forget: float
    retain: float
    test: float


def tug_of_war(unlearned: Accuracies, retrained: Accuracies) -> float:
    """Return the product over the three sets of one minus the distance of accuracies, in [0, 1]; 1 is as retrained.

    ``ValueError`` if a value lies outside of [0, 1].
    """
    return _product([*zip(unlearned, retrained, strict=True)])


def tug_of_war_by_membership(unlearned: Accuracies, retrained: Accuracies, called_unseen: tuple[float, float]) -> float:
    """Return ToW-MIA: as `tug_of_war`, with the shares of the rows to forget that an attack calls unseen in place of their accuracies.

    Parameters
    ----------
    unlearned, retrained : Accuracies
    called_unseen : tuple of float
        The shares under the unlearned and under the retrained model, in [0, 1]; see `unseen_share`.
    """
    return _product([called_unseen, (unlearned.retain, retrained.retain), (unlearned.test, retrained.test)])


def unseen_share(forget: npt.NDArray[np.floating], retain: npt.NDArray[np.floating], test: npt.NDArray[np.floating]) -> float:
    """Return the share of the rows to forget that an attack calls unseen, in [0, 1].

    A support vector machine learns to tell retained from test rows by their class's probability, from as many of each; ``ValueError`` if a
    set is empty.

    Parameters
    ----------
    forget, retain, test : float arrays, shape (n,)
        Probabilities of the rows' classes under one model, retained rows in an order that says nothing.
    """
    from sklearn.svm import SVC

    count = min(len(retain), len(test))
    if not count or not len(forget):
        raise ValueError("a membership attack needs rows of all three sets: give at least one of each")
    seen = np.concatenate([retain[:count], test[:count]]).reshape(-1, 1)
    attack = SVC(C=3.0, kernel="rbf").fit(seen, np.repeat([1, 0], count))
    return float((attack.predict(np.asarray(forget).reshape(-1, 1)) == 0).mean())


def _product(pairs: list[tuple[float, float]]) -> float:
    """Return the product of one minus the distances."""
    found = 1.0
    for one, other in pairs:
        for value in (one, other):
            if not 0 <= value <= 1:
                raise ValueError(f"accuracy {value:g} is no share in [0, 1]: give fractions, not percentages")
        found *= 1 - abs(one - other)
    return found
