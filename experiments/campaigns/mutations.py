"""Mutations of files: as bytes, as text, as an archive of arrays."""

from __future__ import annotations

import gzip
import io
import zipfile
from collections.abc import Callable
from pathlib import Path

import numpy as np

Draw = np.random.Generator

_TOKENS = [
    *[b'"', b",", b";", b"\n", b"\r", b"\0", b"#", b"'", b"  ", b",,", b'"\n', b"<", b"&", b"[", b"}", b"\\", b"=", b"--", b"\x1a"],
    *[b"NaN", b"?", b"-1", b"1e400", b"9" * 21, b"n/a", b'"0,5"', b"inf", b"1_0", b"0x10", b"1.5"],
    *[b"\xef\xbb\xbf", b"\xff", b"\xc2\xa0", "é".encode()],
]
_NUMBERS = [0, 1, -1, 2**31 - 1, 2**31, 2**32 - 1, 255, 1 << 20]


def _place(blob: bytes, draw: Draw) -> int:
    """Return a random position in the bytes; early ones are more likely, because headers are there."""
    end = min(len(blob), 64) if draw.random() < 0.4 else len(blob)
    return int(draw.integers(0, end + 1))


def flip(blob: bytes, draw: Draw) -> bytes:
    """Return the bytes with one bit flipped."""
    if not blob:
        return blob
    place = min(_place(blob, draw), len(blob) - 1)
    return blob[:place] + bytes([blob[place] ^ 1 << int(draw.integers(8))]) + blob[place + 1 :]


def cut(blob: bytes, draw: Draw) -> bytes:
    """Return the bytes truncated at a random position."""
    return blob[: _place(blob, draw)]


def without(blob: bytes, draw: Draw) -> bytes:
    """Return the bytes without some of them."""
    place = _place(blob, draw)
    return blob[:place] + blob[place + int(draw.integers(1, 40)) :]


def doubled(blob: bytes, draw: Draw) -> bytes:
    """Return the bytes with some of them repeated."""
    place, size = _place(blob, draw), int(draw.integers(1, 80))
    return blob[:place] + blob[place : place + size] + blob[place:]


def token(blob: bytes, draw: Draw) -> bytes:
    """Return the bytes with a meaningful token inserted."""
    place = _place(blob, draw)
    return blob[:place] + _TOKENS[int(draw.integers(len(_TOKENS)))] + blob[place + int(draw.integers(0, 4)) :]


def number(blob: bytes, draw: Draw) -> bytes:
    """Return the bytes with four of them replaced by an extreme number, of either byte order."""
    place, value = _place(blob, draw), _NUMBERS[int(draw.integers(len(_NUMBERS)))]
    return blob[:place] + (value % 2**32).to_bytes(4, "big" if draw.random() < 0.5 else "little") + blob[place + 4 :]


def noise(blob: bytes, draw: Draw) -> bytes:
    """Return the bytes with some of them replaced by random ones."""
    place, size = _place(blob, draw), int(draw.integers(1, 16))
    return blob[:place] + draw.bytes(size) + blob[place + size :]


def encoded(blob: bytes, draw: Draw) -> bytes:
    """Return text in another encoding, or with other line endings."""
    text = blob.decode("utf-8", "replace")
    ways: list[Callable[[], bytes]] = [
        lambda: text.encode("utf-16"),
        lambda: text.encode("utf-16-le"),
        lambda: text.encode("utf-8-sig"),
        lambda: (text + "é").encode("latin-1", "replace"),
        lambda: text.replace("\n", "\r\n").encode(),
        lambda: text.replace("\n", "\r").encode(),
        lambda: gzip.compress(blob),
    ]
    return ways[int(draw.integers(len(ways)))]()


def separated(blob: bytes, draw: Draw) -> bytes:
    """Return text with other separators."""
    return blob.replace(b",", [b";", b"\t", b"|", b" ", b", ", b"::"][int(draw.integers(6))])


def lines(blob: bytes, draw: Draw) -> bytes:
    """Return text with a line removed, repeated, emptied or commented out, or with a cell added or removed."""
    held = blob.split(b"\n")
    place = int(draw.integers(len(held)))
    line = held[place]
    changes = [[], [line, line], [b"", line], [b"# " + line], [line + b",1"], [line.rpartition(b",")[0]], [line.replace(b",", b',"', 1)]]
    return b"\n".join(held[:place] + changes[int(draw.integers(len(changes)))] + held[place + 1 :])


def _array(array: np.ndarray, draw: Draw) -> np.ndarray:
    """Return a mutation of an array."""
    ways: list[Callable[[], np.ndarray]] = [
        lambda: array[: len(array) // 2],
        lambda: array[:0],
        lambda: array.astype(np.float64) + 0.5,
        lambda: np.where(draw.random(array.shape) < 0.1, np.nan, array),
        lambda: np.where(draw.random(array.shape) < 0.1, -1, array),
        lambda: np.where(draw.random(array.shape) < 0.1, int(draw.choice([2**31 - 1, 2**62, 12, 48])), array),
        lambda: array.astype(str),
        lambda: array.astype(object),
        lambda: array.astype(np.uint8),
        lambda: array.astype(complex),
        lambda: array.reshape(-1),
        lambda: array[None],
        lambda: array[..., None],
        lambda: np.asarray(3),
        lambda: array[::-1],
        lambda: np.asfortranarray(array),
        lambda: np.zeros(len(array), [("a", "<i4"), ("b", "<f8")]),
        lambda: array.astype(">i4"),
        lambda: array * 1e300,
    ]
    with np.errstate(all="ignore"):
        return ways[int(draw.integers(len(ways)))]()


def arrays(blob: bytes, draw: Draw) -> bytes:
    """Return an archive in which an array is changed, is missing, or has a wrong header."""
    with np.load(io.BytesIO(blob)) as file:
        held = {name: file[name] for name in file.files}
    name = str(draw.choice(list(held)))
    if draw.random() < 0.1:
        del held[name]
    elif draw.random() < 0.8:
        held[name] = _array(held[name], draw)
    made = io.BytesIO()
    with zipfile.ZipFile(made, "w") as archive:
        for one, array in held.items():
            member = io.BytesIO()
            np.lib.format.write_array(member, array)
            lies = one == name and draw.random() < 0.3
            archive.writestr(f"{one}.npy", number(member.getvalue(), draw) if lies else member.getvalue())
    return made.getvalue()


_BYTES = [flip, cut, without, doubled, number, noise]
_TEXT = [*_BYTES, token, token, token, encoded, separated, lines, lines, lines]
_ARRAYS = [*_BYTES, arrays, arrays, arrays, arrays, arrays]


def mutate(path: Path, draw: Draw) -> str:
    """Damage a file by one to three mutations that suit it, and return their names."""
    ways = _TEXT if path.suffix in (".csv", ".txt", ".toml", ".graphml") else _ARRAYS if path.suffix == ".npz" else _BYTES
    done: list[str] = []
    for i in range(1 if draw.random() < 0.6 else int(draw.integers(2, 4))):
        way = ways[int(draw.integers(len(ways)))]
        if way is arrays and i:
            continue  # after damage to its bytes, the file is no longer a valid archive
        path.write_bytes(way(path.read_bytes(), draw))
        done.append(way.__name__)
    return ", ".join(done)
