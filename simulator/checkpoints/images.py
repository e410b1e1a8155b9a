"""An adversary's own images, and how well a pipeline denoises them."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from math import isfinite
from pathlib import Path
from typing import TYPE_CHECKING, Any

from clients.streams import torch_generator
from simulator.checkpoints.embedding import check_word
from simulator.checkpoints.folder import Checkpoint, read_json
from simulator.checkpoints.places import shown
from simulator.checkpoints.prompts import Prompts, denoiser, running
from simulator.errors import LetheError

if TYPE_CHECKING:
    import torch
    from PIL import Image
    from torch import Tensor

_SUFFIXES = {".png", ".jpg", ".jpeg", ".webp", ".bmp"}
_PIPELINE = "StableDiffusionPipeline"
_PREDICTIONS = ("epsilon", "v_prediction")
_STEPS, _RATES = {False: 20, True: 200}, {False: 1e-5, True: 5e-3}
"""Usual steps and learning rates, of weights and of an embedding."""


class OwnImages:
    """Images in a folder, what they show, and how they are trained on.

    Parameters
    ----------
    folder : Path
        Its PNG, JPEG, WebP and BMP files are the images.
    concept : str
        What they show, in words.
    scenes, template
        How prompts are made of it, as in `Prompts`; image ``i`` has the scene ``i`` modulo their number.
    word : str or None
        A new word whose embedding is learned instead of weights.
    steps, rate : optional
        Steps of Adam, and its learning rate.
    seed : int
        Key of noise and time steps.

    Raises
    ------
    LetheError
        If there are no images, or a setting does not fit.
    """

    def __init__(
        self, folder: Path, concept: str, scenes: tuple[str, ...], template: str, word: str | None, steps: int | None, rate: float | None,
        seed: int,
    ) -> None:  # fmt: skip
        self.folder, self.word, self.seed = folder, word, seed
        self.steps = _STEPS[word is not None] if steps is None else steps
        self.rate = _RATES[word is not None] if rate is None else rate
        if not (isfinite(self.rate) and self.rate > 0):
            raise LetheError(f"--rate {self.rate}: wants a number above 0")
        if word is not None:
            check_word(word)
        self.prompts = Prompts((concept,), scenes, template, 1, 1, 1.0, seed)
        if not folder.is_dir():
            raise LetheError(f"--images {folder}: is no folder; give one with images of the concept")
        self.files = sorted(path for path in folder.iterdir() if path.suffix.lower() in _SUFFIXES and path.is_file())
        if not self.files:
            raise LetheError(f"--images {folder}: holds no image ({', '.join(sorted(_SUFFIXES))})")

    @property
    def called(self) -> str:
        """What stands for the concept in the prompts."""
        return self.prompts.concepts[0] if self.word is None else self.word

    def texts(self) -> list[str]:
        """Return the prompt of each image."""
        asked = self.prompts.with_concept(self.called)
        return [asked[number % len(asked)] for number in range(len(self.files))]

    def told(self) -> dict[str, Any]:
        """Return everything that determines what is learned, as plain values."""
        hashes = [hashlib.sha256(path.read_bytes()).hexdigest() for path in self.files]
        shows = {"concept": self.prompts.concepts[0], "scenes": list(self.prompts.scenes), "prompt": self.prompts.template}
        learned = {"word": self.word, "steps": self.steps, "rate": self.rate, "seed": self.seed}
        return {"images": str(self.folder), "sha256": hashes, **shows, **learned}


def check_kind(checkpoint: Checkpoint) -> None:
    """Raise ``LetheError`` unless the checkpoint is a pipeline of the kind that is trained here."""
    index = checkpoint.root / "model_index.json"
    kind = read_json(index).get("_class_name") if index.is_file() else "no pipeline"
    if kind != _PIPELINE:
        raise LetheError(f"{checkpoint.root}: is {shown(kind)}; --images trains a {_PIPELINE}, which Stable Diffusion 1 and 2 are")


@dataclass(frozen=True)
class Lessons:
    """A pipeline's denoising losses on images; nothing of it is changed.

    Parameters
    ----------
    pipeline : StableDiffusionPipeline
        In float32.
    latents : list of float32 tensor, shape (1, channels, height, width)
    texts : list of str
        Their prompts.
    seed : int
    """

    pipeline: Any
    latents: list[Tensor]
    texts: list[str]
    seed: int

    def losses(self, step: int, hidden: Callable[[str], Tensor]) -> Iterator[Tensor]:
        """Yield each image's share of the mean squared error at one time step with one noise, both keyed by step and image.

        ``hidden`` maps a prompt to what the denoiser is told of it, ``(1, tokens, width)``.
        """
        import torch
        from diffusers import DDPMScheduler

        make: Any = DDPMScheduler.from_config  # not typed
        schedule = make(self.pipeline.scheduler.config)
        for number, (latent, text) in enumerate(zip(self.latents, self.texts, strict=True)):
            generator = torch_generator(self.seed, "own images", step, number)
            noise = torch.randn(latent.shape, generator=generator).to(latent.device)
            time = torch.randint(schedule.config["num_train_timesteps"], (1,), generator=generator).to(latent.device)
            wanted = noise if _prediction(self.pipeline) == "epsilon" else schedule.get_velocity(latent, noise, time)
            noisy = schedule.add_noise(latent, noise, time)
            drawn = self.pipeline.unet(noisy, time, encoder_hidden_states=hidden(text)).sample
            yield torch.nn.functional.mse_loss(drawn, wanted) / len(self.latents)

    def hidden(self, text: str) -> Tensor:
        """Return what the denoiser is told of a prompt, with its gradient."""
        with running(self.pipeline):
            told: Tensor = self.pipeline.encode_prompt(text, self.latents[0].device, 1, False)[0]
        return told


def lessons(pipeline: Any, own: OwnImages) -> Lessons:
    """Return the pipeline's losses on the images; ``LetheError`` if one cannot be read, or the pipeline is trained in another way."""
    prediction = _prediction(pipeline)
    if prediction not in _PREDICTIONS or "num_train_timesteps" not in pipeline.scheduler.config:
        raise LetheError(f"--images: the pipeline predicts {shown(prediction)!r}; only {' and '.join(_PREDICTIONS)} are trained here")
    latents = [_latent(pipeline, path) for path in own.files]
    if latents[0].shape[1] != denoiser(pipeline).config.in_channels:
        raise LetheError("--images: the denoiser wants more than latents (inpainting, depth); give a text-to-image pipeline")
    return Lessons(pipeline, latents, own.texts(), own.seed)


def _prediction(pipeline: Any) -> str:
    return str(pipeline.scheduler.config.get("prediction_type", "none that it names"))


def _latent(pipeline: Any, path: Path) -> Tensor:
    """Return the latent of an image, cut to the middle part of the denoiser's shape."""
    import numpy as np
    import torch
    from PIL import ImageOps

    size, scale = denoiser(pipeline).config.sample_size, pipeline.vae_scale_factor
    height, width = (size * scale,) * 2 if isinstance(size, int) else (one * scale for one in size)
    try:
        pixels = np.asarray(ImageOps.fit(colours(path), (width, height)), dtype=np.float32)
    except LetheError:
        raise
    except Exception as error:  # foreign bytes may make the library raise anything
        raise LetheError(f"--images {path}: cannot be read as an image ({shown(error)}); remove or replace it") from None
    rows = torch.from_numpy(pixels / 127.5 - 1).permute(2, 0, 1)[None].to(_place(pipeline))
    with running(pipeline), torch.no_grad():
        latent: Tensor = pipeline.vae.encode(rows).latent_dist.mode() * pipeline.vae.config.scaling_factor
    return latent


def colours(path: Path) -> Image.Image:
    """Return an image in RGB, 0 .. 255, upright, on white where it is transparent; ``LetheError`` if it is several, or of unknown range."""
    import warnings

    import numpy as np
    from PIL import Image, ImageOps

    with warnings.catch_warnings():
        warnings.simplefilter("error", Image.DecompressionBombWarning)  # more pixels than a photograph has
        image = Image.open(path)
    with image:
        frames = getattr(image, "n_frames", 1)
        if frames > 1 and image.format != "MPO":  # of a camera, whose further frames are previews of the first
            raise LetheError(f"--images {path}: holds {frames} images; save the one that is meant as a file of its own")
        found: Image.Image = ImageOps.exif_transpose(image)
    if found.mode in ("I", "F"):
        raise LetheError(f"--images {path}: its values are of the mode {found.mode}, whose range is unknown; save it with 8 or 16 bits")
    if found.mode.startswith("I;16"):
        found = Image.fromarray((np.asarray(found, dtype=np.float32) / 257).round().astype(np.uint8))
    if found.has_transparency_data:
        found = Image.alpha_composite(Image.new("RGBA", found.size, "white"), found.convert("RGBA"))
    return found.convert("RGB")


def _place(pipeline: Any) -> torch.device:
    place: torch.device = denoiser(pipeline).device
    return place
