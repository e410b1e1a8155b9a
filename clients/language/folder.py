"""A causal language model in a folder on this machine, as `save_pretrained` of the library transformers writes it."""

from __future__ import annotations

import hashlib
import json
from functools import lru_cache
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal, Self

from pydantic.json_schema import SkipJsonSchema

from clients.data import DataError
from clients.data.errors import one_line
from clients.data.limits import afford
from clients.language.library import check_library
from clients.language.spec import LanguageSpec
from clients.spec import located
from clients.streams import Field

if TYPE_CHECKING:
    from clients.language.module import LanguageModule

_SAVE = "save the model and its tokenizer there with save_pretrained"
_ADAPTER = "adapter_config.json"
_COUNTS = ("num_hidden_layers", "n_layer", "num_layers", "n_layers")
"""Names by which architectures count their blocks."""
_WEIGHTS, _INDEX, _TOKENIZER = "model.safetensors", "model.safetensors.index.json", "tokenizer_config.json"


class FolderSpec(LanguageSpec):
    """A causal language model of the library transformers from a folder; nothing is downloaded, and it needs the extra ``checkpoints``.

    Each word of the data's world is one token. Its embedding, and its row of the head, are those of the folder's token for it, or the
    mean of those of its pieces. The other tokens are left out, and embeddings and head are not shared. The plan has the SHA-256 of the
    files, and a run goes on with these alone.

    Parameters
    ----------
    path : str
        The folder with ``config.json``, safetensors and a tokenizer, relative to the scenario's folder.
    """

    kind: Literal["folder"] = "folder"
    path: str
    sha256: SkipJsonSchema[str | None] = None  # no key for users: it is filled in

    def known(self, vocabulary: tuple[str, ...]) -> Self:
        """Return the model with the hash of its files; ``DataError`` if they are missing, incomplete, or others than the hash says."""
        check_folder(Path(self.path))
        found = folder_hash(Path(self.path))
        if self.sha256 not in (None, found):
            raise DataError(f"{self.path}: has other files than those with SHA-256 {self.sha256}: bring these back, or remove sha256")
        check_library()
        located("clients.language.causal:opened")(self.path, found, vocabulary, self.positions)
        return self.model_copy(update={"sha256": found})

    def build(self, vocabulary: tuple[str, ...], classes: int, key: tuple[Field, ...]) -> LanguageModule:
        """Return the module with the folder's weights; nothing is drawn."""
        sha256 = str(self.known(vocabulary).sha256)
        module: LanguageModule = located("clients.language.causal:from_folder")(self.path, sha256, vocabulary, self.positions, classes)
        return module

    @property
    def blocks(self) -> int:
        """Number of its transformer blocks."""
        found = read_json(Path(self.path) / "config.json")
        return next((int(found[name]) for name in _COUNTS if name in found), 0)

    @property
    def title(self) -> str:
        """The model in a few words, for people."""
        return f"{self.tag} {one_line(Path(self.path).name)}"

    def parameters(self, vocabulary: tuple[str, ...]) -> int:
        """Return the number of parameters for these words."""
        return sum(parameter.numel() for parameter in self.build(vocabulary, 1, ()).parameters())


def check_folder(folder: Path) -> None:
    """Raise ``DataError`` if a folder lacks a part without which the library would look elsewhere, or has one that may run code."""
    if not folder.is_dir():
        raise DataError(
            f"{folder}: there is no such folder, and nothing is downloaded: {_SAVE} (paths start at the scenario file's folder)"
        )
    if (folder / _ADAPTER).exists():
        raise DataError(f"{folder}: is an adapter, whose model would have to be downloaded: merge it into its model, and {_SAVE}")
    for name in ("config.json", _TOKENIZER):
        if not (folder / name).is_file():
            raise DataError(f"{folder}: has no {name}, and nothing is downloaded: {_SAVE}")
    if read_json(folder / "config.json").get("auto_map"):
        raise DataError(f"{folder}: comes with code of its own (auto_map), which is not run: take a model that transformers knows")
    for name in _shards(folder):
        if not (folder / name).is_file():
            raise DataError(f"{folder}: has no {name}, and nothing is downloaded; pickles are not opened: {_SAVE}")


def folder_hash(folder: Path) -> str:
    """Return the SHA-256 of a folder's files, their names included, as far as they make a model and a tokenizer."""
    digest = hashlib.sha256()
    names = {path.name for path in folder.iterdir() if path.suffix in (".json", ".txt", ".model") and path.is_file()}
    for name in sorted(names | set(_shards(folder))):
        digest.update(f"{name}\0{_hashed(folder / name, (folder / name).stat().st_mtime_ns)}\n".encode())
    return digest.hexdigest()


@lru_cache(maxsize=256)
def _hashed(path: Path, changed: int) -> str:
    """Return the SHA-256 of a file that was last changed at some time, in nanoseconds."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def size_of(folder: Path) -> int:
    """Return the bytes of a folder's weights; ``DataError`` if memory would not hold them twice."""
    size = sum((folder / name).stat().st_size for name in _shards(folder))
    afford(folder, 2 * size, "loading it")
    return size


def _shards(folder: Path) -> list[str]:
    """Return the names of the files with the weights, inside the folder."""
    index = folder / _INDEX
    if (folder / _WEIGHTS).is_file() or not index.is_file():
        return [_WEIGHTS]
    named = read_json(index).get("weight_map")
    if not isinstance(named, dict) or not named or any(Path(str(name)).name != name for name in named.values()):
        raise DataError(f"{index}: names no files of this folder: {_SAVE} again")
    return sorted({*map(str, named.values()), _INDEX})


def read_json(path: Path) -> dict[str, Any]:
    """Return the content of a JSON file with one table; ``DataError`` if it is none."""
    try:
        found = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:
        raise DataError(f"{path}: cannot be read ({getattr(error, 'strerror', None) or 'no JSON'}): {_SAVE} again") from None
    if not isinstance(found, dict):
        raise DataError(f"{path}: holds no table: {_SAVE} again")
    return found
