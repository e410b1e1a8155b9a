from __future__ import annotations

from typing import Any, Literal

import numpy as np
import numpy.typing as npt
import pytest
import torch
from torch import Tensor
from torch.utils._python_dispatch import TorchDispatchMode

from clients.streams import generator
from server.revival.arithmetic import Arithmetic
from server.revival.attack import Revival
from server.revival.completion import complete, complete_layers
from server.revival.completion_specs import COMPLETIONS, CompletionSpec, PolarMomentum, PolarOnce, Published, SoftImpute, usual
from server.revival.polar import inverse_root_eigh, inverse_root_newton
from server.revival.stack import Completion, make_stack

Matrix = npt.NDArray[np.float64]
Mask = npt.NDArray[np.bool_]
RULES = [spec() for spec in COMPLETIONS.specs()]
ids = [rule.kind for rule in RULES]  # type: ignore[attr-defined]


def planted(seed: int, m: int = 24, n: int = 60, rank: int = 3, noise: float = 0.3, share: float = 0.1) -> tuple[Matrix, Mask]:
    rng = generator("completion test", seed)
    low = rng.standard_normal((m, rank)) @ rng.standard_normal((rank, n)) / np.sqrt(rank)
    return low + noise * rng.standard_normal((m, n)), rng.random((m, n)) < share


def reference(matrix: Matrix, missing: Mask, limit: int, tolerance: float, *, fault: str = "") -> tuple[Matrix, int]:
    """The published rule, line by line, in NumPy; ``fault`` plants an error that the comparison must notice."""
    z = matrix.copy()
    for j in range(z.shape[1]):
        column = matrix[~missing[:, j], j]
        z[missing[:, j], j] = 0.0 if fault == "zero start" else column.mean()
    older = z
    for i in range(limit):
        u, s, vt = np.linalg.svd(z, full_matrices=False)
        low = u @ np.diag(s - (s[-2] if fault == "second smallest" else s[-1])) @ vt
        new = low if fault == "observed not put back" else np.where(missing, low, matrix)
        against = z if fault == "one step" else older
        if i > 0 and np.linalg.norm(new - against) / np.linalg.norm(against) < tolerance:
            return new, i + 1
        older, z = z, new
    return z, limit


def solve(matrix: Matrix, missing: Mask, rule: CompletionSpec | None = None, **arithmetic: str) -> Completion:
    return complete(torch.from_numpy(matrix), torch.from_numpy(missing), rule, Arithmetic(**arithmetic))  # type: ignore[arg-type]


def sign_accuracy(truth: Matrix, result: Completion) -> float:
    missing = result.missing.numpy()
    return float((np.sign(result.values.numpy()) == np.sign(truth))[missing].mean())


@pytest.mark.parametrize("seed", range(5))
def test_published_rule_equals_the_plain_loop_after_every_iteration(seed: int) -> None:
    matrix, missing = planted(seed)
    for limit in range(1, 21):
        expected, _ = reference(matrix, missing, limit, 0.0)
        got = solve(matrix, missing, Published(limit=limit, tolerance=0.0))
        assert got.iterations == limit
        np.testing.assert_allclose(got.values.numpy(), expected, atol=1e-10, rtol=0)


@pytest.mark.parametrize("fault", ["zero start", "second smallest", "observed not put back"])
def test_the_comparison_notices_planted_faults(fault: str) -> None:
    matrix, missing = planted(0)
    expected, _ = reference(matrix, missing, 5, 0.0, fault=fault)
    got = solve(matrix, missing, Published(limit=5, tolerance=0.0))
    assert np.abs(got.values.numpy() - expected).max() > 1e-4


@pytest.mark.parametrize("shape", [(24, 60), (60, 24)])
def test_published_rule_stops_where_the_plain_loop_stops(shape: tuple[int, int]) -> None:
    matrix, missing = planted(1, *shape)
    expected, count = reference(matrix, missing, 500, 1e-5)
    got = solve(matrix, missing, Published())
    assert got.iterations == count
    assert got.stopped == "tolerance"
    np.testing.assert_allclose(got.values.numpy(), expected, atol=1e-9, rtol=0)
    assert reference(matrix, missing, 500, 1e-5, fault="one step")[1] != count


@pytest.mark.parametrize("rule", RULES, ids=ids)
@pytest.mark.parametrize("dtype", [torch.float16, torch.float32, torch.float64])
@pytest.mark.parametrize("precision", ["float32", "float64"])
def test_observed_entries_keep_their_bits(rule: CompletionSpec, dtype: torch.dtype, precision: str) -> None:
    matrix, missing = planted(2)
    weights, mask = torch.from_numpy(matrix).to(dtype), torch.from_numpy(missing)
    values = complete(weights, mask, rule, Arithmetic(precision=precision)).values  # type: ignore[arg-type]
    assert torch.equal(values.to(dtype)[~mask], weights[~mask])
    assert torch.equal(values[~mask], weights[~mask].to(values.dtype))
    assert not torch.equal(values[mask], weights[mask].to(values.dtype))


@pytest.mark.parametrize("rule", RULES, ids=ids)
def test_values_at_missing_places_are_never_read(rule: CompletionSpec) -> None:
    matrix, missing = planted(3)
    spoiled = np.where(missing, np.nan, matrix)
    assert torch.equal(solve(matrix, missing, rule).values, solve(spoiled, missing, rule).values)


@pytest.mark.parametrize("rule", RULES, ids=ids)
def test_an_empty_mask_returns_the_input(rule: CompletionSpec) -> None:
    matrix, missing = planted(3)
    result = solve(matrix, np.zeros_like(missing), rule)
    assert result.iterations == 0
    assert result.stopped == "nothing missing"
    np.testing.assert_array_equal(result.values.numpy(), matrix)


def test_threshold_at_the_smallest_singular_value_is_the_polar_step() -> None:
    matrix, _ = planted(4)
    u, s, vt = np.linalg.svd(matrix, full_matrices=False)
    root, largest = inverse_root_eigh(torch.from_numpy(matrix @ matrix.T)[None])
    polar = (root[0] @ torch.from_numpy(matrix)).numpy()
    np.testing.assert_allclose(u @ np.diag(s - s[-1]) @ vt, matrix - s[-1] * polar, atol=1e-12)
    assert float(largest) == pytest.approx(s[0], rel=1e-12)


def test_newton_schulz_gives_the_polar_factor() -> None:
    matrix, _ = planted(4)
    u, _, vt = np.linalg.svd(matrix, full_matrices=False)
    root = inverse_root_newton(torch.from_numpy(matrix @ matrix.T)[None])[0]
    np.testing.assert_allclose(root.numpy() @ matrix, u @ vt, atol=1e-9)


@pytest.mark.parametrize("rule", [PolarMomentum, PolarOnce])
@pytest.mark.parametrize("precision", ["float32", "float64"])
def test_both_roads_to_the_polar_factor_give_the_same_signs(rule: type[PolarMomentum] | type[PolarOnce], precision: str) -> None:
    matrix, missing = planted(5)
    by_eigh = solve(matrix, missing, rule(polar="eigh"), precision=precision).values[torch.from_numpy(missing)]
    by_products = solve(matrix, missing, rule(polar="newton"), precision=precision).values[torch.from_numpy(missing)]
    assert float((by_eigh.sign() == by_products.sign()).double().mean()) >= 0.99
    assert float((by_eigh - by_products).norm() / by_eigh.norm()) < 1e-3


def test_one_shot_signs_are_those_of_the_negative_polar_factor() -> None:
    matrix, missing = planted(5)
    u, _, vt = np.linalg.svd(np.where(missing, 0, matrix), full_matrices=False)
    got = solve(matrix, missing, PolarOnce()).values.numpy()
    assert (np.sign(got) == -np.sign(u @ vt))[missing].all()


def test_nuclear_norm_falls_and_its_gradient_vanishes() -> None:
    matrix, missing = planted(6, noise=1.0)
    result = solve(matrix, missing, Published(limit=500, tolerance=1e-9))
    assert all(b <= a + 1e-9 for a, b in zip(result.nuclear, result.nuclear[1:], strict=False))
    u, _, vt = np.linalg.svd(result.values.numpy(), full_matrices=False)
    assert np.abs((u @ vt)[missing]).mean() < 1e-3 * np.abs((u @ vt)[~missing]).mean()
    assert 1 <= result.effective_rank <= 24


def test_planted_rank_two_is_read_by_soft_impute_but_not_by_the_published_rule() -> None:
    matrix, missing = planted(7, 40, 120, rank=2, noise=0.0, share=0.05)
    assert sign_accuracy(matrix, solve(matrix, missing)) > 0.97
    stalled = solve(matrix, missing, Published())
    assert sign_accuracy(matrix, stalled) < 0.97
    assert stalled.stopped == "vanishing step"


@pytest.mark.parametrize("rule", RULES, ids=ids)
def test_independent_entries_leak_nothing(rule: CompletionSpec) -> None:
    rng = generator("independent entries")
    matrix, missing = rng.standard_normal((60, 150)), rng.random((60, 150)) < 0.15
    assert abs(sign_accuracy(matrix, solve(matrix, missing, rule)) - 0.5) < 3 * 0.5 / np.sqrt(missing.sum())


@pytest.mark.parametrize("rule", RULES, ids=ids)
def test_nothing_is_guessed_where_nothing_is_seen(rule: CompletionSpec) -> None:
    matrix, missing = planted(8)
    missing[:, 7], missing[3, :] = True, True
    result = solve(matrix, missing, rule)
    assert bool(result.values.isfinite().all())
    assert not result.confidence[:, 7].any()
    assert not result.confidence[3].any()
    assert bool((result.confidence[torch.from_numpy(missing)] > 0).any())


@pytest.mark.parametrize("rule", RULES, ids=ids)
def test_a_wholly_missing_matrix_is_finite(rule: CompletionSpec) -> None:
    matrix, missing = planted(8)
    assert not solve(matrix, np.ones_like(missing), rule).values.any()


@pytest.mark.parametrize("rule", RULES, ids=ids)
def test_permuting_permutes_the_result(rule: CompletionSpec) -> None:
    matrix, missing = planted(9)
    rng = generator("permutation")
    rows, columns = rng.permutation(len(matrix)), rng.permutation(matrix.shape[1])
    moved = solve(matrix[rows][:, columns], missing[rows][:, columns], rule).values.numpy()
    np.testing.assert_allclose(moved, solve(matrix, missing, rule).values.numpy()[rows][:, columns], atol=1e-8)


@pytest.mark.parametrize("rule", [SoftImpute(), PolarMomentum(), PolarOnce()], ids=lambda rule: rule.kind)
def test_transposing_transposes_the_result(rule: CompletionSpec) -> None:
    matrix, missing = planted(10)
    turned = solve(np.ascontiguousarray(matrix.T), np.ascontiguousarray(missing.T), rule)
    np.testing.assert_allclose(turned.values.numpy().T, solve(matrix, missing, rule).values.numpy(), atol=1e-10)


@pytest.mark.parametrize("rule", RULES, ids=ids)
def test_a_stack_equals_the_loop_over_its_items(rule: CompletionSpec) -> None:
    items = [planted(seed, share=0.03 * (seed + 1)) for seed in range(4)]
    weights, masks = [torch.from_numpy(w) for w, _ in items], [torch.from_numpy(m) for _, m in items]
    stack = make_stack(weights, masks, Arithmetic(), rule.whole)
    trace = rule.solve(stack)
    whole = torch.zeros(4, 24, 60, dtype=torch.float64)
    whole.scatter_(2, stack.columns[:, None, :].expand_as(stack.part), stack.part)
    for i in range(4):
        alone = complete(weights[i], masks[i], rule)
        assert alone.iterations == int(trace.iterations[i])
        torch.testing.assert_close(whole[i][masks[i]], alone.values[masks[i]], atol=1e-10, rtol=0)


def test_soft_impute_equals_a_plain_loop() -> None:
    matrix, missing = planted(11)
    z = np.where(missing, 0, matrix)
    lam = 0.1 * np.linalg.svd(z, compute_uv=False)[0]
    for _ in range(12):
        u, s, vt = np.linalg.svd(z, full_matrices=False)
        z = np.where(missing, u @ np.diag(np.maximum(s - lam, 0)) @ vt, matrix)
    got = solve(matrix, missing, SoftImpute(limit=12, tolerance=0.0))
    np.testing.assert_allclose(got.values.numpy(), z, atol=1e-10)


def test_momentum_equals_a_plain_loop() -> None:
    matrix, missing = planted(11)
    z, v = np.where(missing, 0, matrix), np.zeros_like(matrix)
    for i in range(60):
        u, s, vt = np.linalg.svd(z, full_matrices=False)
        v = 0.9 * v - 0.05 * s[0] * 0.97**i * (u @ vt) * missing
        z = z + v
    np.testing.assert_allclose(solve(matrix, missing, PolarMomentum()).values.numpy(), z, atol=1e-9)


def test_layers_come_back_by_name_with_progress() -> None:
    items = {f"layer{i}": planted(i, m=10 + i) for i in range(3)}
    seen: list[tuple[int, int]] = []
    weights: dict[str, Tensor] = {name: torch.from_numpy(w) for name, (w, _) in items.items()}
    masks = {name: torch.from_numpy(m) for name, (_, m) in items.items()}
    results = complete_layers(weights, masks, progress=lambda done, total: seen.append((done, total)))
    assert list(results) == list(items)
    assert seen == [(1, 3), (2, 3), (3, 3)]
    assert torch.equal(results["layer1"].values, complete(weights["layer1"], masks["layer1"]).values)


def test_bad_input_is_answered_in_one_line() -> None:
    matrix, missing = planted(0)
    weights, mask = torch.from_numpy(matrix), torch.from_numpy(missing)
    with pytest.raises(ValueError, match="layer matrix: wants a bool mask of shape"):
        complete(weights, mask[:-1])
    spoiled = weights.clone()
    spoiled[~mask] = torch.inf
    with pytest.raises(ValueError, match="not finite"):
        complete(spoiled, mask)
    with pytest.raises(ValueError, match="TF32"):
        complete(weights, mask, Published(), Arithmetic(precision="float32", tf32=True))
    if not torch.cuda.is_available():
        with pytest.raises(ValueError, match="no CUDA device"):
            complete(weights, mask, arithmetic=Arithmetic(device="cuda"))


class Reads(TorchDispatchMode):
    """Counts how often a tensor's value is read into Python, for which a GPU would have to be waited for."""

    count = 0

    def __torch_dispatch__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        self.count += func is torch.ops.aten._local_scalar_dense.default
        return func(*args, **(kwargs or {}))


def reads(rule: CompletionSpec) -> int:
    items = [planted(seed) for seed in range(3)]
    stack = make_stack([torch.from_numpy(w) for w, _ in items], [torch.from_numpy(m) for _, m in items], Arithmetic(), rule.whole)
    with Reads() as counter:
        rule.solve(stack)
    return counter.count


@pytest.mark.parametrize("polar", ["newton", "eigh"])
def test_polar_rules_read_nothing_back_on_their_way(polar: Literal["newton", "eigh"]) -> None:
    assert reads(PolarMomentum(polar=polar)) == reads(PolarOnce(polar=polar)) == 0
    assert reads(SoftImpute(limit=20, tolerance=0.0)) == 20, "a rule with a stop test looks at it"


def test_on_cuda_the_usual_rule_is_the_one_that_reads_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    told = Revival(completion=SoftImpute(share=0.2))
    assert isinstance(usual(Arithmetic(device="cpu")), SoftImpute)
    monkeypatch.setattr(torch.cuda, "is_available", lambda: True)
    here, on_cpu = Revival().settled(), Revival().settled("cpu")
    assert (here.arithmetic.device, here.completion) == ("cuda", PolarMomentum())
    assert (on_cpu.arithmetic.device, on_cpu.completion) == ("cpu", SoftImpute())
    assert told.settled().completion == told.completion, "a rule that is named stays"


def test_a_completion_stays_where_the_weights_are(monkeypatch: pytest.MonkeyPatch) -> None:
    matrix, missing = planted(4)
    monkeypatch.setattr(torch.cuda, "is_available", lambda: True)  # a device that nothing is sent to
    assert complete(torch.from_numpy(matrix), torch.from_numpy(missing)).stopped == "tolerance"


@pytest.mark.gpu
@pytest.mark.skipif(not torch.cuda.is_available(), reason="torch finds no CUDA device here; `make gpu` runs this where there is one")
@pytest.mark.parametrize("rule", RULES, ids=ids)
def test_cuda_agrees_with_the_cpu(rule: CompletionSpec) -> None:
    matrix, missing = planted(12)
    on_cpu, on_cuda = solve(matrix, missing, rule, device="cpu"), solve(matrix, missing, rule, device="cuda")
    assert on_cuda.iterations == on_cpu.iterations
    assert float((on_cpu.values.sign() == on_cuda.values.sign()).double().mean()) > 0.999
