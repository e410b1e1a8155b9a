"""Decoding of images (PNG, JPEG and the other formats of Pillow) to one array."""

from __future__ import annotations

import io
import warnings
from collections.abc import Iterable, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt

from clients.data.errors import DataError
from clients.data.limits import afford

if TYPE_CHECKING:
    from PIL.Image import Image

_CHANNELS = {"1": 1, "L": 1, "RGB": 3, "RGBA": 4}

Named = tuple[str, bytes]
"""Words that name an image in messages, and its encoded bytes."""


def decode(images: Iterable[Named], count: int) -> npt.NDArray[np.uint8]:
    """Return images of one size, uint8 (count, height, width, channels); if some are coloured, the channels of grey ones are repeated.

    Parameters
    ----------
    images : iterable of (str, bytes)
        Words that name the image in messages, and its encoded bytes.
    count : int
        Number of images.

    Raises
    ------
    DataError
        If an image is damaged, has another size than the first, several frames, or more than 8 bits per channel.
    """
    frames: list[npt.NDArray[np.uint8]] = []
    size: tuple[int, int] | None = None
    for place, blob in images:
        if size is not None:
            frames.append(_frame(place, blob, size))
            continue
        size = _size(place, blob)
        # bytes, their copy in one array, and float32 values exist together
        afford(place, 6 * count * 3 * size[0] * size[1], f"{count} images of {size[0]} x {size[1]}")
        frames.append(_frame(place, blob, size))
    return _stacked(frames)


def _opened(place: str, blob: bytes) -> Image:
    """Return an image whose header has been read."""
    from PIL import Image

    try:
        with warnings.catch_warnings():
            warnings.simplefilter("error", Image.DecompressionBombWarning)
            return Image.open(io.BytesIO(blob))
    # the decoders of thirty formats raise many kinds of errors for damaged bytes
    except Exception as error:
        raise _unreadable(place, error) from None


def _size(place: str, blob: bytes) -> tuple[int, int]:
    """Return width and height of an image in pixels, from its header."""
    return _opened(place, blob).size


def _frame(place: str, blob: bytes, size: tuple[int, int]) -> npt.NDArray[np.uint8]:
    """Return an image as uint8 (height, width, channels)."""
    image = _opened(place, blob)
    if image.size != size:
        raise DataError(f"{place}: is {image.width} x {image.height}, the first image {size[0]} x {size[1]}: bring all images to one size")
    if getattr(image, "n_frames", 1) != 1:
        raise DataError(f"{place}: holds several frames: save one image a file")
    try:
        image.load()
        if image.mode in ("P", "LA", "PA"):
            grey = image.mode == "LA" and _opaque(image)
            image = image.convert("L" if grey else "RGB" if _opaque(image) else "RGBA")
    except Exception as error:  # as above
        raise _unreadable(place, error) from None
    if image.mode not in _CHANNELS:
        raise DataError(f"{place}: has colours of mode {image.mode}: save it as grey or RGB with 8 bits a channel")
    pixels: npt.NDArray[Any] = np.asarray(image.convert("L") if image.mode == "1" else image, dtype=np.uint8)
    return pixels[:, :, None] if pixels.ndim == 2 else pixels


def _opaque(image: Image) -> bool:
    """Return whether no pixel of an image is transparent."""
    if image.mode == "P" and "transparency" not in image.info:
        return True
    return int(np.asarray(image.convert("RGBA"))[:, :, 3].min()) == 255


def _stacked(frames: Sequence[npt.NDArray[np.uint8]]) -> npt.NDArray[np.uint8]:
    """Return frames as one array, with the largest number of channels among them."""
    channels = max((frame.shape[2] for frame in frames), default=1)
    return np.stack([_with_channels(frame, channels) for frame in frames])


def _with_channels(frame: npt.NDArray[np.uint8], channels: int) -> npt.NDArray[np.uint8]:
    """Return a frame with more channels: grey is repeated for each colour, and an alpha channel is opaque."""
    height, width, held = frame.shape
    if held == channels:
        return frame
    if held == 1 and channels >= 3:
        frame = np.repeat(frame, 3, axis=2)
    opaque = np.full((height, width, channels - frame.shape[2]), 255, np.uint8)
    return np.concatenate([frame, opaque], axis=2)


def _unreadable(place: str, error: Exception) -> DataError:
    """Return the error for a damaged image."""
    from PIL import UnidentifiedImageError

    unknown = isinstance(error, UnidentifiedImageError)
    reason = "in no format that Pillow knows" if unknown else " ".join((str(error) or type(error).__name__).split())[:120]
    return DataError(f"{place}: cannot be read as an image ({reason}): fetch it again or remove it")
