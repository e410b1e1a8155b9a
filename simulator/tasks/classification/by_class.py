"""Precision, recall and F1 of classifiers by class at the end of a run: answers are counted once, beside what digests cover."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt

from simulator.errors import LetheError

if TYPE_CHECKING:  # it loads Flower, which checking a scenario does not need
    from clients.participant import Participant
    from simulator.scenarios.plan import Plan
    from simulator.storage.store import RunStore

KEY = "by_class"
"""Under this key of the ledger's table meta stands what was counted."""
MOST_CLASSES = 50
"""With more classes nothing is counted."""

Matrix = npt.NDArray[np.int64]
_MODELS = {"main": "main models", "ensemble": "ensembles", "model": "model"}
_FIGURES = ("precision", "recall", "F1")


def confusion(y: npt.NDArray[np.int64], answers: npt.NDArray[np.floating], classes: int) -> list[list[int]]:
    """Return how many rows of each class (a line each) are taken for each class, given probabilities (n, classes)."""
    from sklearn.metrics import confusion_matrix

    found: list[list[int]] = confusion_matrix(y, answers.argmax(axis=1), labels=np.arange(classes)).tolist()
    return found


def measured(peers: Mapping[int, Participant]) -> list[dict[str, Any]]:
    """Return how each live peer's main model and ensemble answer the test rows, counted; none of a recommender, which ranks items."""
    from clients import data
    from clients.classification.hdus.peer import Peer

    rows = []
    for number, peer in peers.items():
        assert isinstance(peer, Peer)
        source, test = data.load(peer.config.data), np.asarray(peer.config.test, dtype=np.int64)
        if source.users is None and source.classes <= MOST_CLASSES:
            main, y = peer.answers(test), source.classes_of(test)
            together = peer.together(main, source.inputs(test))
            counted = {"main": confusion(y, main, source.classes), "ensemble": confusion(y, together, source.classes)}
            rows.append({"peer": number, **counted})
    return rows


def measured_pooled(plan: Plan, store: RunStore) -> list[dict[str, Any]]:
    """Return likewise how one model of all rows answers, as it stands in the ledger; nothing if nobody was left to ask it."""
    from clients import data, wire

    config = plan.configs[0]
    source, test = data.load(config.data), np.asarray(config.test, dtype=np.int64)
    asked = store.rows("select sha256 from probabilities order by peer limit 1")
    if not asked or source.users is not None or source.classes > MOST_CLASSES:
        return []
    answers = wire.from_bytes(store.artefact(asked[0][0]))["probabilities"]
    return [{"model": confusion(source.classes_of(test), answers, source.classes)}] if len(answers) == len(test) else []


def pooled_problems(plan: Plan, store: RunStore) -> Iterator[str]:
    """Yield a line if one model of all rows does not answer as the run says."""
    told = store.meta(KEY)
    try:
        if told is not None and json.dumps(measured_pooled(plan, store)) != told:
            yield f"run.sqlite: the model does not answer the test rows as its {KEY} says"
    except LetheError as error:
        yield str(error)


def findings(counted: Sequence[Mapping[str, Any]], labels: Sequence[str]) -> dict[str, Any]:
    """Return the results' table ``by_class`` of what was counted; empty if nothing was.

    ``models`` has, for main models, ensembles or the one model: precision, recall and F1 as means over the classes that have test rows
    (0 for a class never named), the same ``classes`` by class with the number of test rows, and ``confusion``, summed over peers. Figures
    are means over peers. ``peers`` has the means of each peer.
    """
    scored = [{key: _Scored(np.asarray(row[name], dtype=np.int64)) for name, key in _MODELS.items() if name in row} for row in counted]
    told = {key: _told([own[key] for own in scored if key in own], labels) for key in _MODELS.values() if any(key in own for own in scored)}
    pairs = zip(counted, scored, strict=True)
    peers = [{"peer": row["peer"], **{key: one.means for key, one in own.items()}} for row, own in pairs if "peer" in row]
    return {KEY: {"models": told, "peers": peers}} if told else {}


class _Scored:
    """How often rows of each class (a line each) were taken for each class, and the figures of every class, computed once."""

    def __init__(self, matrix: Matrix) -> None:
        from sklearn.metrics import precision_recall_fscore_support

        true, named = np.indices(matrix.shape).reshape(2, -1)
        found = precision_recall_fscore_support(true, named, labels=range(len(matrix)), sample_weight=matrix.ravel(), zero_division=0)
        self.matrix = matrix
        self.figures = np.asarray(found[:3], dtype=np.float64)
        """Precision, recall and F1, shape (3, classes); 0 for a class never named."""

    @property
    def means(self) -> dict[str, float]:
        """The mean of each figure over the classes that have test rows."""
        there = self.matrix.sum(axis=1) > 0
        return dict(zip(_FIGURES, map(float, self.figures[:, there].mean(axis=1)), strict=True))


def _told(scored: Sequence[_Scored], labels: Sequence[str]) -> dict[str, Any]:
    figures, rows = np.mean([one.figures for one in scored], axis=0), scored[0].matrix.sum(axis=1)
    classes = [
        {"class": label, "n": int(rows[i]), **{name: float(figures[k, i]) for k, name in enumerate(_FIGURES)}}
        for i, label in enumerate(labels)
        if rows[i]
    ]
    means = {name: float(np.mean([one.means[name] for one in scored])) for name in _FIGURES}
    return {**means, "classes": classes, "confusion": np.sum([one.matrix for one in scored], axis=0).tolist()}
