"""Folders that are nearly a checkpoint: a Hugging Face cache above its snapshots, adapters, layers under names of other programs."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from pathlib import Path

from simulator.checkpoints.places import shown
from simulator.checkpoints.tensors import Header, read_header
from simulator.errors import LetheError

_ADAPTER = re.compile(r"(^|[._])(lora|lokr|loha|dora|hada|b?oft)([._]|$)", re.IGNORECASE)
_OTHERS = {
    "mlp.fc2.weight": "feed-forward blocks under timm's names (mlp.fc2)",
    "img_mlp.2.weight": "feed-forward blocks under the names of Flux's own release (img_mlp)",
    "linear2.weight": "attention and feed-forward fused into one matrix (linear2)",
    "mlp.layer2.weight": "feed-forward blocks under the names of a release in another format (mlp.layer2)",
}
"""Endings under which other programs keep feed-forward output weights."""


def is_cache(folder: Path) -> bool:
    """Return whether a folder is the place of one model in a Hugging Face cache."""
    return (folder / "snapshots").is_dir() and (folder / "blobs").is_dir()


def snapshot(root: Path) -> Path:
    """Return the one snapshot of a model in a Hugging Face cache, or the folder itself if it is no cache.

    The snapshot that ``refs/main`` names comes first; ``LetheError`` if it is missing, and if several snapshots could be meant.
    """
    folder = root / "snapshots"
    if not is_cache(root):
        _refuse_many(root)
        return root
    named = root / "refs" / "main"
    if named.is_file():
        name = named.read_text(encoding="utf-8", errors="replace").strip()
        if not (re.fullmatch(r"[0-9a-f]{7,64}", name) and (folder / name).is_dir()):
            raise LetheError(f"{named}: names {shown(repr(name))}, which is not among the snapshots; fetch the model again")
        return folder / name
    found = sorted(path.name for path in folder.iterdir() if path.is_dir())
    if len(found) != 1:
        raise LetheError(f"{root}: has {len(found)} snapshots; give the folder of one: {', '.join(found[:3]) or 'none is there, fetch it'}")
    return folder / found[0]


def _refuse_many(root: Path) -> None:
    """Raise ``LetheError`` for the folder above the models of a Hugging Face cache."""
    models = sorted(path.name for path in root.iterdir() if path.name.startswith("models--") and path.is_dir())
    if models:
        raise LetheError(f"{root}: is a cache of models ({len(models)}); give the folder of one, such as {shown(models[0])}")


def refuse_adapters(root: Path) -> None:
    """Raise ``LetheError`` if a folder without a model holds an adapter, which the name of a pickle tells as well."""
    files = sorted(path.name for path in root.iterdir() if path.is_file())
    tensors = (read_header(root / name).tensors for name in files if name.endswith(".safetensors"))
    if (root / "adapter_config.json").is_file() or _is_adapter(files) or any(map(_is_adapter, tensors)):
        raise LetheError(f"{root}: holds {_ADAPTED}")


def refuse_pickle(path: Path) -> None:
    """Raise ``LetheError`` for a single file that may run code when it is loaded."""
    cure = f"this is {_ADAPTED}" if _is_adapter([path.name]) else "save the model again as safetensors"
    raise LetheError(f"{path}: pickles can run code and are not opened; {cure}")


def refuse_averages(header: Header) -> None:
    """Raise ``LetheError`` if a file holds its weights a second time, averaged over training, where they would survive a cut or a fill."""
    if any(name.startswith("model_ema.") and name.endswith("ffnet2weight") for name in header.tensors):
        what = "holds its weights twice, once averaged (model_ema), so that a change of one would leave the other as it is"
        raise LetheError(f"{header.path}: {what}; give a file with one of them")


def why_none(headers: Mapping[str, Header]) -> str:
    """Return what a file without the wanted layers seems to be, with the cure."""
    names = [name for header in headers.values() for name in header.tensors]
    if _is_adapter(names):
        return f"this is {_ADAPTED}"
    for ending, what in _OTHERS.items():
        if any(name.endswith(ending) for name in names):
            return f"this has {what}; load it with diffusers (from_single_file, unfuse_qkv_projections) and save it with save_pretrained"
    return "this is no denoiser with feed-forward blocks as diffusers names them"


_ADAPTED = (
    "an adapter (LoRA, LyCORIS, OFT), which is no model; fuse it into its pipeline (fuse_lora), save that (save_pretrained), and give it"
)


def _is_adapter(names: Iterable[str]) -> bool:
    return any(_ADAPTER.search(name) for name in names)
