"""Location of a denoiser's weights in a folder or a single file, and of the files that may be copied with them."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from simulator.checkpoints.foreign import refuse_adapters, refuse_averages, refuse_pickle, snapshot, why_none
from simulator.checkpoints.places import components, shown, stays
from simulator.checkpoints.tensors import Header, read_header
from simulator.errors import LetheError

DENOISERS = ("unet", "transformer")
"""Folders of a pipeline that may hold its denoiser."""
ENDING = ".ff.net.2.weight"
"""Suffix of the names of feed-forward output weights in diffusers format."""
PICKLES = {".bin", ".ckpt", ".pt", ".pth", ".pkl"}
"""Suffixes of files that may run code when they are loaded."""
_BESIDE = {"", ".json", ".md", ".txt"}
_WEIGHTS = "diffusion_pytorch_model"
_NAME_PARTS = {_WEIGHTS, "safetensors", "index", "json"}
_TYPES = {"F16", "BF16", "F32", "F64"}
_SHARD = re.compile(r"[A-Za-z0-9_][A-Za-z0-9._-]{0,200}\.safetensors")
_LARGEST_JSON = 64 << 20
"""In bytes; the index of the largest released model has a few million."""


@dataclass(frozen=True)
class Layer:
    """A feed-forward output weight: its module's name, its shard, its shape ``(output units, hidden neurons)`` and safetensors dtype."""

    name: str
    shard: str
    shape: tuple[int, int]
    dtype: str

    @property
    def tensor(self) -> str:
        """The tensor's name in the file."""
        return f"{self.name}.weight"


@dataclass(frozen=True)
class Checkpoint:
    """A denoiser on disk, a UNet or a transformer, alone or in a pipeline.

    Parameters
    ----------
    root, denoiser : Path
        The folder, and the folder with the denoiser's ``config.json``; both are the file itself if a single file was given.
    components : tuple of str
        Folders of the pipeline's parts, including the denoiser's; empty for a denoiser alone.
    variant : str
        ``"plain"``, or the variant of the weights, such as ``"fp16"``.
    headers : dict of str to Header
        Weight files by name, which is empty for a single file.
    index : Path or None
        The index of a sharded checkpoint.
    layers : tuple of Layer
        Sorted by name.
    """

    root: Path
    denoiser: Path
    components: tuple[str, ...]
    variant: str
    headers: dict[str, Header]
    index: Path | None
    layers: tuple[Layer, ...]

    @property
    def alone(self) -> bool:
        """Whether this is a single file without a folder."""
        return self.root.is_file()

    def shard(self, layer: Layer) -> Path:
        """Return the file that holds a layer."""
        return self.denoiser / layer.shard

    def copied(self) -> list[Path]:
        """Return the files that are copied to an output, relative to the root.

        Other weights of the same denoiser are never copied, because they still contain what was cut.
        """
        if self.alone:
            return [Path()]
        inside = [path for path in _files(self.denoiser) if path.suffix in _BESIDE and not path.name.startswith(_WEIGHTS)]
        weights = [path for path in _files(self.denoiser) if path.name.startswith(_WEIGHTS)]
        inside += [self.denoiser / name for name in self.headers] + ([self.index] if self.index else [])
        if self.denoiser != self.root:
            inside += [path for path in _files(self.root) if path.suffix in _BESIDE]
            inside += [path for folder in self._others() for path in sorted(folder.rglob("*")) if path.is_file()]
        return [stays(self.root, path, weights).relative_to(self.root) for path in inside]

    def other_weights(self) -> list[Path]:
        """Return the weight files of the pipeline's other parts."""
        return [stays(self.root, path) for folder in self._others() for path in sorted(folder.rglob("*.safetensors")) if path.is_file()]

    def _others(self) -> list[Path]:
        """Return the folders of the parts other than the denoiser."""
        return [self.root / name for name in self.components if self.root / name != self.denoiser]

    def left_out(self) -> list[str]:
        """Return the files and folders that are not copied to an output, relative to the root, without hidden files."""
        if self.alone:
            return []
        copied = {str(path) for path in self.copied()}
        folders = {self.denoiser.name, *self.components}
        top = [p for p in sorted(self.root.iterdir()) if p.is_file() or (p.name not in folders and self.denoiser != self.root)]
        names = [str(p.relative_to(self.root)) for p in [*top, *(_files(self.denoiser) if self.denoiser != self.root else [])]]
        return [name for name in names if name not in copied and not name.startswith(".")]


def find(root: Path, variant: str | None = None) -> Checkpoint:
    """Return the checkpoint in a folder, a single file, or the one snapshot of a Hugging Face cache; ``LetheError`` if it is none."""
    if root.is_file():
        return _single(root.absolute(), variant)
    if not root.is_dir():
        raise LetheError(f"{root}: is no folder and no file; give a pipeline or its denoiser in diffusers format, or one .safetensors file")
    root = snapshot(root.resolve())
    pipeline = read_json(root / "model_index.json") if (root / "model_index.json").is_file() else None
    parts = () if pipeline is None else components(root, pipeline)
    denoiser = root if pipeline is None else _denoiser(root, parts)
    if not (denoiser / "config.json").is_file():
        refuse_adapters(root)
        raise LetheError(f"{root}: holds neither model_index.json nor config.json; give a pipeline or its denoiser in diffusers format")
    for path in (root / name for name in ("model_index.json", *parts)):
        if path.exists():
            stays(root, path)
    read_json(stays(root, denoiser / "config.json"))
    chosen, names, index = _weights(denoiser, variant)
    headers = {name: read_header(stays(root, denoiser / name)) for name in names}
    _check_index(index, headers)
    layers = _layers(headers)
    if not layers:
        raise LetheError(f"{denoiser}: no tensor is named *{ENDING}; {why_none(headers)}")
    checkpoint = Checkpoint(root, denoiser, parts, chosen, headers, index, layers)
    checkpoint.copied()  # raises if a link leads out of the root
    return checkpoint


def find_given(option: str, root: Path, variant: str | None) -> Checkpoint:
    """Return a further checkpoint, which an option gives; its variant counts where that one has it. Errors name the option."""
    try:
        try:
            return find(root, variant)
        except LetheError:
            return find(root)
    except LetheError as error:
        raise LetheError(f"{option} {error}") from None


def _single(path: Path, variant: str | None) -> Checkpoint:
    """Return the checkpoint in a single file, which has the names of diffusers or of Stable Diffusion's own releases."""
    if path.suffix in PICKLES:
        refuse_pickle(path)
    if "-of-" in path.name:
        raise LetheError(f"{path}: is one shard of several; give their folder, {path.parent}")
    if variant is not None:
        raise LetheError(f"--variant {variant}: {path} is a single file; leave the option out")
    headers = {"": read_header(path)}
    refuse_averages(headers[""])
    layers = _layers(headers)
    if not layers:
        raise LetheError(f"{path}: no tensor is named *{ENDING}; {why_none(headers)}")
    return Checkpoint(path, path, (), "plain", headers, None, layers)


def _denoiser(root: Path, parts: tuple[str, ...]) -> Path:
    """Return the folder of a pipeline's denoiser."""
    found = [name for name in DENOISERS if name in parts]
    if len(found) != 1:
        has = "both " + " and ".join(found) if found else f"no folder {' or '.join(DENOISERS)}"
        raise LetheError(f"{root}: is a pipeline with {has}; give the folder of the one denoiser that is meant")
    return root / found[0]


def _weights(folder: Path, variant: str | None) -> tuple[str, list[str], Path | None]:
    """Return the variant, the names of its weight files, and its index if it is sharded."""
    found: dict[str, tuple[list[str], Path | None]] = {}
    for path in _files(folder):
        if path.name.startswith(_WEIGHTS) and path.suffix == ".safetensors" and "-of-" not in path.name:
            found[_variant(path)] = ([path.name], None)
    for path in _files(folder):
        if path.name.startswith(f"{_WEIGHTS}.safetensors") and path.suffix == ".json":
            found[_variant(path)] = (_sharded(path), path)
    if not found:
        pickles = [path.name for path in _files(folder) if path.suffix in PICKLES]
        if pickles:
            cure = "pickles can run code and are not opened; save the model again with save_pretrained, which writes safetensors"
            raise LetheError(f"{folder / pickles[0]}: {cure}")
        raise LetheError(f"{folder}: holds no diffusion_pytorch_model*.safetensors; save the model with save_pretrained")
    if variant is None and len(found) > 1:
        raise LetheError(f"{folder}: holds its weights {len(found)} times; choose with --variant: {', '.join(sorted(found))}")
    chosen = variant or next(iter(found))
    if chosen not in found:
        raise LetheError(f"--variant {chosen}: {folder} holds {', '.join(sorted(found))}")
    return chosen, *found[chosen]


def _variant(path: Path) -> str:
    return ".".join(part for part in path.name.split(".") if part not in _NAME_PARTS) or "plain"


def _sharded(index: Path) -> list[str]:
    """Return the names of the shards; ``LetheError`` if one is missing."""
    names = list(_table(read_json(index), "weight_map", index).values())
    for name in names:
        if not (isinstance(name, str) and _SHARD.fullmatch(name) and (index.parent / name).is_file()):
            raise LetheError(f"{index}: names the shard {shown(repr(name))}, which is not beside it; fetch the whole folder again")
    return sorted(set(names))


def _check_index(index: Path | None, headers: dict[str, Header]) -> None:
    """Raise ``LetheError`` if the index names a tensor that its shard does not hold."""
    if index is None:
        return
    for tensor, shard in read_json(index)["weight_map"].items():
        if tensor not in headers[shard].tensors:
            raise LetheError(f"{index}: names the tensor {shown(tensor)}, which {shard} does not hold; fetch the whole folder again")


def _layers(headers: dict[str, Header]) -> tuple[Layer, ...]:
    layers, found = [], dict[str, str]()
    for shard, header in headers.items():
        for tensor, entry in header.tensors.items():
            if not tensor.endswith(ENDING):
                continue
            if tensor in found:
                raise LetheError(f"{header.path}: {tensor} is in {found[tensor]} too; fetch the whole folder again")
            found[tensor] = shard
            if entry.dtype not in _TYPES or len(entry.shape) != 2 or 0 in entry.shape:
                what = f"is {entry.dtype} {list(entry.shape)}"
                raise LetheError(f"{header.path}: {tensor} {what}; wants a matrix of floats of 16 bits or more, not a quantised release")
            layers.append(Layer(tensor.removesuffix(".weight"), shard, (entry.shape[0], entry.shape[1]), entry.dtype))
    return tuple(sorted(layers, key=lambda layer: layer.name))


def _files(folder: Path) -> Iterator[Path]:
    return (path for path in sorted(folder.iterdir()) if path.is_file() and not path.name.startswith("."))


def read_json(path: Path) -> dict[str, Any]:
    """Return the JSON object in a file; ``LetheError`` if there is none."""
    if path.stat().st_size > _LARGEST_JSON:
        raise LetheError(f"{path}: has {path.stat().st_size} bytes, no JSON table of a model has more than {_LARGEST_JSON}; fetch it again")
    try:
        content = json.loads(path.read_text(encoding="utf-8"))
    except (ValueError, RecursionError):
        content = None
    if not isinstance(content, dict):
        raise LetheError(f"{path}: is no JSON table; fetch the file again")
    return content


def _table(content: dict[str, Any], key: str, path: Path) -> dict[str, Any]:
    table = content.get(key)
    if not isinstance(table, dict) or not table:
        raise LetheError(f"{path}: has no table {key}; fetch the file again")
    return table
