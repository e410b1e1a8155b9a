"""UCE is exact linear algebra: edited tokens give what others gave, kept ones what they gave, and without a change nothing changes."""

from __future__ import annotations

import numpy as np
import torch

from clients.diffusion.denoiser import Denoiser
from clients.diffusion.spec import Sampling
from clients.diffusion.subject import DenoiserSubject
from clients.unlearning.pruning.uce import Uce, _read, solved

DRAWS = torch.Generator().manual_seed(1)
WEIGHT = torch.randn(5, 12, generator=DRAWS, dtype=torch.float64)
EDITED, WANTED, KEPT = (torch.randn(n, 12, generator=DRAWS, dtype=torch.float64) for n in (2, 2, 6))


def subject(denoiser: Denoiser) -> DenoiserSubject:
    return DenoiserSubject(denoiser, 3, ("test",), count=4, sampling=Sampling(steps=2))


def test_it_is_the_damped_least_squares_solution() -> None:
    """Stacked as rows of one system, the damping as rows that hold the old weight."""
    rows = torch.cat([EDITED, KEPT, 0.3**0.5 * torch.eye(12, dtype=torch.float64)])
    aims = torch.cat([WANTED @ WEIGHT.T, KEPT @ WEIGHT.T, 0.3**0.5 * WEIGHT.T])
    by_hand = np.linalg.lstsq(rows.numpy(), aims.numpy(), rcond=None)[0].T
    assert torch.allclose(solved(WEIGHT, EDITED, WANTED, KEPT, 0.3), torch.tensor(by_hand))


def test_with_little_damping_both_sides_are_met() -> None:
    found = solved(WEIGHT, EDITED, WANTED, KEPT, 1e-12)
    assert torch.allclose(EDITED @ found.T, WANTED @ WEIGHT.T, atol=1e-6)
    assert torch.allclose(KEPT @ found.T, KEPT @ WEIGHT.T, atol=1e-6)
    assert not torch.allclose(EDITED @ WEIGHT.T, WANTED @ WEIGHT.T, atol=0.1), "the control: before, they were not"


def test_what_is_to_give_what_it_gave_changes_nothing() -> None:
    assert torch.allclose(solved(WEIGHT, EDITED, EDITED, KEPT, 0.1), WEIGHT)


def test_the_target_is_answered_as_the_next_concept_and_others_as_before(denoiser: Denoiser) -> None:
    cut = Uce(damping=1e-6).erase(subject(denoiser), ())
    target, other, third = (_read(subject(denoiser), one, whole=False) for one in ("target", "4", "7"))
    assert cut.record["other"] == "4"
    assert cut.weights
    assert len(cut.weights) == 2 * len(target)
    for name, new in cut.weights.items():
        layer, old = name.rpartition(".to_")[0], denoiser.unet.get_parameter(name).detach()
        before = (target[layer] @ old.T - other[layer] @ old.T).norm()
        # 22 tokens of 16 values: not all can be met, and the solution is a compromise
        assert (target[layer] @ new.T - other[layer] @ old.T).norm() < 0.5 * before
        assert (third[layer] @ new.T - third[layer] @ old.T).norm() < 0.5 * before
