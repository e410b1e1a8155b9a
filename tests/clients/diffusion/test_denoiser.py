from __future__ import annotations

from pathlib import Path

import pytest
import torch
from safetensors.torch import load_file, save_file
from torch import nn

from clients.diffusion.denoiser import Denoiser, _initialise, build
from clients.diffusion.spec import CIFAR32, DIGITS, MNIST16, SMOKE, DenoiserSpec
from clients.unlearning.pruning.layers import feed_forward_layers, feed_forward_weights, set_feed_forward_weights

LAYERS = [
    "down_blocks.0.attentions.0.transformer_blocks.0.ff.net.2",
    "down_blocks.1.attentions.0.transformer_blocks.0.ff.net.2",
    "up_blocks.0.attentions.0.transformer_blocks.0.ff.net.2",
    "up_blocks.0.attentions.1.transformer_blocks.0.ff.net.2",
    "up_blocks.1.attentions.0.transformer_blocks.0.ff.net.2",
    "up_blocks.1.attentions.1.transformer_blocks.0.ff.net.2",
    "mid_block.attentions.0.transformer_blocks.0.ff.net.2",
]


def count(denoiser: Denoiser, part: str = "") -> int:
    return sum(p.numel() for name, p in denoiser.named_parameters() if part in name)


def test_the_digits_model_has_the_described_size_and_layers() -> None:
    denoiser = build(DIGITS, ("size",))
    assert count(denoiser) == 1_054_017
    assert count(denoiser, ".ff.") == 236_640
    weights = feed_forward_weights(denoiser.unet)
    assert list(weights) == LAYERS
    assert sorted(tuple(w.shape) for w in weights.values()) == [(32, 128)] * 3 + [(64, 256)] * 4
    assert sum(w.numel() for w in weights.values()) == 77_824


@pytest.mark.parametrize(("spec", "layers"), [(SMOKE, 4), (MNIST16, 7), (CIFAR32, 7)])
def test_every_variant_predicts_noise_of_its_shape(spec: DenoiserSpec, layers: int) -> None:
    denoiser = build(spec, ("shape",))
    assert len(feed_forward_layers(denoiser.unet)) == layers
    noisy = torch.zeros(2, spec.channels, spec.size, spec.size)
    with torch.no_grad():
        assert denoiser(noisy, torch.tensor(5), torch.tensor([0, 10])).shape == noisy.shape


def test_weights_depend_on_key_and_place_only() -> None:
    state = torch.random.get_rng_state()
    a, b, c = build(SMOKE, ("k",)), build(SMOKE, ("k",)), build(SMOKE, ("l",))
    assert torch.equal(torch.random.get_rng_state(), state)
    assert all(torch.equal(p, q) for p, q in zip(a.parameters(), b.parameters(), strict=True))
    assert not any(torch.equal(p, q) for (n, p), q in zip(a.named_parameters(), c.parameters(), strict=True) if p.dim() > 1)
    styled = build(SMOKE.model_copy(update={"styles": ("plain", "thick")}), ("k",))
    assert all(torch.equal(p, q) for p, q in zip(a.unet.parameters(), styled.unet.parameters(), strict=True))


def test_the_distribution_is_the_library_default_but_for_the_feed_forward_output() -> None:
    denoiser, default = build(DIGITS, ("init",)), Denoiser(DIGITS)
    for (name, p), q in zip(denoiser.named_parameters(), default.parameters(), strict=True):
        if p.numel() > 2000 and ".ff.net.2.weight" not in name:
            assert float(p.detach().std()) == pytest.approx(float(q.detach().std()), rel=0.1), name
    for weight in feed_forward_weights(denoiser.unet).values():
        assert float(weight.std()) == pytest.approx(0.001, rel=0.05)
    plain = build(DIGITS.model_copy(update={"feed_forward_std": None}), ("init",))
    assert all(float(w.std()) > 0.02 for w in feed_forward_weights(plain.unet).values())


def test_a_layer_of_unknown_kind_is_not_left_to_chance() -> None:
    with pytest.raises(TypeError, match="no initial weights are known"):
        _initialise(nn.Bilinear(2, 2, 2), "odd", ("k",))


def test_conditions_matter_and_unknown_layers_are_named() -> None:
    denoiser = build(SMOKE.model_copy(update={"feed_forward_std": None, "styles": ("plain", "thick")}), ("k",))
    noisy, classes = torch.ones(1, 1, 8, 8), torch.tensor([1])
    with torch.no_grad():
        assert denoiser.conditions(classes, torch.tensor([0])).shape == (1, 3, 16)
        plain, thick, none = (denoiser(noisy, torch.tensor(9), classes, s) for s in (torch.tensor([0]), torch.tensor([1]), None))
        explicit = denoiser(noisy, torch.tensor(9), classes, torch.tensor([denoiser.null[1]]))
    assert not torch.equal(plain, thick)
    assert torch.equal(none, explicit)
    with pytest.raises(KeyError, match="nowhere"):
        set_feed_forward_weights(denoiser.unet, {"nowhere": torch.zeros(1)})


def test_saving_and_loading_is_exact(tmp_path: Path) -> None:
    denoiser = build(SMOKE, ("k",))
    save_file(denoiser.state_dict(), tmp_path / "model.safetensors")
    other = build(SMOKE, ("another",))
    other.load_state_dict(load_file(tmp_path / "model.safetensors"))
    assert all(torch.equal(p, q) for p, q in zip(denoiser.parameters(), other.parameters(), strict=True))
