"""The attack by completion: locate, complete, retain, scale.

Source: "Roots Beneath the Cut", Zhang et al., CVPR 2026 (arXiv 2603.06640). Its only input is a knowledge object.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Annotated, Literal

from pydantic import Field, PositiveFloat

from clients.compute import Device, resolved
from clients.spec import Spec
from server.revival.arithmetic import Arithmetic
from server.revival.completion_specs import COMPLETIONS, CompletionSpec, SoftImpute, usual
from server.revival.locate import LOCATIONS, ExactZeros, Extremes, LocationSpec

if TYPE_CHECKING:
    from torch import Tensor

    from server.revival.knowledge import Revived, WeightsOnly

    AnyCompletion = CompletionSpec
    AnyLocation = LocationSpec
else:  # the registries know the members only at run time
    AnyCompletion = COMPLETIONS.union()
    AnyLocation = LOCATIONS.union()


class Revival(Spec):
    """Settings of the attack by completion.

    ``location`` is used by adversaries that know no better; ``keep`` is the share of lost entries refilled; ``seed`` keys the
    adversary's own draws. Where no ``completion`` is named, `settled` takes the usual one of the device.

    Parameters
    ----------
    location : table
        How the cut is located if its mask is not known.
    completion : table
        How matrices are completed; default: the method that suits the device.
    arithmetic : table
        Device and precision.
    keep : float
        Share of lost entries that is refilled, most confident first.
    magnitude : {"row_max", "row_mean", "drawn", "as_is"}
        How large refilled entries are.
    gain : float
        Factor on the magnitude.
    seed : int
        Keys the adversary's own draws.
    """

    location: AnyLocation = ExactZeros()
    completion: AnyCompletion = SoftImpute()
    arithmetic: Arithmetic = Arithmetic()
    keep: Annotated[float, Field(ge=0, le=1)] = 0.6
    magnitude: Literal["row_max", "row_mean", "drawn", "as_is"] = "row_max"
    gain: PositiveFloat = 1.0
    seed: int = 0

    def settled(self, device: Device | None = None) -> Revival:
        """Return the settings with device and completion resolved; ``ValueError`` if CUDA is requested and missing.

        ``device`` replaces ``auto``.
        """
        wanted = device if device is not None and self.arithmetic.device == "auto" else self.arithmetic.device
        arithmetic = self.arithmetic.model_copy(update={"device": resolved(wanted)})
        completion = self.completion if "completion" in self.model_fields_set else usual(arithmetic)
        return self.model_copy(update={"arithmetic": arithmetic, "completion": completion})


def locate(knowledge: WeightsOnly, rule: LocationSpec) -> dict[str, Tensor]:
    """Return the entries that the adversary takes for the cut: by the mask or the density if it knows them, else by the rule."""
    from server.revival import knowledge as known

    if isinstance(knowledge, known.WithMask):
        return {name: knowledge.mask[name] for name in knowledge.weights}
    if isinstance(knowledge, known.Adaptive):
        side: Literal["smallest", "largest"] = "largest" if knowledge.ratio > 1 else "smallest"
        within: Literal["layer", "model"] = "layer" if knowledge.ratio > 1 else "model"
        rule = Extremes(share=knowledge.density, side=side, within=within)
    elif isinstance(knowledge, known.WithDensity):
        rule = Extremes(share=knowledge.density)
    return rule.places(knowledge.weights)


def revive(knowledge: WeightsOnly, settings: Revival | None = None, progress: Callable[[int, int], None] | None = None) -> Revived:
    """Return the weights with the cut refilled, and the adversary's guesses.

    Parameters
    ----------
    knowledge : WeightsOnly or one of its descendants
        Everything the adversary has.
    settings : Revival, optional
    progress : callable, optional
        Called with the number of completed layers and of all layers.
    """
    from server.revival.completion import complete_layers
    from server.revival.knowledge import Revived, unplaced
    from server.revival.refill import refill

    settings = (settings or Revival()).settled()
    places = locate(knowledge, settings.location)
    found = sum(int(place.sum()) for place in places.values())
    if not found:
        return unplaced(knowledge.weights, "no place of a cut was found: the weights are returned as they came")
    completions = complete_layers(knowledge.weights, places, settings.completion, settings.arithmetic, progress)
    guesses = {name: completion.values * completion.missing for name, completion in completions.items()}
    weights = refill(knowledge.weights, places, guesses, settings.keep, settings.magnitude, settings.gain, settings.seed)
    return Revived(weights, places, guesses, f"{found} places in {len(places)} layers completed")
