from __future__ import annotations

import numpy as np
import pytest
import torch

from clients.diffusion.denoiser import Denoiser, build
from clients.diffusion.images import Images, apply_style, digits, draw_styles, from_arrays, in_every_style
from clients.diffusion.judges.svm import SvmJudge
from clients.diffusion.metrics import Budget, conditions, score
from clients.diffusion.sampling import guided_noise, sample, start_noise
from clients.diffusion.spec import SMOKE, Axis, Sampling
from clients.streams import generator

SHORT = Sampling(steps=3)
AXES: tuple[Axis, Axis] = ("class", "style")


@pytest.fixture(scope="module")
def denoiser() -> Denoiser:
    return build(SMOKE.model_copy(update={"feed_forward_std": None}), ("sampling",))


def test_start_noise_belongs_to_the_index() -> None:
    few, many = start_noise((1, 8, 8), range(3), ("k",)), start_noise((1, 8, 8), range(10), ("k",))
    assert torch.equal(few, many[:3])
    assert torch.equal(start_noise((1, 8, 8), [7], ("k",))[0], many[7])
    assert not torch.equal(few[0], few[1])
    assert abs(float(many.std()) - 1) < 0.1


def test_samples_do_not_depend_on_their_neighbours(denoiser: Denoiser) -> None:
    classes = torch.arange(6)
    together = sample(denoiser, classes, ("k",), sampling=SHORT)
    in_batches = sample(denoiser, classes, ("k",), sampling=SHORT.model_copy(update={"batch_size": 4}))
    alone = sample(denoiser, classes[4:5], ("k",), indices=[4], sampling=SHORT)
    torch.testing.assert_close(together, in_batches, atol=1e-4, rtol=0)
    torch.testing.assert_close(together[4:5], alone, atol=1e-4, rtol=0)
    assert float(together.abs().max()) <= 1
    assert not torch.equal(together, sample(denoiser, classes, ("l",), sampling=SHORT))
    assert len(sample(denoiser, classes[:0], ("k",))) == 0


def test_guidance_one_is_the_conditional_pass_and_two_extrapolates(denoiser: Denoiser) -> None:
    x, time, classes = start_noise((1, 8, 8), range(4), ("k",)), torch.tensor(200), torch.tensor([0, 1, 2, 3])
    with torch.no_grad():
        conditional, without = denoiser(x, time, classes), denoiser(x, time, torch.full((4,), 10))
        assert torch.equal(guided_noise(denoiser, x, time, classes, None, 1.0), conditional)
        doubled = guided_noise(denoiser, x, time, classes, None, 2.0)
    torch.testing.assert_close(doubled, without + 2 * (conditional - without), atol=1e-5, rtol=1e-4)
    assert not torch.allclose(conditional, without)


def test_styles_are_fixed_maps() -> None:
    image = torch.full((1, 1, 3, 3), -1.0)
    image[0, 0, 1, 1] = 1.0
    assert torch.equal(apply_style(image, "plain"), image)
    assert torch.equal(apply_style(image, "inverted"), -image)
    assert apply_style(image, "shifted")[0, 0, 1].tolist() == [-1.0, -1.0, 1.0]
    assert bool((apply_style(image, "thick") == 1).all())
    drawn = draw_styles(digits(), ("plain", "inverted", "thick"), ("k",))
    assert drawn.styles is not None
    assert float(torch.bincount(drawn.styles).double().min()) > 500
    inverted = drawn.styles == 1
    assert torch.equal(drawn.pixels[inverted], -digits().pixels[inverted])


def test_judges_of_styled_images_name_either_axis_whatever_the_other() -> None:
    images, styles = digits(), ("plain", "inverted", "thick")
    fit, rest = images.select(torch.arange(700)), in_every_style(images.select(torch.arange(700, 900)), styles)
    assert rest.styles is not None
    of_classes, of_styles = (SvmJudge(fit, styles=styles, axis=axis) for axis in AXES)
    assert (of_classes.predict(rest.pixels) == rest.classes.numpy()).mean() > 0.9
    assert (of_styles.predict(rest.pixels) == rest.styles.numpy()).mean() > 0.95
    assert of_classes.accuracy > 0.9
    dressed = rest.styles == 1
    plain = SvmJudge(fit).predict(rest.pixels[dressed])
    assert (plain == rest.classes[dressed].numpy()).mean() < 0.5, "the control: who saw no style cannot read them"


def test_images_come_from_arrays_of_any_usual_shape() -> None:
    flat = np.linspace(0, 1, 2 * 784).reshape(2, 784)
    small = from_arrays(flat, [1, 2], 16)
    assert small.pixels.shape == (2, 1, 16, 16)
    assert float(small.pixels.min()) == -1.0  # the padding
    assert from_arrays(np.zeros((2, 3, 32, 32)), [0, 1], 32).pixels.shape == (2, 3, 32, 32)
    bundled = digits()
    again = from_arrays((bundled.pixels[:, 0].numpy() + 1) / 2, bundled.classes.numpy(), 8)
    assert torch.equal(again.pixels, bundled.pixels)
    assert (float(bundled.pixels.min()), float(bundled.pixels.max())) == (-1.0, 1.0)
    assert len(bundled) == 1797


def test_the_judge_knows_digits_and_not_noise() -> None:
    images = digits()
    judge = SvmJudge(images)
    assert judge.accuracy > 0.98
    assert float((judge.predict(images.pixels[:200]) == images.classes[:200].numpy()).mean()) > 0.99
    confused = SvmJudge(Images(images.pixels, images.classes[torch.from_numpy(generator("mix").permutation(1797))]))
    assert confused.accuracy < 0.25
    assert judge.features(images.pixels[:5]).shape == (5, 10)
    assert np.array_equal(judge.predict(images.pixels[:5] * 1.0), judge.predict((images.pixels[:5]) * 1.0001))


class Oracle:
    accuracy = 1.0

    def __init__(self, answers: np.ndarray) -> None:
        self.answers = answers

    def predict(self, pixels: torch.Tensor) -> np.ndarray:
        return self.answers

    def features(self, pixels: torch.Tensor) -> np.ndarray:
        return pixels.flatten(1).double().numpy()


def test_scores_are_shares_of_right_answers(denoiser: Denoiser) -> None:
    budget = Budget(target=4, others=2)
    asked, _, _ = conditions(denoiser, 3, "class", budget)
    assert len(asked) == 4 + 9 * 2
    answers = asked.copy()
    answers[np.flatnonzero(asked == 3)[:3]] = 5
    answers[np.flatnonzero(asked == 7)[0]] = 5
    result = score(denoiser, Oracle(answers), 3, ("k",), budget=budget, sampling=SHORT)
    assert result.target == 0.25
    assert result.shows == (False, False, False, True)
    assert result.each[7] == 0.5
    assert result.others == pytest.approx((8 + 0.5) / 9)
    assert result.cross is None


def test_scores_know_the_other_axis() -> None:
    styled = build(SMOKE.model_copy(update={"styles": ("plain", "thick")}), ("k",))
    budget = Budget(target=20, others=10)
    asked, classes, styles = conditions(styled, 1, "style", budget)
    assert styles is not None
    assert (asked == styles.numpy()).all()
    result = score(styled, Oracle(asked), 1, ("k",), axis="style", cross_judge=Oracle(classes.numpy()), budget=budget, sampling=SHORT)
    assert (result.target, result.others, result.cross) == (1.0, 1.0, 1.0)
