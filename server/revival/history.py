"""Attacks without completion: lost entries are copied from an older release or another client, or dilution is reversed."""

from __future__ import annotations

import torch
from torch import Tensor

from server.revival.attack import locate
from server.revival.knowledge import History, Revived, UnprunedClient, WithShares, unplaced
from server.revival.locate import ExactZeros, LocationSpec


def subtract(knowledge: History, jump: float = 8.0) -> Revived:
    """Restore the values of the last earlier release wherever the cut is visible.

    An entry counts as cut if it fell to zero, or changed by more than ``jump`` robust standard deviations (1.4826 times the median
    absolute change of its layer). Usual changes are estimated from the two last earlier releases if there are two, else from the last
    change itself.
    """
    weights, places, guesses = {}, {}, {}
    for name, now in knowledge.weights.items():
        old = knowledge.earlier[-1][name]
        move = (now.double() - old.double()).abs()
        usual = move if len(knowledge.earlier) < 2 else (old.double() - knowledge.earlier[-2][name].double()).abs()
        fell = (now == 0) & (old != 0)
        places[name] = fell | (move > jump * 1.4826 * usual[~fell].median()) if bool((~fell).any()) else fell
        weights[name] = torch.where(places[name], old, now)
        guesses[name] = old * places[name]
    return _revived(knowledge, weights, places, guesses, "values of the earlier release written back")


def rollback(knowledge: History) -> Revived:
    """Return the last earlier release as a whole."""
    old = knowledge.earlier[-1]
    places = {name: old[name] != now for name, now in knowledge.weights.items()}
    guesses = {name: old[name] * place for name, place in places.items()}
    return _revived(knowledge, {name: old[name].clone() for name in knowledge.weights}, places, guesses, "rolled back")


def copy_from_client(knowledge: UnprunedClient, rule: LocationSpec | None = None) -> Revived:
    """Copy the entries located as cut from the client that did not cut."""
    places = locate(knowledge, rule or ExactZeros())
    weights = {name: torch.where(place, knowledge.client[name], knowledge.weights[name]) for name, place in places.items()}
    guesses = {name: knowledge.client[name] * place for name, place in places.items()}
    return _revived(knowledge, weights, places, guesses, "entries copied from a client that did not cut")


def undilute(knowledge: WithShares) -> Revived:
    """Divide the entries of the mask by the share of clients that kept them; if all clients cut, return the weights unchanged."""
    kept = 1 - knowledge.share
    if kept <= 0:
        return unplaced(knowledge.weights, "every client cut: an average holds nothing to scale up")
    places = {name: mask & (knowledge.weights[name] != 0) for name, mask in knowledge.mask.items()}
    weights = {name: torch.where(places[name], weight / kept, weight) for name, weight in knowledge.weights.items()}
    guesses = {name: weight * places[name] for name, weight in weights.items()}
    return _revived(knowledge, weights, places, guesses, f"diluted entries divided by {kept:g}")


def _revived(
    knowledge: History | UnprunedClient | WithShares,
    weights: dict[str, Tensor],
    places: dict[str, Tensor],
    guesses: dict[str, Tensor],
    said: str,
) -> Revived:
    """Return the result, or the unchanged weights with a reason if no cut was located."""
    if not any(bool(place.any()) for place in places.values()):
        return unplaced(knowledge.weights, "no place of a cut was found: the weights are returned as they came")
    return Revived(weights, places, guesses, said)
