"""Claims and expectations of a run as test cases in JUnit's format, for continuous integration."""

from __future__ import annotations

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


def write_junit(run: Run, path: Path) -> None:
    """Write a finished run's claims and expectations as test cases, atomically.

    Disproved claims and unmet expectations are failures; a claim to be exact or certified that is not proven is skipped, with the reason.
    """
    suite = ElementTree.Element("testsuite", name=run.plan.name)
    for one in run.results["verdict"]["claims"]:
        case = ElementTree.SubElement(suite, "testcase", classname="claims", name=one_line(f"{one['what']}: {one['claim']}"))
        if one["verdict"] == "disproved":
            ElementTree.SubElement(case, "failure", message=one_line(one["why"]))
        elif one["verdict"] == "measured" and family(one["claim"]) in ("exact", "certified"):
            ElementTree.SubElement(case, "skipped", message=one_line(one["why"]))
    for one in run.results["expectations"]:
        name = f"expectation {one['expect']} {when(one['after'])}: {one['expected']}"
        case = ElementTree.SubElement(suite, "testcase", classname="expectations", name=one_line(name))
        if not one["met"]:
            ElementTree.SubElement(case, "failure", message=one_line(f"expected {one['expected']}; {one['found']}"))
    for name, found in (("tests", "testcase"), ("failures", "testcase/failure"), ("skipped", "testcase/skipped")):
        suite.set(name, str(len(suite.findall(found))))
    root = ElementTree.Element("testsuites")
    root.append(suite)
    ElementTree.indent(root)
    write_whole(path, '<?xml version="1.0" encoding="utf-8"?>\n' + ElementTree.tostring(root, encoding="unicode"))
