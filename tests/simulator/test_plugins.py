"""What other distributions bring is found, and what is broken of it is answered in one line by those who use it, and by nobody else."""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from simulator import cli
from simulator.plugins import HOMES, registries

ROOT = Path(__file__).resolve().parents[2]
DEPARTURES = str(ROOT / "experiments" / "scenarios" / "departures.toml")

Install = Callable[..., None]
Lethe = Callable[..., tuple[object, str, str]]

WHOLE = """
from typing import ClassVar, Literal
from clients.unlearning.contract import Guarantee, UnlearnerSpec

class Own(UnlearnerSpec):
    implementation: ClassVar[str] = "clients.unlearning.exact.retraining:Retrained"
    guarantee: ClassVar[Guarantee] = "exact"
    summary: ClassVar[str] = "an example"
    source: ClassVar[str] = "a test"
    kind: Literal["own"] = "own"
"""

BROKEN: dict[str, tuple[str, str, str]] = {
    "module missing": ("own = elsewhere:Own", WHOLE, "elsewhere:Own cannot be imported (ModuleNotFoundError: No module named 'elsewhere')"),
    "a dependency missing": ("own = brought:Own", "import no_such_library", "No module named 'no_such_library'"),
    "syntax error": ("own = brought:Own", "class Own(:", "SyntaxError"),
    "raises": ("own = brought:Own", "raise RuntimeError('first\\nsecond')", "(RuntimeError: first)"),
    "exits": ("own = brought:Own", "raise SystemExit(0)", "(SystemExit: 0)"),
    "attribute missing": ("own = brought:Owner", WHOLE, "has no attribute 'Owner'"),
    "not a class": ("own = brought:Own", "Own = 7", "7 is no subclass of clients.unlearning.contract.UnlearnerSpec"),
    "another contract": (
        "own = brought:Own",
        "from clients.models.mlp import Mlp as Own",
        "Mlp is no subclass of clients.unlearning.contract.UnlearnerSpec",
    ),
    "no guarantee": (
        "own = brought:Own",
        WHOLE.replace('    guarantee: ClassVar[Guarantee] = "exact"\n', ""),
        "Own has no class variable guarantee",
    ),
    "unknown guarantee": ("own = brought:Own", WHOLE.replace('"exact"', '"total"'), "the guarantee 'total', which is none of exact, "),
    "no implementation": (
        "own = brought:Own",
        WHOLE.replace('= "clients.unlearning.exact.retraining:Retrained"', '= ""'),
        "names no implementation",
    ),
    "implementation missing": ("own = brought:Own", WHOLE.replace(":Retrained", ":Gone"), "retraining:Gone' cannot be imported"),
    "another tag": ("own = brought:Own", WHOLE.replace('"own"', '"mine"'), "has the kind 'mine' where kind: Literal[\"own\"]"),
    "no tag": ("own = brought:Own", WHOLE.replace('Literal["own"]', "str"), 'does not say kind: Literal["own"] = "own"'),
    "a field of a type that is not there": (
        "own = brought:Own",
        "from __future__ import annotations\n" + WHOLE + "    extra: Missing | None = None\n",
        "Own has a field of the type Missing, a name that its module does not define",
    ),
    "a built-in's name": ("retrain = brought:Own", WHOLE.replace('"own"', '"retrain"'), "that name is built in (lethe.unlearners)"),
}


@pytest.fixture
def install(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Install]:
    """Return a function that puts a distribution where Python looks; registries forget what they found, before and after."""

    def forget() -> None:
        for registry in registries():
            registry.__dict__.pop("plugins", None)
            registry.loaded.clear()
        sys.modules.pop("brought", None)

    def put(entry: str, module: str, group: str = "lethe.unlearners", name: str = "lethe-brought") -> None:
        folder = tmp_path / name
        information = folder / f"{name.replace('-', '_')}-2.1.dist-info"
        information.mkdir(parents=True)
        (information / "METADATA").write_text(f"Metadata-Version: 2.1\nName: {name}\nVersion: 2.1\n")
        (information / "entry_points.txt").write_text(f"[{group}]\n{entry}\n")
        (folder / "brought.py").write_text(module)
        monkeypatch.syspath_prepend(folder)
        forget()

    yield put
    monkeypatch.undo()
    forget()


@pytest.fixture
def lethe(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], tmp_path: Path) -> Lethe:
    """Return a function that plays the command line and returns exit status, output and errors."""

    def command(*arguments: str) -> tuple[object, str, str]:
        monkeypatch.setattr(sys, "argv", ["lethe", *arguments])
        monkeypatch.chdir(tmp_path)
        with pytest.raises(SystemExit) as left:
            cli.main()
        return left.value.code or 0, *capsys.readouterr()

    return command


@pytest.mark.parametrize("fault", BROKEN)
def test_a_broken_plugin_is_one_line_for_those_who_name_it(install: Install, lethe: Lethe, tmp_path: Path, fault: str) -> None:
    entry, module, words = BROKEN[fault]
    install(entry, module)
    kind = entry.partition(" ")[0]
    table = f'peers.main=[{{kind="{kind}", base={{kind="linear"}}}}]'
    code, output, errors = lethe("run", DEPARTURES, "--set", table)
    assert (code, output, errors.count("\n")) == (2, "", 1), errors
    assert f"peers.main.0: '{kind}' comes from the distribution lethe-brought 2.1" in errors
    assert words in errors
    assert "uninstall" in errors
    assert not (tmp_path / "runs").exists()
    listed = lethe("methods")[1]
    assert [words in line for line in listed.partition("broken: ")[2].splitlines()[1:]] == [True]


@pytest.mark.parametrize("fault", ["raises", "a built-in's name"])
def test_a_broken_plugin_stops_nobody_else(install: Install, lethe: Lethe, fault: str) -> None:
    install(*BROKEN[fault][:2])
    for command in (("check", DEPARTURES), ("schema",), ("methods",)):
        code, output, errors = lethe(*command)
        assert (code, errors) == (0, ""), command
        assert output


def test_a_whole_plugin_is_known_wherever_built_in_ones_are(install: Install, lethe: Lethe) -> None:
    install("own = brought:Own", WHOLE)
    assert "\nown " in lethe("methods")[1]
    assert "broken" not in lethe("methods")[1]
    assert '"own"' in lethe("schema")[1]
    errors = lethe("check", DEPARTURES, "--set", 'peers.main=[{kind="owm"}]')[2]
    assert "did you mean own?" in errors
    errors = lethe("check", DEPARTURES, "--set", 'peers.main=[{kind="own", base=3}]')[2]
    assert "peers.main.0.base: is not a key here" in errors


def test_two_distributions_cannot_share_a_name(install: Install, lethe: Lethe) -> None:
    install("own = brought:Own", WHOLE)
    install("own = brought:Own", WHOLE, name="lethe-other")
    code, _, errors = lethe("check", DEPARTURES, "--set", 'peers.main=[{kind="own"}]')
    assert code == 2
    assert "lethe-brought 2.1" in errors
    assert "lethe-other 2.1" in errors


def test_what_no_scenario_table_names_is_answered_too(install: Install, lethe: Lethe) -> None:
    install("classification/own = brought:Own", WHOLE, group="lethe.cells")
    code, _, errors = lethe("check", DEPARTURES, "--set", 'federation={kind="own"}')
    assert (code, errors.count("\n")) == (2, 1)
    assert "federation: 'classification/own' comes from the distribution lethe-brought 2.1, but Own is no subclass of " in errors


@pytest.mark.parametrize(
    ("group", "contract", "words"),
    [
        ("lethe.topologies", "from server.topology import TopologySpec as Base", "Own does not define draw"),
        ("lethe.events", "from simulator.events.contract import EventSpec as Base", "Own has no class variable stage"),
        ("lethe.models", "from clients.models import ModelSpec as Base", "Own does not define build"),
    ],
)
def test_each_contract_says_what_it_misses(install: Install, group: str, contract: str, words: str) -> None:
    from clients.plugins import PluginError, located

    install("own = brought:Own", f"{contract}\nclass Own(Base):\n    pass\n", group=group)
    with pytest.raises(PluginError, match=words):
        located(HOMES[group]).load("own")


def test_every_registry_of_the_tree_is_known() -> None:
    texts = [path.read_text() for room in ("clients", "server", "simulator") for path in (ROOT / room).rglob("*.py")]
    made = sum(text.count("] = Registry(") for text in texts)
    assert made == len(HOMES)
    for group, registry in zip(HOMES, registries(), strict=True):
        assert registry.group == group
        assert all(issubclass(one, registry.contract) for one in registry.specs())


def test_a_broken_audit_is_told_where_it_is_asked_for(install: Install, lethe: Lethe) -> None:
    install("own = brought:Own", "raise RuntimeError('gone')", group="lethe.audits")
    assert lethe("check", DEPARTURES)[0] == 0
    code, _, errors = lethe("check", DEPARTURES, "--set", "audit.own=true")
    assert (code, errors.count("\n")) == (2, 1)
    assert "audit.own: 'own' comes from the distribution lethe-brought 2.1, but brought:Own cannot be imported" in errors
