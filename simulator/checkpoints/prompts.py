"""A text-to-image pipeline as the subject of concept pruning: it samples from prompts and records its denoiser's first calls."""

from __future__ import annotations

import inspect
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from functools import partial
from importlib.util import find_spec
from math import isfinite
from typing import TYPE_CHECKING, Any, NoReturn

from clients.diffusion.sampling import start_noise
from clients.streams import Field, torch_generator
from clients.unlearning.contract import UnlearningError
from clients.unlearning.pruning.contract import Rows, Subject
from clients.unlearning.pruning.recorder import Activity, Halves, record
from simulator.checkpoints.folder import DENOISERS, PICKLES, Checkpoint, read_json
from simulator.checkpoints.parts import check_parts, load_models
from simulator.errors import LetheError, StoppedError

if TYPE_CHECKING:
    import torch
    from torch import Tensor

_WANTED = {"text_encoder", "tokenizer", "scheduler", "vae"}


@dataclass(frozen=True)
class Prompts:
    """Prompts for the pipeline: scenes with and without each concept, each ``samples`` times.

    Parameters
    ----------
    concepts : tuple of str
        What the prompts ask for, such as ``"a golf ball"``.
    scenes : tuple of str
        Base prompts, such as ``"a room"``.
    template : str
        The concept's prompt; ``{concept}`` and ``{base}`` are replaced.
    samples, steps : int
        Images per scene, and sampler steps of each (most of which are never taken).
    guidance : float
        If above 1, each call has an unconditional half first.
    seed : int
        Key of the start noise.
    """

    concepts: tuple[str, ...]
    scenes: tuple[str, ...]
    template: str
    samples: int
    steps: int
    guidance: float
    seed: int

    def __post_init__(self) -> None:
        if not isfinite(self.guidance):
            raise LetheError(f"--guidance {self.guidance}: is no finite number; give 0 or more")
        if not all(concept.strip() for concept in self.concepts):
            raise LetheError("--concept: is empty; name what to erase, for example --concept 'golf ball'")
        if len(set(self.concepts)) < len(self.concepts):
            raise LetheError(f"--concept: {', '.join(self.concepts)} names one twice; name each once")
        if not all(scene.strip() for scene in self.scenes):
            raise LetheError("--base: is empty; name a scene without the concept, for example --base 'a room'")
        if "{concept}" not in self.template:
            raise LetheError(f"--prompt {self.template!r}: names no concept; write {{concept}} where it belongs")

    def with_concept(self, concept: str) -> list[str]:
        """Return the prompts that ask for a concept, one per sampler run."""
        return [self.template.replace("{concept}", concept).replace("{base}", scene) for scene in self.without()]

    def without(self) -> list[str]:
        """Return the prompts without any concept, one per sampler run."""
        return [scene for scene in self.scenes for _ in range(self.samples)]


class PromptSubject(Subject):
    """A pipeline and one pair of prompts, sampled from the same start noise.

    Parameters
    ----------
    pipeline : diffusers pipeline
    prompts : Prompts
    concept : str
    index : int
        Number of the sampler run, whose start noise all concepts share.
    """

    def __init__(self, pipeline: Any, prompts: Prompts, concept: str, index: int) -> None:
        self.pipeline, self.prompts, self.index = pipeline, prompts, index
        self.module: Any = denoiser(pipeline)
        self.guided = prompts.guidance > 1
        self.target, self.concepts = concept, prompts.concepts
        self.texts = {"target": prompts.with_concept(concept)[index], "base": prompts.without()[index]}

    def samples(self, conditions: str) -> int:
        """Return 1, as a run samples one image."""
        return 1

    def runs(self, conditions: str) -> Iterator[Callable[[], object]]:
        """Yield the sampler run for ``"target"`` or ``"base"``; the image is never decoded."""
        noise = noises(self.pipeline, self.index, ("prune", self.prompts.seed))
        how = {"num_inference_steps": self.prompts.steps, "guidance_scale": self.prompts.guidance, "output_type": "latent"}
        yield partial(self.pipeline, prompt=[self.texts[conditions]], **noise, **how)

    def loss(self, rows: Rows, step: int, batch_size: int) -> Tensor:
        """Raise ``LetheError``, because a released checkpoint has no images."""
        self._no_images()

    def redirection(self, step: int, batch_size: int) -> Tensor:
        """Raise ``LetheError``, because a released checkpoint has no images."""
        self._no_images()

    def _no_images(self) -> NoReturn:
        raise LetheError("a checkpoint comes without images; only erasers that need none can be used on it")

    def describe(self) -> dict[str, Any]:
        """Return the prompts, the number of the start noise, and the seed."""
        return {**self.texts, "index": self.index, "seed": self.prompts.seed}


def recorded(subject: PromptSubject, which: str, calls: int, halves: Halves) -> Activity:
    """Return what `record` hears of a subject; ``LetheError`` if the pipeline cannot be listened to so."""
    try:
        with running(subject.pipeline):
            return record(subject, which, calls, halves)
    except UnlearningError as error:
        raise LetheError(str(error)) from None


@contextmanager
def running(pipeline: Any) -> Iterator[None]:
    """Raise ``LetheError`` for whatever the libraries raise while the pipeline runs, as foreign settings may make them raise anything.

    A lack of memory is no fault of the settings, and may pass: ``StoppedError``.
    """
    import torch

    try:
        yield
    except (LetheError, UnlearningError):
        raise
    except (torch.OutOfMemoryError, MemoryError) as error:
        what = " ".join(str(error).split())[:200] or type(error).__name__
        raise StoppedError(f"{type(pipeline).__name__}: no memory is left ({what}); free some and give the command again") from None
    except Exception as error:
        what = f"{type(error).__name__}: {' '.join(str(error).split())[:200]}"
        cure = "lower --steps, mend the settings of its scheduler, tokenizer or vae, or fetch it again"
        raise LetheError(f"{type(pipeline).__name__}: cannot run as it is set ({what}); {cure}") from None


def denoiser(pipeline: Any) -> Any:
    """Return a pipeline's UNet or transformer."""
    return next(part for name in DENOISERS if (part := getattr(pipeline, name, None)) is not None)


def noises(pipeline: Any, index: int, key: tuple[Field, ...]) -> dict[str, Any]:
    """Return all noise of a sample as arguments of the pipeline: that of the start, and the generator of what its steps add, if they do."""
    return {"latents": start_latents(pipeline, index, key), "generator": torch_generator(*key, "steps", index)}


def start_latents(pipeline: Any, index: int, key: tuple[Field, ...]) -> Tensor:
    """Return the start noise of a sample, ``(1, channels, height, width)``, of the denoiser's dtype and on its device."""
    module = denoiser(pipeline)
    size = module.config.sample_size
    shape = (module.config.in_channels, *((size, size) if isinstance(size, int) else size))
    noise = start_noise(shape, [index], key)
    return noise.to(device=module.device, dtype=module.dtype)


def load_pipeline(checkpoint: Checkpoint, prompts: Prompts, device: torch.device) -> Any:
    """Return the pipeline on the device, in float32 on a CPU; ``LetheError`` if it cannot process the prompts."""
    import torch

    check_complete(checkpoint)
    check_parts(checkpoint)
    if find_spec("transformers") is None:
        raise LetheError("prompts are read with the library transformers, which is missing: pip install 'lethe-federated[checkpoints]'")
    from diffusers import DiffusionPipeline

    silence()
    halves = {"F16": torch.float16, "BF16": torch.bfloat16}
    dtype = halves.get(checkpoint.layers[0].dtype, torch.float32) if device.type == "cuda" else torch.float32
    variant = None if checkpoint.variant == "plain" else checkpoint.variant
    how = {"use_safetensors": True, "low_cpu_mem_usage": False, "local_files_only": True, "trust_remote_code": False}
    absent = [name for name, entry in read_json(checkpoint.root / "model_index.json").items() if entry == [None, None]]
    models = load_models(checkpoint, dtype)
    try:
        load: Any = DiffusionPipeline.from_pretrained  # not typed
        pipeline = load(checkpoint.root, variant=variant, dtype=dtype, **how, **models, **dict.fromkeys(absent))
    except Exception as error:  # foreign settings may make the libraries raise anything
        raise LetheError(f"{checkpoint.root}: diffusers cannot load it: {' '.join(str(error).split())[:300]}") from None
    if not {"prompt", "latents", "generator", "output_type"} <= set(inspect.signature(pipeline.__call__).parameters):
        kind = type(pipeline).__name__
        raise LetheError(f"{checkpoint.root}: {kind} makes no images from prompts and start noise; give a text-to-image pipeline")
    if getattr(denoiser(pipeline).config, "sample_size", None) is None:
        kind = type(denoiser(pipeline)).__name__
        what = f"{kind} does not say how large its samples are, so that none can be drawn; scan, revive and seal work on it"
        raise LetheError(f"{checkpoint.root}: {what}")
    _check_words(pipeline.tokenizer, prompts)
    pipeline.set_progress_bar_config(disable=True)
    return pipeline.to(device)


def silence() -> None:
    """Let the libraries that load pipelines and classifiers print neither reports nor progress."""
    from diffusers.utils import logging
    from transformers.utils import logging as transformers_logging

    for library in (logging, transformers_logging):
        library.set_verbosity_error()
        library.disable_progress_bar()


def check_complete(checkpoint: Checkpoint) -> None:
    """Raise ``LetheError`` if parts needed for prompts are missing, or exist as pickles only."""
    if checkpoint.alone:
        cure = "load it with diffusers (from_single_file), save it as a folder (save_pretrained), and give that"
        raise LetheError(f"{checkpoint.root}: is a single file, from which no pipeline is built here; {cure}")
    if not checkpoint.components:
        what = "is a denoiser alone, which reads no text; prompts need the whole pipeline"
        raise LetheError(f"{checkpoint.root}: {what} (model_index.json, {', '.join(sorted(_WANTED))}, and unet or transformer)")
    missing = sorted(_WANTED - set(checkpoint.components))
    if missing:
        raise LetheError(f"{checkpoint.root}: has no folder {missing[0]}; prompts need {', '.join(sorted(_WANTED))}")
    for name in checkpoint.components:
        folder = checkpoint.root / name
        pickles = sorted(path for path in folder.iterdir() if path.suffix in PICKLES)
        if pickles and not any(folder.glob("*.safetensors")):
            raise LetheError(f"{pickles[0]}: is a pickle and is not opened; save this part again with save_pretrained (safetensors)")


def _check_words(tokenizer: Any, prompts: Prompts) -> None:
    """Raise ``LetheError`` if the tokenizer does not know the concept, or truncates it."""
    for concept in prompts.concepts:
        own = tokenizer(concept, add_special_tokens=False).input_ids
        if all(token == tokenizer.unk_token_id for token in own):
            raise LetheError(f"--concept {concept!r}: the pipeline's tokenizer knows none of it; use words of its language")
        for pair in zip(prompts.with_concept(concept), prompts.without(), strict=True):
            with_concept, without = (tokenizer(text, truncation=True, max_length=tokenizer.model_max_length).input_ids for text in pair)
            if with_concept == without:
                raise LetheError(f"--base {pair[1]!r}: reads the same with the concept and without; shorten it, or leave {concept!r} out")
