"""The adversaries by ``kind``: the knowledge that each needs, and its attack."""

from __future__ import annotations

from abc import abstractmethod
from typing import TYPE_CHECKING, Annotated, ClassVar, Literal

from pydantic import Field, PositiveFloat, PositiveInt

from clients.iterations import Iterations
from clients.spec import Registry, Spec
from server.revival.attack import Revival, revive

if TYPE_CHECKING:
    from server.revival.knowledge import Revived, WeightsOnly


HOLDS = {
    "WeightsOnly": "weights only",
    "WithDensity": "weights, density",
    "Adaptive": "weights, density, defence",
    "WithMask": "weights, mask",
    "WithShares": "weights, mask, shares",
    "History": "weights, history of aggregates",
    "UnprunedClient": "weights, one unpruned client's update",
    "OwnImages": "weights, own images",
    "OtherImages": "weights, own images of other concepts",
    "OwnEmbedding": "weights, own images",
    "OwnReleases": "weights, releases of its own",
    "WithActivity": "weights, list of concepts",
}
"""Description of each kind of knowledge, for reports."""


class AdversarySpec(Spec):
    """Base class of adversaries in scenarios.

    ``knowledge`` names the class in ``server.revival.knowledge`` that the adversary is given; it has access to nothing else.
    """

    knowledge: ClassVar[str]
    summary: ClassVar[str]
    """One line for ``lethe methods``."""
    completes: ClassVar[bool] = False
    """Whether the adversary completes matrices."""
    guesses: ClassVar[bool] = True
    """Whether the adversary locates the cut and guesses the entries."""

    @classmethod
    def knows(cls) -> str:
        """Describe the adversary's knowledge, for reports."""
        return HOLDS.get(cls.knowledge, cls.knowledge)

    def attack(self, known: WeightsOnly) -> Revived:
        """Return the attack's result; ``TypeError`` if the knowledge is not exactly of the class that the adversary declares."""
        from server.revival import knowledge

        if type(known) is not getattr(knowledge, self.knowledge):
            raise TypeError(f"adversary {self.__class__.__name__} attacks with {self.knowledge}, not with {type(known).__name__}")
        return self.act(known)

    @abstractmethod
    def act(self, known: WeightsOnly) -> Revived:
        """Carry out the attack."""


class _Completing(AdversarySpec):
    """An adversary that completes matrices.

    Parameters
    ----------
    revival : table
        Settings of the attack by completion.
    """

    completes: ClassVar[bool] = True
    revival: Revival = Revival()

    def act(self, known: WeightsOnly) -> Revived:
        """Locate the cut from what is known, complete, retain, scale."""
        return revive(known, self.revival)


class ZeroScan(_Completing):
    """Assumes that exact zeros, or what the location rule finds, are the cut."""

    knowledge: ClassVar[str] = "WeightsOnly"
    summary: ClassVar[str] = "finds zeros in released weights and completes them"
    kind: Literal["zero_scan"] = "zero_scan"


class Repruner(_Completing):
    """Knows how much was cut, and assumes that the smallest entries are the cut."""

    knowledge: ClassVar[str] = "WithDensity"
    summary: ClassVar[str] = "cuts the smallest entries again and completes them"
    kind: Literal["repruner"] = "repruner"


class AdaptiveRepruner(_Completing):
    """Also knows the noise level of the fill, and takes the largest entries instead if the fill exceeds the rest."""

    knowledge: ClassVar[str] = "Adaptive"
    summary: ClassVar[str] = "as the repruner, from the side where the fill lies"
    kind: Literal["adaptive"] = "adaptive"


class MaskOracle(_Completing):
    """Knows the mask."""

    knowledge: ClassVar[str] = "WithMask"
    summary: ClassVar[str] = "completes the places of a leaked mask"
    kind: Literal["mask_oracle"] = "mask_oracle"


class Undiluter(AdversarySpec):
    """Knows the mask and the share of clients that cut."""

    knowledge: ClassVar[str] = "WithShares"
    summary: ClassVar[str] = "scales diluted entries up again"
    kind: Literal["undiluter"] = "undiluter"

    def act(self, known: WeightsOnly) -> Revived:
        """Divide the cut entries by the share of clients that kept them."""
        from server.revival.history import undilute
        from server.revival.knowledge import WithShares

        assert isinstance(known, WithShares)
        return undilute(known)


class Historian(AdversarySpec):
    """Kept earlier releases; writes old values back where the cut shows, or everywhere.

    Parameters
    ----------
    jump : float
        An entry counts as cut that moved by more than so many robust standard deviations.
    whole : bool
        Take the old release everywhere.
    """

    knowledge: ClassVar[str] = "History"
    summary: ClassVar[str] = "restores what changed too much since an earlier release"
    kind: Literal["historian"] = "historian"
    jump: PositiveFloat = 8.0
    whole: bool = False

    def act(self, known: WeightsOnly) -> Revived:
        """Restore the entries that jumped, or (``whole``) the last earlier release."""
        from server.revival.history import rollback, subtract
        from server.revival.knowledge import History

        assert isinstance(known, History)
        return rollback(known) if self.whole else subtract(known, self.jump)


class Neighbour(AdversarySpec):
    """Holds the weights of a client that did not cut.

    Parameters
    ----------
    revival : table
        Settings of the attack by completion.
    """

    knowledge: ClassVar[str] = "UnprunedClient"
    summary: ClassVar[str] = "copies the cut entries from a client that kept them"
    kind: Literal["neighbour"] = "neighbour"
    revival: Revival = Revival()

    def act(self, known: WeightsOnly) -> Revived:
        """Copy the cut entries from that client."""
        from server.revival.history import copy_from_client
        from server.revival.knowledge import UnprunedClient

        assert isinstance(known, UnprunedClient)
        return copy_from_client(known, self.revival.location)


class Quantise(AdversarySpec):
    """Rounds every row to ``2**bits - 1`` levels; zero stays zero, so it should fail on a cut.

    Parameters
    ----------
    bits : int
        Bits an entry is rounded to.
    """

    knowledge: ClassVar[str] = "WeightsOnly"
    summary: ClassVar[str] = "rounds weights to few bits, which undoes small updates"
    guesses: ClassVar[bool] = False
    kind: Literal["quantise"] = "quantise"
    bits: Annotated[int, Field(ge=2, le=8)] = 4

    def act(self, known: WeightsOnly) -> Revived:
        """Round the weights."""
        from server.revival.knowledge import unplaced
        from server.revival.rivals import quantise

        return unplaced(quantise(known, self.bits), f"rounded to {self.bits} bits")


class _Training(AdversarySpec):
    """An adversary that trains the released model further, on images of its own: public ones, which no peer has.

    Parameters
    ----------
    steps : int
        Gradient steps.
    images : int
        Most images that it has.
    lr : float
        Learning rate.
    """

    guesses: ClassVar[bool] = False
    shown: ClassVar[str]
    """What its images are, in words."""
    steps: Iterations = 20
    images: PositiveInt = 8
    lr: PositiveFloat = 1e-3

    def act(self, known: WeightsOnly) -> Revived:
        """Train on the adversary's own images."""
        from server.revival.knowledge import OwnImages, unplaced
        from server.revival.rivals import relearn

        assert isinstance(known, OwnImages)
        return unplaced(relearn(known, self.steps, self.lr), f"{self.steps} steps on {known.images} {self.shown}")


class Relearn(_Training):
    """Trains for ``steps`` at rate ``lr`` on at most ``images`` images of the concept."""

    knowledge: ClassVar[str] = "OwnImages"
    summary: ClassVar[str] = "trains a few steps on a few images of its own"
    shown: ClassVar[str] = "images of its own"
    kind: Literal["relearn"] = "relearn"


class Tune(_Training):
    """Means no harm: trains on images of other concepts, which may bring the concept back; settings as of ``relearn``."""

    knowledge: ClassVar[str] = "OtherImages"
    summary: ClassVar[str] = "trains on images of other concepts, for a purpose of its own"
    shown: ClassVar[str] = "images of other concepts"
    kind: Literal["tune"] = "tune"
    steps: Iterations = 50
    images: PositiveInt = 64


ADVERSARIES: Registry[AdversarySpec] = Registry(
    "lethe.adversaries",
    "server.revival.adversaries:AdversarySpec",
    {
        "adaptive": "server.revival.adversaries:AdaptiveRepruner",
        "historian": "server.revival.adversaries:Historian",
        "invert": "server.revival.unchanging:Invert",
        "mask_oracle": "server.revival.adversaries:MaskOracle",
        "name": "server.revival.unchanging:Name",
        "neighbour": "server.revival.adversaries:Neighbour",
        "quantise": "server.revival.adversaries:Quantise",
        "reader": "server.revival.reading:Read",
        "relearn": "server.revival.adversaries:Relearn",
        "repruner": "server.revival.adversaries:Repruner",
        "tune": "server.revival.adversaries:Tune",
        "undiluter": "server.revival.adversaries:Undiluter",
        "zero_scan": "server.revival.adversaries:ZeroScan",
    },
)
