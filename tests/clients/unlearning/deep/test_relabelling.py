"""Methods that teach the rows to forget something else: which targets, which weights, and the faults of public implementations."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
import torch
from torch.nn.functional import cross_entropy, log_softmax

from clients import holding
from clients.streams import torch_generator, uniforms
from clients.training import Adam, Sgd
from clients.unlearning.deep.boundary import nearest
from clients.unlearning.deep.importance import largest
from clients.unlearning.deep.random_labels import wrongly_labelled
from clients.unlearning.deep.student import Student
from tests.clients.unlearning.deep.small import REQUEST, changed, module, near, parts, plainly, rows, same, tensors, trained

WHOLE: dict[str, Any] = {"batch_size": 200, "optimizer": Sgd(lr=0.1), "epochs": 2}


def student() -> Student:
    return Student(*trained(), REQUEST)


def test_wrong_classes_are_drawn_once_by_key_and_are_never_the_right_ones() -> None:
    everything = rows()
    before = everything.y.copy()
    found = wrongly_labelled(everything, 10, student())
    assert (found.y != before).all()
    assert (everything.y == before).all(), "the data set is left alone"
    assert set(((found.y - before) % 10).tolist()) == set(range(1, 10))
    alone = wrongly_labelled(everything.only(everything.ids[5:6]), 10, student())
    assert alone.y[0] == found.y[5], "whoever else goes"
    assert (wrongly_labelled(everything, 10, Student(*trained(), ("other",))).y != found.y).any()
    shift = 1 + (uniforms(everything.ids, *REQUEST, "label") * 9).astype(int)
    assert ((before + shift) % 10 == found.y).all()


def test_random_labels_train_on_both_sets_together() -> None:
    forget, retain = parts()
    (gone, wrong), (kept, classes) = map(tensors, (wrongly_labelled(forget, 10, student()), retain))

    def loss(network: Any, number: int) -> Any:
        yield cross_entropy(network(torch.cat([gone, kept])), torch.cat([wrong, classes]))

    near(changed("random_labels", **WHOLE)[0], plainly(loss, 2))


DECAYING: dict[str, Any] = {"optimizer": Adam(lr=0.01, weight_decay=0.1), "epochs": 2}


def outside(share: float) -> list[tuple[str, np.ndarray[Any, Any]]]:
    """Return, by parameter, the entries that a plain loop leaves outside of the mask."""
    forget, _ = parts()
    network = module(trained()[0])
    x, y = tensors(forget)
    cross_entropy(network(x), y, reduction="sum").backward()
    sizes = {name: parameter.grad.abs().numpy() for name, parameter in network.named_parameters() if parameter.grad is not None}
    least = np.sort(np.concatenate([one.reshape(-1) for one in sizes.values()]))[::-1]
    limit = least[int(np.ceil(share * len(least))) - 1]
    return [(name, one < limit * (1 - 1e-4)) for name, one in sizes.items()]


def test_salun_moves_only_the_weights_that_matter() -> None:
    found, before = changed("salun", share=0.2, **DECAYING)[0], trained()[0]
    for name, masked in outside(0.2):
        assert masked.any()
        assert found[name][masked].tobytes() == before[name][masked].tobytes()
    assert sum(int((found[name] != before[name]).sum()) for name in found) > 20


def test_a_mask_of_gradients_alone_is_noticed(monkeypatch: pytest.MonkeyPatch) -> None:
    """The fault: weight decay and momentum move what the mask should hold."""
    monkeypatch.setattr(holding, "restoring", lambda parameters, masks: lambda: None)
    found, before = changed("salun", share=0.2, **DECAYING)[0], trained()[0]
    assert any((found[name][masked] != before[name][masked]).any() for name, masked in outside(0.2))


def test_salun_over_all_weights_is_random_labels() -> None:
    assert same(changed("salun", share=1.0)[0], changed("random_labels")[0])
    assert not same(changed("salun", share=0.5)[0], changed("random_labels")[0])


def test_masks_have_their_share_and_ties_go_to_the_first() -> None:
    sums = [np.zeros((2, 3)), np.ones(4)]
    masks = largest(sums, 0.5)
    assert [int(mask.sum()) for mask in masks] == [1, 4]
    assert masks[0][0, 0]
    assert [mask.shape for mask in masks] == [(2, 3), (4,)]


def test_bad_teaching_follows_two_teachers_that_stay_as_they_are() -> None:
    forget, retain = parts()
    someone = student()
    part = someone.drawn(retain, 0.3)
    assert len(part) == -(-3 * len(retain) // 10)
    (gone, _), (kept, _) = map(tensors, (forget, part))
    untrained = trained()[1].network.build((*REQUEST, "untrained")).eval()
    teachers = torch.cat([untrained(gone), module(trained()[0])(kept)]).detach()
    inputs = torch.cat([gone, kept])

    def loss(network: Any, number: int) -> Any:
        p, q = log_softmax(teachers, 1), log_softmax(network(inputs), 1)
        yield (p.exp() * (p - q)).sum() / len(inputs)

    found = changed("bad_teacher", **WHOLE)[0]
    near(found, plainly(loss, 2))
    with pytest.raises(AssertionError):  # the fault: the mean over elements divides the learning rate by the number of classes
        near(found, plainly(lambda network, number: (one / 10 for one in loss(network, number)), 2))


def test_boundary_shrink_takes_the_most_probable_wrong_class_of_the_moved_row() -> None:
    someone, (forget, _) = student(), parts(of_class=3)
    examples = someone.load("forget", forget)
    found = nearest(someone, examples, 0.5)
    network = module(trained()[0])
    for x, y, one in zip(examples.x, examples.y, found, strict=True):
        at = x[None].clone().requires_grad_()
        cross_entropy(network(at), y[None]).backward()
        assert at.grad is not None
        logits = network(x[None] + 0.5 * at.grad.sign())[0].detach().numpy().copy()
        logits[int(y)] = -np.inf
        assert int(one) == int(logits.argmax()) != int(y)


def test_boundary_shrink_and_expand_read_only_the_rows_to_forget() -> None:
    for kind, passes in (("boundary_shrink", 3), ("boundary_expand", 2)):  # the former begins with the slopes of inputs
        outcome = changed(kind, data=parts(of_class=3), epochs=2)[1]
        assert f"cost: gradient passes: {passes} over forget" in outcome.notes


def test_boundary_expand_learns_a_further_output_and_cuts_it_off() -> None:
    (gone, _), _ = map(tensors, parts(of_class=3))
    before = module(trained()[0])(gone).detach()
    found = changed("boundary_expand", data=parts(of_class=3), **WHOLE | {"epochs": 20})[0]
    assert {name: array.shape for name, array in found.items()} == {name: array.shape for name, array in trained()[0].items()}
    after = module(found)(gone).detach()
    assert after.shape == before.shape
    assert float(after.logsumexp(1).mean()) < float(before.logsumexp(1).mean()), "the probability went to the output that is gone"


def test_boundary_shrink_is_training_on_the_relabelled_rows() -> None:
    data = parts(of_class=3)
    examples = student().load("forget", data[0])
    beyond = nearest(student(), examples, 0.5)

    def loss(network: Any, number: int) -> Any:
        yield cross_entropy(network(examples.x), beyond)

    found = changed("boundary_shrink", data=data, bound=0.5, **WHOLE)[0]
    near(found, plainly(loss, 2))
    with pytest.raises(AssertionError):  # the fault: the labels that the rows had
        near(found, plainly(lambda network, number: [cross_entropy(network(examples.x), examples.y)], 2))


def test_boundary_expand_is_training_with_one_more_output() -> None:
    data = parts(of_class=3)
    (gone, _), _ = map(tensors, data)
    width = 8
    output = torch.nn.Parameter(torch.randn(width, 1, generator=torch_generator(*REQUEST, "output")) / width**0.5)

    def loss(network: Any, number: int) -> Any:
        hidden = network[:-1](gone)
        output.grad = None
        yield cross_entropy(torch.cat([network[-1](hidden), hidden @ output], 1), torch.full((len(gone),), 10))
        with torch.no_grad():
            output.sub_(0.1 * output.grad)  # type: ignore[arg-type]

    near(changed("boundary_expand", data=data, **WHOLE)[0], plainly(loss, 2))


def test_unsir_impairs_by_noise_and_repairs_as_a_plain_loop_does() -> None:
    data = parts(of_class=3)
    (_, _), (kept, classes) = map(tensors, data)
    network = module(trained()[0])
    x = torch.randn(5, *kept.shape[1:], generator=torch_generator(*REQUEST, "noise", 3)).requires_grad_()
    step = torch.optim.Adam([x], lr=0.1)
    for _ in range(3):
        step.zero_grad()
        (0.2 * x.square().flatten(1).sum(1).mean() - cross_entropy(network(x), torch.full((5,), 3))).backward()
        step.step()
    noise = x.detach()

    def loss(network: Any, number: int) -> Any:
        impair = torch.cat([noise, kept]), torch.cat([torch.full((5,), 3), classes])
        inputs, wanted = (impair, (kept, classes))[number]
        yield cross_entropy(network(inputs), wanted)

    settings: dict[str, Any] = {"noise": 5, "noise_steps": 3, "penalty": 0.2, "share": 1.0, "repair": Sgd(lr=0.1)}
    found = changed("unsir", data=data, **{**WHOLE, "epochs": 1}, **settings)[0]
    near(found, plainly(loss, 2))
    with pytest.raises(AssertionError):  # the fault: repair without having impaired
        near(found, plainly(lambda network, number: loss(network, 1), 2))
