"""An image classifier in a local folder, as the judge of what a pipeline's samples show."""

from __future__ import annotations

from difflib import get_close_matches
from importlib.util import find_spec
from pathlib import Path
from typing import TYPE_CHECKING, Any

from simulator.checkpoints.finite import check_file
from simulator.checkpoints.folder import PICKLES, read_json
from simulator.checkpoints.parts import check_settings, check_whole
from simulator.checkpoints.places import shown, stays
from simulator.checkpoints.prompts import silence
from simulator.checkpoints.tensors import read_header
from simulator.errors import LetheError

if TYPE_CHECKING:
    import numpy as np
    import numpy.typing as npt
    import torch

_LISTED = 20
"""Largest number of labels in a message."""
_CLASSIFIER = "the folder of an image classifier of transformers, as save_pretrained writes it"


class Classifier:
    """An image classifier of transformers and its image processor.

    Parameters
    ----------
    root : Path
        Folder with ``config.json``, ``preprocessor_config.json`` and weights in safetensors.
    label : str
        The label, one of the classifier's own, that means that an image shows the concept.

    Raises
    ------
    LetheError
        If the folder holds no such classifier, asks for code of its own, or the classifier has no such label.
    """

    def __init__(self, root: Path, label: str) -> None:
        _check(root)
        self.root, self.label = root, label
        self._numbers = _numbers(root, label)
        self._model: Any = None
        self._processor: Any = None

    def load(self, device: torch.device) -> None:
        """Load model and processor, and try them on a blank image; ``LetheError`` if transformers cannot."""
        import numpy as np
        from transformers import AutoImageProcessor, AutoModelForImageClassification

        silence()
        how: dict[str, Any] = {"local_files_only": True, "trust_remote_code": False}
        read: Any = AutoImageProcessor.from_pretrained  # not typed
        try:
            self._processor = read(self.root, backend="pil", **how)
            how |= {"use_safetensors": True, "output_loading_info": True}
            model, found = AutoModelForImageClassification.from_pretrained(self.root, **how)
            check_whole(f"--classifier {self.root}", found["missing_keys"])
            self._model = model.eval().to(device)
            self.shows(np.zeros((8, 8, 3), dtype=np.uint8))
        except LetheError:
            raise
        except Exception as error:  # foreign settings may make the library raise anything
            what = shown(" ".join(str(error).split()) or type(error).__name__)
            raise LetheError(f"--classifier {self.root}: transformers cannot use it ({what}); give {_CLASSIFIER}") from None

    def shows(self, image: npt.NDArray[np.uint8]) -> bool:
        """Return whether the label is the likeliest for an image ``(height, width, 3)``, 0 .. 255."""
        import torch

        inputs = self._processor(images=[image], return_tensors="pt")
        with torch.no_grad():
            logits = self._model(inputs["pixel_values"].to(self._model.device)).logits[0]
        return int(logits.argmax()) in self._numbers


def _check(root: Path) -> None:
    """Raise ``LetheError`` unless the folder holds finite weights as safetensors, and settings without code."""
    if find_spec("transformers") is None:
        raise LetheError("classifiers need the library transformers, which is missing: pip install 'lethe-federated[checkpoints]'")
    for name in ("config.json", "preprocessor_config.json"):
        if not (root / name).is_file():
            raise LetheError(f"--classifier {root}: has no {name}; give {_CLASSIFIER}")
        path = stays(root.resolve(), root.resolve() / name)
        check_settings(path, read_json(path), bounded=True)
    weights = sorted(root.resolve().glob("*.safetensors"))
    if not weights:
        pickles = any(path.suffix in PICKLES for path in root.iterdir())
        has = "holds pickles alone, which are not opened" if pickles else "holds no weights"
        raise LetheError(f"--classifier {root}: {has}; save it again with save_pretrained (safetensors)")
    for path in weights:
        check_file(read_header(stays(root.resolve(), path)), lambda _: None)


def _numbers(root: Path, label: str) -> set[int]:
    """Return the classes of a label, which several may share; ``LetheError`` lists the labels if it is not among them."""
    table = read_json(root / "config.json").get("id2label")
    classes = [(str(name), int(key)) for key, name in table.items() if str(key).isdecimal()] if isinstance(table, dict) else []
    labels = list(dict.fromkeys(name for name, _ in classes))
    if not labels:
        raise LetheError(f"--classifier {root}: names no labels (id2label in config.json); give a classifier that does")
    if label not in labels:
        close = get_close_matches(label, labels, n=3, cutoff=0.4)
        listed = [*close, *(name for name in labels if name not in close)][:_LISTED]
        more = f" and {len(labels) - len(listed)} more" if len(labels) > len(listed) else ""
        known = f"{', '.join(shown(repr(name) if ',' in name else name) for name in listed)}{more}"
        raise LetheError(f"--label {label!r}: is none of the labels of {root}; choose with --label among: {known}")
    return {number for name, number in classes if name == label}
