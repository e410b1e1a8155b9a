"""Adversaries who leave every weight as it was released: they learn an embedding, or name the concept."""

from __future__ import annotations

from typing import TYPE_CHECKING, ClassVar, Literal

from pydantic import PositiveFloat, PositiveInt

from clients.iterations import Iterations
from server.revival.adversaries import AdversarySpec

if TYPE_CHECKING:
    from server.revival.knowledge import Revived, WeightsOnly


class Invert(AdversarySpec):
    """Learns what stands for the concept in the condition, on images of its own: public ones, which no peer has.

    Parameters
    ----------
    steps : int
        Steps of Adam.
    images : int
        Most images of the concept that it has.
    lr : float
        Learning rate.
    """

    knowledge: ClassVar[str] = "OwnEmbedding"
    summary: ClassVar[str] = "learns the concept's embedding on a few images of its own, and no weight"
    guesses: ClassVar[bool] = False
    kind: Literal["invert"] = "invert"
    steps: Iterations = 200
    images: PositiveInt = 8
    lr: PositiveFloat = 0.02

    def act(self, known: WeightsOnly) -> Revived:
        """Learn the embedding."""
        from server.revival.knowledge import OwnEmbedding, unplaced

        assert isinstance(known, OwnEmbedding)
        said = f"an embedding learned in {self.steps} steps on {known.images} images of its own"
        return unplaced(known.weights, said, embedding=known.learn(self.steps, self.lr))


class Name(AdversarySpec):
    """Samples every concept from the released model, and names the one whose neurons were edited.

    Parameters
    ----------
    calls : int
        First sampler calls whose activations it records, at most those that the sampler makes.
    """

    knowledge: ClassVar[str] = "WithActivity"
    summary: ClassVar[str] = "names the erased concept from its scar, and revives nothing"
    guesses: ClassVar[bool] = False
    kind: Literal["name"] = "name"
    calls: PositiveInt = 8

    def act(self, known: WeightsOnly) -> Revived:
        """Order the concepts by how well their neurons match the scar."""
        from server.revival.knowledge import WithActivity, unplaced
        from server.revival.naming import likeness

        assert isinstance(known, WithActivity)
        found = likeness(known)
        suspects = tuple(sorted(range(len(found)), key=found.__getitem__, reverse=True))
        told = ", ".join(f"{found[one]:.2f}" for one in suspects[:2])
        return unplaced(known.weights, f"likeness to the scar of the first two suspects: {told}", suspects=suspects)
