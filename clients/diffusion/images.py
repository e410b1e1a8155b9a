"""Images for diffusion: pixels in [-1, 1], labels, styles."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor
from torch.nn import functional

from clients.diffusion.spec import Style
from clients.streams import Field, hashes


@dataclass(frozen=True)
class Images:
    """Images with two labels each.

    Parameters
    ----------
    pixels : float32 tensor, shape (n, channels, size, size)
        In [-1, 1].
    classes : int64 tensor, shape (n,)
    styles : int64 tensor, shape (n,), or None
    """

    pixels: Tensor
    classes: Tensor
    styles: Tensor | None = None

    def __len__(self) -> int:
        return len(self.pixels)

    def select(self, rows: Tensor) -> Images:
        """Return the images at these positions, or those for which a boolean tensor is true."""
        return Images(self.pixels[rows], self.classes[rows], None if self.styles is None else self.styles[rows])

    def shows(self, concepts: Sequence[int], classes: int) -> Tensor:
        """Return which images show any of the concepts, bool ``(n,)``; numbers from ``classes`` on are styles."""
        numbers = [self.classes] if self.styles is None else [self.classes, classes + self.styles]
        return torch.isin(torch.stack(numbers), torch.tensor(concepts, dtype=torch.int64)).any(0)


def digits() -> Images:
    """Return scikit-learn's 1,797 digits, 8 x 8, grey."""
    from sklearn.datasets import load_digits

    bunch = load_digits()
    pixels = torch.from_numpy(bunch.images.astype(np.float32) / 8 - 1)[:, None]
    return Images(pixels, torch.from_numpy(bunch.target.astype(np.int64)))


def from_arrays(x: npt.ArrayLike, y: npt.ArrayLike, size: int, low: float = 0.0, high: float = 1.0) -> Images:
    """Return images of ``size`` from arrays of grey or colour images.

    Parameters
    ----------
    x : array, shape (n, h, w), (n, c, h, w) or (n, h * h)
        Values in ``low .. high``. Larger images are padded to a multiple of ``size`` with ``low`` and averaged down.
    y : int array, shape (n,)
    size : int
        Side of the returned images in pixels.
    """
    pixels = torch.as_tensor(np.asarray(x, dtype=np.float32))
    if pixels.ndim == 2:
        side = round(pixels.shape[1] ** 0.5)
        pixels = pixels.view(-1, side, side)
    if pixels.ndim == 3:
        pixels = pixels[:, None]
    side = pixels.shape[-1]
    factor = -(-side // size)
    before = (factor * size - side) // 2
    after = factor * size - side - before
    padded = functional.pad(pixels, (before, after, before, after), value=low)
    small = functional.avg_pool2d(padded, factor) if factor > 1 else padded
    return Images((small - low) / (high - low) * 2 - 1, torch.as_tensor(np.asarray(y, dtype=np.int64)))


def _plain(pixels: Tensor) -> Tensor:
    return pixels


def _inverted(pixels: Tensor) -> Tensor:
    return -pixels


def _shifted(pixels: Tensor) -> Tensor:
    """Shift one pixel to the right; the new column is background."""
    return functional.pad(pixels[..., :-1], (1, 0), value=-1.0)


def _thick(pixels: Tensor) -> Tensor:
    return functional.max_pool2d(functional.pad(pixels, (1, 1, 1, 1), value=-1.0), 3, stride=1)


STYLES = {"plain": _plain, "inverted": _inverted, "shifted": _shifted, "thick": _thick}


def apply_style(pixels: Tensor, style: Style) -> Tensor:
    """Return the images in a style; the shape is unchanged."""
    return STYLES[style](pixels)


def draw_styles(images: Images, styles: tuple[Style, ...], key: tuple[Field, ...]) -> Images:
    """Return the images, each in one style drawn by the key and its position."""
    drawn = torch.from_numpy((hashes(np.arange(len(images)), *key, "style") % np.uint64(len(styles))).astype(np.int64))
    pixels = images.pixels.clone()
    for i, style in enumerate(styles):
        pixels[drawn == i] = apply_style(images.pixels[drawn == i], style)
    return Images(pixels, images.classes, drawn)


def in_every_style(images: Images, styles: tuple[Style, ...]) -> Images:
    """Return every image in every style, all of one style before the next."""
    ids = torch.arange(len(styles)).repeat_interleave(len(images))
    return Images(torch.cat([apply_style(images.pixels, style) for style in styles]), images.classes.repeat(len(styles)), ids)
