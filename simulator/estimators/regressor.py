"""A regressor that can be asked to forget."""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt
from sklearn.base import RegressorMixin
from sklearn.utils import check_array
from sklearn.utils.validation import column_or_1d

from clients.unlearning.contract import UnlearnerSpec
from simulator.estimators.base import Estimator, able


class UnlearningRegressor(RegressorMixin, Estimator):  # type: ignore[misc]
    """A regressor that can be asked to forget.

    Parameters
    ----------
    method : str or dict
        The method's kind, or its table as in ``peers.main`` of a scenario: ``"ridge"``, ``{"kind": "ridge", "alpha": 0.1}``.
    columns, training, random_state
        As of `UnlearningClassifier`.
    target : tuple of float, optional
        Public (low, high) of ``y``; default: its extremes.

    Attributes
    ----------
    target_ : tuple of float
        The bounds of ``y`` that are used.
    guarantee_, columns_, unlearner_, n_features_in_, feature_names_in_
        As of `UnlearningClassifier`.

    Examples
    --------
    >>> from sklearn.datasets import load_diabetes
    >>> X, y = load_diabetes(return_X_y=True)
    >>> model = UnlearningRegressor(target=(0, 400)).fit(X, y)
    >>> model.forget([3, 77]).guarantee
    'exact'
    """

    def __init__(
        self, method: Any = "ridge", *, columns: Any = None, target: Any = None, training: Any = None, random_state: Any = 0
    ) -> None:
        super().__init__(method, columns=columns, training=training, random_state=random_state)
        self.target = target

    def predict(self, X: Any) -> npt.NDArray[np.float64]:
        """Return the predicted targets, float64 (n,)."""
        x, (low, high) = self._inputs(X), self.target_
        found: npt.NDArray[np.float64] = low + self.unlearner_.predict(x) * ((high - low) or 1.0)
        return found

    def _taken(self, spec: UnlearnerSpec) -> UnlearnerSpec:
        if spec.unit != "rows" or not spec.regressor:
            raise ValueError(f"method: {spec.tag} predicts no numbers: take one of {able('regressor')}")
        return spec

    def _targets(self, y: Any) -> tuple[npt.NDArray[Any], int, list[str]]:
        found = _numbers(y)
        self.target_ = (float(found.min()), float(found.max())) if self.target is None else _bounds(self.target)
        return self._known_targets(found), 1, ["the bounds of y"] if self.target is None else []

    def _known_targets(self, y: Any) -> npt.NDArray[Any]:
        found, (low, high) = _numbers(y), self.target_
        strange = (found < low) | (found > high)
        if strange.any():
            outside = f"{found[strange][0]} lies outside the bounds [{low:g}, {high:g}]"
            raise ValueError(f"y: row {int(np.argmax(strange))}: {outside}: set target")
        return (found - low) / ((high - low) or 1.0)


def _numbers(y: Any) -> npt.NDArray[np.float64]:
    """Return targets, float64 (n,), all of them finite."""
    found: npt.NDArray[np.float64] = check_array(column_or_1d(y, warn=True), ensure_2d=False, dtype=np.float64, input_name="y")
    return found


def _bounds(target: Any) -> tuple[float, float]:
    """Return declared bounds; ``ValueError`` unless they are two finite numbers in order."""
    try:
        low, high = (float(one) for one in target)
    except (TypeError, ValueError):
        raise ValueError(f"target: {target!r} is no pair of numbers: give (low, high)") from None
    if not (low < high and np.isfinite(high - low)):
        raise ValueError(f"target: ({low:g}, {high:g}) is no range: give a low bound below a high one")
    return low, high
