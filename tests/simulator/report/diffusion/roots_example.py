"""A made-up ``results.json`` of a diffusion run, and the artefacts of samples it points to, for the report's tests."""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt

TARGETS = {"original": 0.97, "pruned": 0.19, "revived": 0.59, "random_signs": 0.18, "true_signs": 0.98, "neuron_mean": 0.31,
           "defended": 0.2, "adaptive": 0.21}
PICTURED = ("original", "pruned", "revived", "random_signs", "defended", "adaptive")
POLICIES = ("mean", "masked_mean", "union_zero", "vote(0.5)", "union_noise(1)")
Arrays = dict[str, npt.NDArray[Any]]


def results(concepts: int = 3, *, adversary: str = "zero_scan", curves: bool = True) -> dict[str, Any]:
    """Return the keys that only a diffusion run has."""
    found: dict[str, Any] = {
        "revivals": [revival(concept, adversary) for concept in range(concepts)],
        "concepts": concepts_erased(concepts),
        "not_played": [{"round": 5, "do": "attack", "concept": 1, "adversary": "mask_oracle", "why": "nothing has been cut yet"}],
        "fills": fills(),
        "timeline": timeline(1),
        "accuracy": {"sampled": 0.9137},
        "judge": {"held_out_accuracy": 0.9944},
        "recommendation": "redrawn_columns: columns 0.52 (0.48 to 0.57), entries 0.50 (0.49 to 0.51).",
    }
    return found | ({"curves": [one for concept in range(concepts) for one in curve(concept)]} if curves else {})


def revival(concept: int, adversary: str) -> dict[str, Any]:
    shift = 0.011 * concept
    scores = {name: {"target": target + shift if target < 0.9 else target, "others": 0.99 - shift} for name, target in TARGETS.items()}
    told = {"concept": concept, "round": 4, "policy": "union_zero", "adversary": adversary, "knowledge": "weights only"}
    return {**told, "completion": "soft_impute", **scores,
            "sign_accuracy": 0.667 + shift, "sign_accuracy_top_fifth": 0.922, "location_auc": 0.481, "column_auc": 0.925 - shift,
            "seconds": 0.29, "images": f"{concept:064x}"}


def curve(concept: int) -> list[dict[str, Any]]:
    noise = [{"x": x, "target": 0.2 + 0.01 * concept, "others": 0.91 - 0.03 * x, "adaptive_target": 0.2 + 0.4 / (1 + 9 * x),
              "entry_auc": 0.5 + 0.5 / (1 + 4 * x), "column_auc": 0.92} for x in (0, 0.25, 1, 4)]
    sparsity = [{"x": x, "target": max(0.15, 0.97 - 5 * x), "others": 0.98 - x / 2} for x in (0.02, 0.05, 0.1, 0.15, 0.3)]
    found = [{"concept": concept, "kind": "noise", "policy": "union_zero", "points": noise},
             {"concept": concept, "kind": "sparsity", "policy": None, "points": sparsity}]
    for policy in POLICIES:
        fall = {"mean": 0.75 * (np.arange(1, 10) / 10) ** 4, "masked_mean": np.zeros(9), "vote(0.5)": 0.7 * (np.arange(1, 10) >= 5)}
        points = [{"x": (i + 1) / 10, "target": 0.97 - float(down), "others": 0.98 - 0.1 * float(down)}
                  for i, down in enumerate(fall.get(policy, np.full(9, 0.72)))]
        found.append({"concept": concept, "kind": "share", "policy": policy, "points": points})
    return found


def images(sha256: str, colour: bool = False) -> Arrays:
    """Return an artefact: digits, some of them spoilt, with the verdicts to match."""
    from sklearn.datasets import load_digits

    bunch, concept = load_digits(), int(sha256, 16)
    rng = np.random.default_rng(concept)
    others = [label for label in range(10) if label != concept]
    conditions = np.array([concept] * 10 + [others[i % 9] for i in range(10)], dtype=np.int64)
    arrays: Arrays = {"conditions": conditions}
    for name in PICTURED:
        share = np.where(conditions == concept, TARGETS[name], 0.95)
        judged = np.where(rng.random(len(conditions)) < share, conditions, (conditions + rng.integers(1, 10, len(conditions))) % 10)
        pixels = np.stack([rng.choice(bunch.images[bunch.target == label]) for label in judged]) * 255 / 16
        arrays[name] = (pixels + rng.normal(0, 12, pixels.shape)).clip(0, 255).astype(np.uint8)
        arrays[f"judged_{name}"] = judged.astype(np.int64)
        if colour:
            arrays[name] = np.stack([arrays[name], arrays[name][:, ::-1], arrays[name].mT], axis=-1)
    return arrays


def timeline(rounds: int) -> list[dict[str, Any]]:
    return [{"round": r, "loss_local": 0.3 / r + 0.1, "loss_global": 0.32 / r + 0.12} for r in range(1, rounds + 1)]


def concepts_erased(count: int) -> list[dict[str, Any]]:
    return [{"concept": concept, "round": 4, "peers": [0, 1, 2], "method": "concept_prune", "policy": "union_zero",
             "guarantee": "behavioural", "original": {"target": 0.962, "others": 0.991}, "erased": {"target": 0.137, "others": 0.884},
             "density": 0.168, "agreement": 0.871, "survival": 1.0} for concept in range(count)]


def fills() -> list[dict[str, Any]]:
    names = ("entries", "grid", "columns.std", "columns.leading", "columns.coherence")
    tried = [({"kind": "gaussian", "relative": 1.0}, False, 0.925), ({"kind": "redrawn_columns"}, True, 0.541)]
    return [{"fill": fill, "hides": hides, "tests": {name: {"value": worst if name == "columns.coherence" else 0.5, "low": worst - 0.06,
                                                            "high": worst + 0.06} for name in names}} for fill, hides, worst in tried]
