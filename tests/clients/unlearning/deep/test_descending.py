"""Methods that take gradient steps, against plain loops, and with faults of public implementations planted."""

from __future__ import annotations

from typing import Any

import pytest
import torch
from torch.nn.functional import cross_entropy, log_softmax

from clients.training import Descent, Sgd
from clients.unlearning.deep.scrub import Scrub
from clients.unlearning.deep.student import Student
from tests.clients.unlearning.deep.small import REQUEST, TRAINING, changed, method, module, near, parts, plainly, same, tensors, trained

WHOLE: dict[str, Any] = {"batch_size": 200, "optimizer": Sgd(lr=0.1), "epochs": 2}
"""Plain steps over all rows, in which their order is of no account."""


def kl(network: Any, x: torch.Tensor, teacher: torch.Tensor, heat: float) -> torch.Tensor:
    p, q = log_softmax(teacher / heat, 1), log_softmax(network(x) / heat, 1)
    return heat**2 * (p.exp() * (p - q)).sum() / len(x)


def test_neggrad_plus_is_one_loss_of_both_sets() -> None:
    (gone, lost), (kept, classes) = map(tensors, parts())

    def loss(network: Any, number: int) -> Any:
        yield 0.8 * cross_entropy(network(kept), classes) - 0.2 * cross_entropy(network(gone), lost)

    near(changed("neggrad_plus", alpha=0.8, **WHOLE)[0], plainly(loss, 2))


def test_scrub_leaves_its_teacher_first_and_follows_it_after() -> None:
    (gone, _), (kept, classes) = map(tensors, parts())
    teacher = module(trained()[0])
    left, wanted = teacher(gone).detach(), teacher(kept).detach()

    def loss(network: Any, number: int) -> Any:
        if number < 1:
            yield -kl(network, gone, left, 2.0)
        yield 0.5 * kl(network, kept, wanted, 2.0) + 0.7 * cross_entropy(network(kept), classes)

    settings = {"msteps": 1, "gamma": 0.7, "alpha": 0.5, "temperature": 2.0}
    found = changed("scrub", **settings, **WHOLE)[0]
    near(found, plainly(loss, 2))
    with pytest.raises(AssertionError):  # the fault of a fork: one phase more that raises
        near(changed("scrub", **settings | {"msteps": 2}, **WHOLE)[0], plainly(loss, 2))


def test_scrub_leaves_its_teacher_as_it_was_and_changes_the_student() -> None:
    weights, learning = trained()
    before = {name: array.copy() for name, array in weights.items()}
    found, _ = Scrub().apply(weights, learning, *parts(), REQUEST)
    assert same(weights, before)
    assert not same(found, before)


def test_an_optimiser_over_the_teacher_is_noticed(monkeypatch: pytest.MonkeyPatch) -> None:
    """The fault of a benchmark: the returned network is the one that nothing was done to."""

    def over_the_teacher(self: Student, settings: Any, more: Any = ()) -> Descent:
        frozen = module(trained()[0])
        monkeypatch.setattr(Descent, "gradients", lambda inner, loss: [torch.ones_like(one) for one in frozen.parameters()])
        return Descent(frozen, settings, self.key, self.first, more)

    monkeypatch.setattr(Student, "descent", over_the_teacher)
    assert same(changed("scrub")[0], trained()[0])


@pytest.mark.parametrize("error", [0.0, 1.0])
def test_scrub_goes_back_to_the_epoch_whose_error_is_nearest(error: float) -> None:
    found: list[float] = []
    forget, _ = parts()
    settings: dict[str, Any] = {"msteps": 4, "optimizer": Sgd(lr=0.5), "batch_size": 16}
    for epochs in range(1, 5):
        weights, _ = changed("scrub", epochs=epochs, **settings)
        x, y = tensors(forget)
        found.append(float((module(weights)(x).argmax(1) != y).double().mean()))
    weights, outcome = changed("scrub", epochs=4, rewind=error, **settings)
    best = max(range(4), key=lambda number: (-abs(found[number] - error), number))
    assert same(weights, changed("scrub", epochs=best + 1, **settings)[0])
    assert f"went back to the weights after epoch {best + 1} of 4" in outcome.notes
    assert len(set(found)) > 1, "the epochs differ"


def test_losses_and_passes_are_told() -> None:
    _, outcome = changed("scrub", epochs=3, msteps=2)
    (losses,) = [note for note in outcome.notes if note.startswith("losses by epoch")]
    curves = {part.split()[0]: part.split()[1:] for part in losses.removeprefix("losses by epoch: ").split("; ")}
    assert {name: len(values) for name, values in curves.items()} == {"forget": 2, "retain": 3}
    assert "cost: gradient passes: 2 over forget, 3 over retain" in outcome.notes
    size = method("scrub").batch_size  # type: ignore[attr-defined]
    assert outcome.cost.gradient_steps == 3 * -(-82 // size) + 2 * -(-8 // size)
    assert TRAINING.batch_size != size, "its own batches, not those of training"


def test_ascent_ends_where_the_loss_is_high_enough_and_steps_are_bounded() -> None:
    forget, _ = parts()
    x, y = tensors(forget)
    free, _ = changed("gradient_ascent", until=50.0, epochs=6, optimizer=Sgd(lr=0.5))
    found, outcome = changed("gradient_ascent", until=1.0, epochs=60, optimizer=Sgd(lr=0.05))
    loss = float(cross_entropy(module(found)(x), y).detach())
    assert 1.0 <= loss < 2.0
    assert any(note.startswith("stopped: before epoch") for note in outcome.notes)
    bound = 6 * 0.5 * 1.0
    assert sum(float(((free[name] - trained()[0][name]) ** 2).sum()) for name in free) ** 0.5 <= bound * (1 + 1e-5)
    unbounded, _ = changed("gradient_ascent", until=50.0, epochs=6, optimizer=Sgd(lr=0.5), clip=1e9)
    assert not same(unbounded, free), "the bound was reached"


def test_a_look_in_the_middle_of_a_descent_is_one_of_evaluation() -> None:
    weights, learning = trained()
    student, (forget, _) = Student(weights, learning, REQUEST), parts()
    layers = torch.nn.Flatten(), torch.nn.BatchNorm1d(64, affine=False), torch.nn.Dropout(), torch.nn.Linear(64, 10)
    student.module = torch.nn.Sequential(*layers).eval()
    gone = student.load("forget", forget)
    before = student.logits(gone)
    with student.descent(method("gradient_ascent")):
        assert torch.equal(student.logits(gone), before)
        assert student.module.training
        student.module(gone.x)
    assert not torch.equal(student.logits(gone), before), "the control: training moves the running mean"


def test_ascent_is_that_of_the_mean_loss_of_the_rows_to_forget_alone() -> None:
    (gone, lost), _ = map(tensors, parts())
    near(changed("gradient_ascent", until=50.0, clip=1e9, **WHOLE)[0], plainly(lambda network, _: [-cross_entropy(network(gone), lost)], 2))


def test_the_penalty_of_l1_fades_out_linearly() -> None:
    (_, _), (kept, classes) = map(tensors, parts())

    def loss(network: Any, number: int) -> Any:
        gamma = 0.01 * (1 - number / 2)
        yield cross_entropy(network(kept), classes) + gamma * sum(parameter.abs().sum() for parameter in network.parameters())

    near(changed("l1_sparse", gamma=0.01, **WHOLE)[0], plainly(loss, 2))
