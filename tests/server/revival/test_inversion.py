from __future__ import annotations

import torch

from clients.diffusion.denoiser import build
from clients.diffusion.images import digits
from clients.diffusion.spec import SMOKE, NoiseSchedule
from clients.diffusion.training import denoising_loss, scheduler
from clients.streams import torch_generator
from server.revival.inversion import Inverter, replaced

CONCEPT = 3


def test_learned_tokens_draw_the_concept_better_and_no_weight_changes() -> None:
    every = digits()
    images = every.select(every.classes == CONCEPT)
    shown, held_out = images.select(torch.arange(8)), images.select(torch.arange(8, len(images)))
    denoiser = build(SMOKE.model_copy(update={"feed_forward_std": None}), ("inversion",))
    before = {name: parameter.detach().clone() for name, parameter in denoiser.named_parameters()}

    inverter = Inverter(denoiser, shown, NoiseSchedule(), ("key",), "class", CONCEPT)

    def learned(steps: int) -> torch.Tensor:
        return inverter(steps, 0.1)

    def loss() -> float:
        with torch.no_grad():
            return float(denoising_loss(denoiser, held_out, scheduler(NoiseSchedule()), torch_generator("held out"), 64))

    tokens, plain = learned(40), loss()
    with replaced(denoiser, "class", CONCEPT, tokens):
        assert loss() < plain, "on images that it has not seen"
        rows = denoiser.conditions.class_table.weight
        assert torch.equal(rows[CONCEPT], tokens)
        assert torch.equal(rows[0], before["conditions.class_table.weight"][0])
    assert all(torch.equal(parameter, before[name]) for name, parameter in denoiser.named_parameters())
    assert all(parameter.requires_grad and parameter.grad is None for parameter in denoiser.parameters())
    assert torch.equal(learned(40), tokens), "draws are keyed"
    assert torch.equal(learned(0), before["conditions.class_table.weight"][CONCEPT]), "the control: no step, no change"
    course = inverter.course((0, 3, 5), 0.1)
    assert all(torch.equal(course[steps], learned(steps)) for steps in (0, 3, 5)), "one training serves all its lengths"
