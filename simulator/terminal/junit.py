"""Claims and expectations of a run as test cases in JUnit's format, for continuous integration."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from xml.etree import ElementTree

from clients.unlearning.contract import family
from simulator.errors import LetheError, one_line
from simulator.runs.expectations import when
from simulator.runs.run import Run
from simulator.runs.written import write_whole


def check_place(path: Path) -> None:
    """Raise ``LetheError`` if no file can be written at a path; called before anything is played."""
    if path.is_dir():
        raise LetheError(f"--junit {path}: is a folder: name a file")
    if not path.absolute().parent.is_dir():
        raise LetheError(f"--junit {path}: there is no folder {path.absolute().parent}: make it first")


def write_junit(runs: Mapping[str, Run], path: Path, stopped: Mapping[str, str] | None = None) -> None:
    """Write the claims and expectations of finished runs as test cases, one suite per run under its name, atomically.

    Disproved claims and unmet expectations are failures; a claim to be exact or certified that is not proven is skipped, with the reason.
    A run in ``stopped``, which maps names to reasons, is an error.
    """
    root = ElementTree.Element("testsuites")
    root.extend(_suite(name, run) for name, run in runs.items())
    root.extend(_unfinished(name, why) for name, why in (stopped or {}).items())
    ElementTree.indent(root)
    write_whole(path, '<?xml version="1.0" encoding="utf-8"?>\n' + ElementTree.tostring(root, encoding="unicode"))


def _suite(name: str, run: Run) -> ElementTree.Element:
    suite = ElementTree.Element("testsuite", name=one_line(name))
    for one in run.results["verdict"]["claims"]:
        case = ElementTree.SubElement(suite, "testcase", classname="claims", name=one_line(f"{one['what']}: {one['claim']}"))
        if one["verdict"] == "disproved":
            ElementTree.SubElement(case, "failure", message=one_line(one["why"]))
        elif one["verdict"] == "measured" and family(one["claim"]) in ("exact", "certified"):
            ElementTree.SubElement(case, "skipped", message=one_line(one["why"]))
    for one in run.results["expectations"]:
        told = f"expectation {one['expect']} {when(one['after'])}: {one['expected']}"
        case = ElementTree.SubElement(suite, "testcase", classname="expectations", name=one_line(told))
        if not one["met"]:
            ElementTree.SubElement(case, "failure", message=one_line(f"expected {one['expected']}; {one['found']}"))
    return _counted(suite)


def _unfinished(name: str, why: str) -> ElementTree.Element:
    suite = ElementTree.Element("testsuite", name=one_line(name))
    case = ElementTree.SubElement(suite, "testcase", classname="run", name="finished")
    ElementTree.SubElement(case, "error", message=one_line(why))
    return _counted(suite)


def _counted(suite: ElementTree.Element) -> ElementTree.Element:
    outcomes = ("failures", "testcase/failure"), ("errors", "testcase/error"), ("skipped", "testcase/skipped")
    for count, found in (("tests", "testcase"), *outcomes):
        suite.set(count, str(len(suite.findall(found))))
    return suite
