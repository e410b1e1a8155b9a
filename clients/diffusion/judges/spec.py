"""Judges, the classifiers of samples, by ``kind``. This module imports nothing heavy."""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Mapping
from typing import TYPE_CHECKING, Annotated, ClassVar, Literal

from pydantic import Field, PositiveFloat, PositiveInt

from clients.compute import Compute
from clients.diffusion.spec import Axis, Style
from clients.iterations import Iterations
from clients.spec import Registry, Spec, located

if TYPE_CHECKING:
    from clients.diffusion.images import Images
    from clients.diffusion.judges.svm import Judge

MOST = 4000
"""Most images that a judge learns from if its training time grows with their square."""

POOR = 0.8
"""Held-out accuracy below which a judge is unreliable."""


class JudgeSpec(Spec):
    """Base class of a judge in scenarios."""

    summary: ClassVar[str]
    """One line for listings."""

    @abstractmethod
    def learned(
        self,
        images: Images,
        *,
        styles: tuple[Style, ...] = (),
        axis: Axis = "class",
        most: int = MOST,
        compute: Compute | None = None,
    ) -> Judge:
        """Return a judge trained on the images.

        Parameters
        ----------
        images : Images
            Unstyled images, some of each class.
        styles : tuple of str
            Styles in which every image is learned and judged.
        axis : {"class", "style"}
            Whether it predicts classes or styles.
        most : int
            Most images, counted once per style, for a judge whose training time grows with their square.
        compute : Compute, optional
            Where a judge that needs it learns and predicts; default: the CPU.
        """


class Svm(JudgeSpec):
    """A support vector machine with a radial kernel on the pixels: exact for digits, poor for photographs.

    Parameters
    ----------
    gamma : float, optional
        Width of the kernel on pixels scaled to 0..16; default: 0.001 for images of 8 x 8, otherwise by the variance of the pixels.
    C : float
        Cost of errors.
    """

    summary: ClassVar[str] = "support vector machine on the pixels, for digits"
    kind: Literal["svm"] = "svm"
    gamma: PositiveFloat | None = None
    C: PositiveFloat = 10.0

    def learned(
        self,
        images: Images,
        *,
        styles: tuple[Style, ...] = (),
        axis: Axis = "class",
        most: int = MOST,
        compute: Compute | None = None,
    ) -> Judge:
        """Return the support vector machine, on the CPU; of more than ``most`` images, a keyed sample is used."""
        import torch

        from clients.diffusion.judges.svm import SvmJudge
        from clients.streams import bottom

        most //= max(1, len(styles))
        if len(images) > most:
            images = images.select(torch.tensor(sorted(bottom(most, range(len(images)), "judge"))))
        usual = 0.001 if images.pixels.shape[-1] == 8 else "scale"
        return SvmJudge(images, gamma=usual if self.gamma is None else self.gamma, C=self.C, styles=styles, axis=axis)


class Cnn(JudgeSpec):
    """A small convolutional network, for photographs; trained once and kept in the cache of trained models.

    Parameters
    ----------
    widths : tuple of int
        Channels of each stage; the image is halved after every stage until its side is 4.
    steps : int
        Gradient steps.
    batch_size : int
        Images a gradient step.
    lr : float
        Highest learning rate; it rises for a fifth of the steps and then falls to zero.
    held_out : float
        Share of each class that is not learned from, which measures the accuracy.
    """

    summary: ClassVar[str] = "small convolutional network, for photographs"
    kind: Literal["cnn"] = "cnn"
    widths: Annotated[tuple[PositiveInt, ...], Field(min_length=1)] = (24, 48, 96, 192)
    steps: Iterations = 2000
    batch_size: PositiveInt = 64
    lr: PositiveFloat = 0.1
    held_out: Annotated[float, Field(gt=0, lt=1)] = 0.15

    def learned(
        self,
        images: Images,
        *,
        styles: tuple[Style, ...] = (),
        axis: Axis = "class",
        most: int = MOST,
        compute: Compute | None = None,
    ) -> Judge:
        """Return the network, which learns from all images whatever ``most`` says."""
        build = located("clients.diffusion.judges.cnn:CnnJudge")
        judge: Judge = build(images, self, styles=styles, axis=axis, compute=compute or Compute())
        return judge


JUDGES: Registry[JudgeSpec] = Registry(
    "lethe.judges",
    "clients.diffusion.judges.spec:JudgeSpec",
    {
        "cnn": "clients.diffusion.judges.spec:Cnn",
        "svm": "clients.diffusion.judges.spec:Svm",
    },
)


def told(judges: Mapping[Axis, Judge]) -> dict[str, float]:
    """Return each judge's accuracy on held-out real images (``held_out_accuracy``, ``style_held_out_accuracy``) and their number (``n``).

    The number is left out where a judge does not tell it.
    """
    found: dict[str, float] = {}
    for axis, judge in judges.items():
        prefix = "" if axis == "class" else f"{axis}_"
        found[f"{prefix}held_out_accuracy"] = judge.accuracy
        if (count := getattr(judge, "held_out", 0)) > 0:
            found[f"{prefix}n"] = count
    return found


def doubt(accuracy: float) -> str | None:
    """Return a one-line warning about a judge that is often wrong, or None."""
    if accuracy >= POOR:
        return None
    return f"the judge names {accuracy:.0%} of held-out real images rightly, less than {POOR:.0%}: its verdicts on samples say little"
