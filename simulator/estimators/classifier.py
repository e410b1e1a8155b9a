"""A classifier that can be asked to forget."""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt
import pandas as pd
from sklearn.base import ClassifierMixin
from sklearn.utils.multiclass import check_classification_targets
from sklearn.utils.validation import column_or_1d

from clients.unlearning.contract import UnlearnerSpec
from simulator.estimators.base import Estimator, able


class UnlearningClassifier(ClassifierMixin, Estimator):  # type: ignore[misc]
    """A classifier that can be asked to forget, by any method that can be a peer's main model.

    Parameters
    ----------
    method : str or dict
        The method's kind, or its table as in ``peers.main`` of a scenario: ``"dare"``, ``{"kind": "ridge", "alpha": 0.1}``,
        ``{"kind": "sisa", "shards": 5, "base": {"kind": "mlp"}}``. A plain model, ``{"kind": "mlp"}``, is retrained to forget.
    columns : list of dict, optional
        Public facts of each column: ``{"name": "age", "low": 0, "high": 120}``, or
        ``{"name": "sex", "kind": "categorical", "categories": ["F", "M"]}``. Matched by name if ``X`` is a data frame, else by position.
        By default bounds and categories are read from ``X``; they then stay unchanged even if the rows that determined them are forgotten.
    labels : list, optional
        All classes; default: those in ``y``.
    training : dict, optional
        Epochs, batch size and optimiser, as ``[training]`` of a scenario; for networks.
    random_state : int
        Key of every random choice.

    Attributes
    ----------
    guarantee_ : str
        The guarantee of forgetting, such as ``exact``, and the facts that it assumes.
    classes_ : array, shape (classes,)
    columns_ : list of dict
        The facts that are used, as ``columns`` takes them.
    unlearner_ : Unlearner
        The underlying model (`clients.unlearning.contract`).
    n_features_in_, feature_names_in_
        As in scikit-learn.

    Examples
    --------
    >>> from sklearn.datasets import load_iris
    >>> X, y = load_iris(return_X_y=True, as_frame=True)
    >>> model = UnlearningClassifier("dare").fit(X, y)
    >>> model.forget([3, 77]).guarantee
    'exact'
    >>> model.guarantee_
    'exact, given what was read off the rows and stays when they go: the bounds of 4 columns, the classes'
    """

    def __init__(
        self, method: Any = "dare", *, columns: Any = None, labels: Any = None, training: Any = None, random_state: Any = 0
    ) -> None:
        super().__init__(method, columns=columns, training=training, random_state=random_state)
        self.labels = labels

    def predict_proba(self, X: Any) -> npt.NDArray[np.float32]:
        """Return the classes' probabilities, float32 (n, classes), in the order of ``classes_``."""
        x = self._inputs(X)
        found: npt.NDArray[np.float32] = self.unlearner_.predict_proba(x)
        return found

    def predict(self, X: Any) -> npt.NDArray[Any]:
        """Return the most probable class of each row, shape (n,); the first of tied classes."""
        places = self.predict_proba(X).argmax(axis=1)
        found: npt.NDArray[Any] = self.classes_[places]
        return found

    def _taken(self, spec: UnlearnerSpec) -> UnlearnerSpec:
        if spec.unit != "rows" or not spec.classifier:
            raise ValueError(f"method: {spec.tag} does not classify rows: take a model or one of {able('classifier')}")
        return spec

    def _targets(self, y: Any) -> tuple[npt.NDArray[Any], int, list[str]]:
        found = _labels(y)
        declared = None if self.labels is None else np.asarray(self.labels)
        self.classes_ = np.unique(found if declared is None else declared)
        if declared is not None and len(self.classes_) < declared.size:
            raise ValueError("labels: a class is named twice: name each once")
        if len(self.classes_) < 2:
            only = self.classes_.tolist()[0]
            raise ValueError(f"y: there is one class, {only!r}: give rows of two, or name in labels those that y does not show")
        return self._known_targets(found), len(self.classes_), [] if declared is not None else ["the classes"]

    def _known_targets(self, y: Any) -> npt.NDArray[Any]:
        found = _labels(y)
        strange = ~np.isin(found, self.classes_)
        if strange.any():
            known = f"none of the classes {self.classes_.tolist()}"
            raise ValueError(f"y: row {int(np.argmax(strange))}: {found[strange].tolist()[0]!r} is {known}: name it in labels")
        return np.searchsorted(self.classes_, found).astype(np.int64)


def _labels(y: Any) -> npt.NDArray[Any]:
    """Return labels, shape (n,), none of them missing."""
    found: npt.NDArray[Any] = column_or_1d(y, warn=True)
    missing = np.asarray(pd.isna(np.asarray(y, dtype=object)), dtype=np.bool_).ravel()  # a list with text would turn NaN into text
    if missing.any():
        raise ValueError(f"y: row {int(np.argmax(missing))} has no label (input y contains NaN): give it one, or leave the row out")
    check_classification_targets(found)
    return found
