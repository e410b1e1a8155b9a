"""What the command line and Python say of seeds and values is taken as it stands, or refused in one line."""

from __future__ import annotations

import tomllib
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from simulator.errors import LetheError
from simulator.sweeps.variants import AS_IT_IS, as_toml, check_seeds, seeds_of, variants, varied

PLAIN = st.recursive(
    st.booleans() | st.integers(-(2**63), 2**63 - 1) | st.floats(allow_nan=False) | st.text(st.characters(exclude_categories=("Cs",))),
    lambda inner: st.lists(inner) | st.dictionaries(st.text(st.characters(exclude_categories=("Cs",)), min_size=1), inner),
    max_leaves=8,
)


def test_the_end_of_a_range_of_seeds_is_left_out() -> None:
    assert seeds_of("0:5") == range(5)
    assert seeds_of("7:8") == range(7, 8)


@pytest.mark.parametrize("text", ["5", "5:5", "5:3", "-1:4", "0:", ":", "a:b", "0:5:2", "0 : 5", ""])
def test_what_is_no_range_of_seeds_is_refused(text: str) -> None:
    with pytest.raises(LetheError, match=r"^--seeds .*: write FIRST:END, for example 0:5"):
        seeds_of(text)


@pytest.mark.parametrize(("seeds", "said"), [([], "none"), ([1, 2, 1], "1 is given twice"), ([-1], "-1 is no seed"), ([True], "no seed")])
def test_seeds_from_python_are_checked(seeds: list[int], said: str) -> None:
    with pytest.raises(LetheError, match=said):
        check_seeds(seeds)
    assert check_seeds(range(3)) == (0, 1, 2)


def test_every_choice_of_values_is_a_variant_and_the_last_key_changes_fastest() -> None:
    vary = varied(["data.partition.alpha=[0.1, 1]", 'topology.kind = ["ring", "complete"]'])
    found = variants(vary, 5)
    assert [one.label for one in found[:2]] == [
        'data.partition.alpha = 0.1, topology.kind = "ring"',
        'data.partition.alpha = 0.1, topology.kind = "complete"',
    ]
    assert len(found) == 4
    assert found[3].overrides == ("data.partition.alpha=1", 'topology.kind="complete"')
    assert found[3].cells == {"data.partition.alpha": 1, "topology.kind": "complete"}
    (alone,) = variants({}, 5)
    assert (alone.label, alone.overrides) == (AS_IT_IS, ())


@pytest.mark.parametrize("setting", ["a.b", "a.b=", "a.b=3", "=[1]", "a.b=[ring]", "a.b=[1]\nc = 2", "a.b=[1"])
def test_what_is_no_key_with_values_is_refused(setting: str) -> None:
    with pytest.raises(LetheError, match=r"^--vary .*: is no key with a list of values: write key\.path=\[value, value\]") as caught:
        varied([setting])
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize(
    ("vary", "seeds", "said"),
    [
        ({"a": []}, 1, "has no values"),
        ({"a": [1, 2, 1]}, 1, "1 is given twice"),
        ({"a": "ring"}, 1, "is no list of values"),
        ({"a": [None]}, 1, "cannot stand in a scenario file"),
        ({"seed": [1, 2]}, 1, "--seeds"),
        ({"a": list(range(101))}, 100, "10100 runs are more than 10000"),
    ],
)
def test_an_empty_doubled_or_endless_choice_is_refused(vary: dict[str, Any], seeds: int, said: str) -> None:
    with pytest.raises(LetheError, match=said):
        variants(vary, seeds)
    with pytest.raises(LetheError, match="varied twice"):
        varied(["a=[1]", "a=[2]"])


@given(PLAIN)
def test_values_written_as_toml_are_read_again(value: Any) -> None:
    text = as_toml(value)
    assert "\n" not in text
    assert tomllib.loads(f"value = {text}") == {"value": value}
