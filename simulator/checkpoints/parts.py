"""Checks of a pipeline's parts: no custom code, no model larger than its weights, and none that lacks some of them."""

from __future__ import annotations

import math
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

from simulator.checkpoints.folder import Checkpoint, Layer, read_json
from simulator.checkpoints.places import shown, stays
from simulator.checkpoints.tensors import read_header
from simulator.errors import LetheError

if TYPE_CHECKING:
    import torch
    from torch import nn

_CODE = ("auto_map", "custom_pipelines", "quantization_config", "trust_remote_code")
"""Keys by which settings request custom code, or a library that unpacks weights."""
_LAYERS = 1000
_NUMBER = 10_000_000
"""Largest number of layers, and largest other number in the settings of models and schedulers."""
_MARGIN = 2.0
"""Largest ratio of a model's values to its stored values; above 1 because tied weights are stored once."""
_SMALL = 1_000_000


def check_parts(checkpoint: Checkpoint) -> None:
    """Raise ``LetheError`` if the settings of a part request custom code, or a model larger than its files."""
    index = read_json(checkpoint.root / "model_index.json")
    for name in checkpoint.components:
        folder = checkpoint.root / name
        for path in sorted(folder.glob("*config.json")):
            check_settings(path, read_json(stays(checkpoint.root, path)), path.name != "tokenizer_config.json")
        if (folder / "config.json").is_file():
            _check_size(checkpoint, folder, *index[name])


def check_names(layers: Iterable[Layer], running: Iterable[str]) -> None:
    """Raise ``LetheError`` if the file and the loaded model, ``running``, have different layers."""
    different = sorted({layer.name for layer in layers} ^ set(running))
    if different:
        raise LetheError(f"layer {different[0]}: is not in both the file and the running model; save it again with save_pretrained")


def check_settings(path: Path, table: dict[str, Any], bounded: bool) -> None:
    """Raise ``LetheError`` if settings request custom code or, where they are ``bounded``, hold numbers beyond those of any model.

    Minus infinity is no size: schedulers say by it that nothing is clipped from below, as by their usual ``lambda_min_clipped``.
    """
    for key, value in _settings(table):
        if key in _CODE:
            raise LetheError(f"{path}: {key} asks for code that is not run here; save this part again with save_pretrained")
        limit = _LAYERS if "layers" in key else _NUMBER
        if bounded and isinstance(value, int | float) and abs(value) > limit and value != -math.inf:
            raise LetheError(f"{path}: {shown(key)} = {shown(value)} is beyond {limit}; fetch the file again")


def _settings(table: dict[str, Any]) -> Iterator[tuple[str, Any]]:
    """Yield every value with its key, at every level of nesting."""
    waiting: list[tuple[str, Any]] = list(table.items())
    while waiting:
        key, value = waiting.pop()
        yield key, value
        if isinstance(value, dict):
            waiting += value.items()
        elif isinstance(value, list):
            waiting += [(key, one) for one in value]


def _check_size(checkpoint: Checkpoint, folder: Path, library: str, kind: str) -> None:
    """Raise ``LetheError`` if a model would have far more values than its files; it is built on the meta device to count them."""
    own = folder == checkpoint.denoiser
    headers = checkpoint.headers.values() if own else [read_header(path) for path in sorted(folder.glob("*.safetensors"))]
    stored = sum(math.prod(entry.shape) for header in headers for entry in header.tensors.values())
    try:
        model = _without_memory(library, kind, folder)
    except Exception as error:  # foreign settings may make the libraries raise anything
        what = shown(" ".join(str(error).split()) or type(error).__name__)
        raise LetheError(f"{folder / 'config.json'}: {library} cannot build {kind} from it ({what}); fetch the file again") from None
    wanted = 0 if model is None else sum(value.numel() for value in model.state_dict().values())
    if wanted > _MARGIN * stored + _SMALL:
        what = f"describes a model of {wanted} values, its weights have {stored}"
        raise LetheError(f"{folder / 'config.json'}: {what}; fetch the whole folder again")


def load_models(checkpoint: Checkpoint, dtype: torch.dtype) -> dict[str, nn.Module]:
    """Return the pipeline's models by part; ``LetheError`` names a tensor that one wants and its files lack, which would be random."""
    index = read_json(checkpoint.root / "model_index.json")
    models: dict[str, nn.Module] = {}
    for name in checkpoint.components:
        made, folder = _class(*index[name]), checkpoint.root / name
        if made is None:
            continue
        how: dict[str, Any] = {"use_safetensors": True, "low_cpu_mem_usage": False, "local_files_only": True, "output_loading_info": True}
        if any(f".{checkpoint.variant}." in path.name for path in folder.iterdir()):
            how["variant"] = checkpoint.variant
        try:
            models[name], told = made.from_pretrained(folder, dtype=dtype, **how)
        except Exception as error:  # foreign settings may make the libraries raise anything
            raise LetheError(f"{folder}: {index[name][0]} cannot load it: {' '.join(str(error).split())[:300]}") from None
        check_whole(str(folder), told["missing_keys"])
    return models


def check_whole(place: str, missing: Iterable[str]) -> None:
    """Raise ``LetheError`` if tensors are missing, whose values a library would draw at random."""
    names = sorted(missing)
    if names:
        more = f" and {len(names) - 1} more" if len(names) > 1 else ""
        what = f"its weights lack {shown(names[0])}{more}, which the model in config.json wants"
        raise LetheError(f"{place}: {what}; fetch the whole folder again, or save it again with save_pretrained")


def _class(library: str, kind: str) -> Any:
    """Return the class of a part that is a model; None for any other part."""
    import diffusers
    import torch
    import transformers

    module = {"diffusers": diffusers, "transformers": transformers}.get(library) or getattr(diffusers.pipelines, library, None)
    made: Any = getattr(module, kind, None)
    return made if isinstance(made, type) and issubclass(made, torch.nn.Module) else None


def _without_memory(library: str, kind: str, folder: Path) -> nn.Module | None:
    """Return the model that the settings describe, on the meta device; None for a part that is not a model."""
    import torch
    from diffusers import ModelMixin

    made = _class(library, kind)
    if made is None:
        return None
    with torch.device("meta"):
        if issubclass(made, ModelMixin):
            model: nn.Module = made.from_config(made.load_config(folder))
        else:
            model = made(made.config_class.from_pretrained(folder))
    return model
