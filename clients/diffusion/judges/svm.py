"""Judges: evaluation classifiers that name what a sample shows."""

from __future__ import annotations

from typing import Any, Protocol

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor

from clients.diffusion.images import Images, in_every_style
from clients.diffusion.spec import Axis, Style


class Judge(Protocol):
    """A classifier of the class, or the style, of images."""

    accuracy: float
    """Accuracy on held-out real images, in [0, 1]."""

    held_out: int
    """Number of these images."""

    def predict(self, pixels: Tensor) -> npt.NDArray[np.int64]:
        """Return the id of each sample, int64 ``(n,)``; pixels ``(n, channels, size, size)`` are first clamped to [-1, 1]."""

    def features(self, pixels: Tensor) -> npt.NDArray[np.float64]:
        """Return features for the Frechet distance, float64 ``(n, d)``."""


class SvmJudge:
    """A support vector machine with an RBF kernel on the pixels; it always names a class, so an erased concept still scores chance.

    Parameters
    ----------
    images : Images
        At least two of each class, without styles applied. 30 % of each are held out to measure the accuracy, then all are used.
    gamma : float or "scale"
        Coefficient of the kernel on pixels scaled to 0..16; 0.001 suits 8 x 8 digits.
    C : float
        Cost of errors.
    seed : int
        Seed of the stratified split.
    styles : tuple of str
        Styles in which every image is learned and judged; if empty, images are used unchanged.
    axis : {"class", "style"}
        Label to predict.
    """

    def __init__(
        self,
        images: Images,
        gamma: float | str = 0.001,
        C: float = 10.0,
        seed: int = 0,
        *,
        styles: tuple[Style, ...] = (),
        axis: Axis = "class",
    ) -> None:
        from sklearn.model_selection import train_test_split
        from sklearn.svm import SVC

        def learned(rows: npt.NDArray[np.int64]) -> tuple[npt.NDArray[np.float64], npt.NDArray[np.int64]]:
            part = images.select(torch.from_numpy(rows))
            shown = in_every_style(part, styles) if styles else part
            labels = shown.classes if axis == "class" else shown.styles
            assert labels is not None
            return _scaled(shown.pixels), labels.numpy()

        everything = np.arange(len(images))
        fit, test = train_test_split(everything, test_size=0.3, stratify=images.classes.numpy(), random_state=seed)
        asked, labels = learned(test)
        self.accuracy, self.held_out = float(SVC(gamma=gamma, C=C).fit(*learned(fit)).score(asked, labels)), len(labels)
        self._model: Any = SVC(gamma=gamma, C=C).fit(*learned(everything))

    def predict(self, pixels: Tensor) -> npt.NDArray[np.int64]:
        """Return the predicted id of each sample, int64 ``(n,)``."""
        return np.asarray(self._model.predict(_scaled(pixels)), dtype=np.int64)

    def features(self, pixels: Tensor) -> npt.NDArray[np.float64]:
        """Return the decision values, float64 ``(n, classes)``."""
        return np.asarray(self._model.decision_function(_scaled(pixels)), dtype=np.float64).reshape(len(pixels), -1)


def _scaled(pixels: Tensor) -> npt.NDArray[np.float64]:
    """Return the pixels flattened and scaled from [-1, 1] to [0, 16], float64 ``(n, pixels)``."""
    return np.asarray((pixels.clamp(-1, 1).double() + 1).mul(8).flatten(1).cpu().numpy())
