"""A report as JUnit XML, the form that CI systems read. Floor 3; pure.

A ``testsuite`` for each browser configuration, a ``testcase`` for each run; a verdict ``failed`` is a ``failure``, a
run that could not be carried out an ``error``, one that has not ended or was cancelled is ``skipped``.
"""

from __future__ import annotations

import re
from xml.etree import ElementTree as Xml

from runwire.reports.report import Ending, Report, ReportedRun, moment

_NOT_XML = re.compile("[^\t\n\r\x20-\ud7ff\ue000-\ufffd\U00010000-\U0010ffff]")
"""Characters that XML 1.0 cannot hold, however they are written (section 2.2)."""


def junit_xml(report: Report) -> bytes:
    """Return the document, UTF-8."""
    root = Xml.Element("testsuites", _totals(report, report.name))
    groups: dict[str, list[ReportedRun]] = {}
    for run in report.runs:
        groups.setdefault(run.configuration or "default", []).append(run)
    for configuration, runs in groups.items():
        part = Report(report.name, min(run.created_ms for run in runs), runs)
        suite = Xml.SubElement(root, "testsuite", _totals(part, f"{report.name} · {configuration}"))
        for run in runs:
            _case(suite, run, f"{report.name}.{configuration}")
    Xml.indent(root)
    document: bytes = Xml.tostring(root, encoding="UTF-8", xml_declaration=True)
    return document + b"\n"


def _totals(report: Report, name: str) -> dict[str, str]:
    return {
        "name": _clean(name),
        "tests": str(len(report.runs)),
        "failures": str(report.count(Ending.FAILED)),
        "errors": str(report.count(Ending.ERROR)),
        "skipped": str(report.count(Ending.CANCELLED, Ending.UNFINISHED)),
        "time": f"{report.duration_s:.3f}",
        "timestamp": f"{moment(report.created_ms):%Y-%m-%dT%H:%M:%S}",
    }


def _case(suite: Xml.Element, run: ReportedRun, group: str) -> None:
    facts = {"name": _clean(run.name), "classname": _clean(group), "time": f"{run.duration_s:.3f}"}
    case = Xml.SubElement(suite, "testcase", facts)
    properties = Xml.SubElement(case, "properties")
    for name, value in (("run_id", run.run_id), ("task", run.task)):
        if value is not None:
            Xml.SubElement(properties, "property", {"name": name, "value": _clean(value)})
    kind = {Ending.FAILED: "failure", Ending.ERROR: "error", Ending.PASSED: None}.get(run.ending, "skipped")
    if kind is not None:
        complaint = Xml.SubElement(case, kind, {"message": _clean(run.complaint)})
        if kind != "skipped":
            complaint.set("type", _clean(str((run.error or {}).get("code", "verdict"))))
            complaint.text = _clean(run.complaint)
    lines = [
        f"{step.index}. {step.status} {step.text}" + (f"\n    {step.error}" if step.error else "") for step in run.steps
    ]
    Xml.SubElement(case, "system-out").text = _clean("\n".join(lines))


def _clean(text: str) -> str:
    return _NOT_XML.sub("\ufffd", text)
