"""Reports: one HTML page that needs nothing else and trusts nobody, and JUnit XML that parses."""

from __future__ import annotations

import re
from html.parser import HTMLParser
from typing import Any
from xml.etree import ElementTree as Xml

import pytest

from runwire.protocol.run_steps import RunStep
from runwire.reports.html import CSS, POLICY, html_page
from runwire.reports.junit import junit_xml
from runwire.reports.report import Ending, Picture, Report, ReportedRun, ending
from runwire.runs.state import RunStatus, Verdict
from runwire.runs.suite import SuiteStatus, counts_of

NASTY = "</style><script>alert('1')</script>\"' onload=x &amp; \ud800 \x00 \x1b[31m ]]>"

TAGS = "html head meta title style body header h1 h2 p ul ol li b main details summary span div pre img video"


def step(index: int, status: Any = "PASSED", **facts: Any) -> RunStep:
    return RunStep(index=index, text=f"Step {index}", status=status, duration_ms=1200, **facts)


def run(name: str = "Test", came_out: Ending = Ending.PASSED, **facts: Any) -> ReportedRun:
    chosen: dict[str, Any] = {
        "run_id": "r1",
        "name": name,
        "task": None,
        "configuration": None,
        "browser": {},
        "ending": came_out,
        "error": None,
        "created_ms": 1_700_000_000_000,
        "started_ms": 1_700_000_000_000,
        "ended_ms": 1_700_000_001_500,
        "steps": [step(1)],
        **facts,
    }
    return ReportedRun(**chosen)


class _Tags(HTMLParser):
    """Collects what a browser would see."""

    def __init__(self) -> None:
        super().__init__()
        self.tags: list[tuple[str, dict[str, str | None]]] = []
        self.text = ""

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append((tag, dict(attrs)))

    def handle_data(self, data: str) -> None:
        self.text += data


def seen(report: Report) -> _Tags:
    page = _Tags()
    page.feed(html_page(report).decode())
    return page


@pytest.mark.parametrize("place", ["name", "configuration", "task", "step", "error", "browser", "startup"])
def test_whatever_a_test_or_site_says_is_text(place: str) -> None:
    places: dict[str, dict[str, Any]] = {
        "name": {"name": NASTY},
        "configuration": {"configuration": NASTY},
        "task": {"task": NASTY},
        "step": {"steps": [RunStep(index=1, text=NASTY, status="PASSED")]},
        "error": {"came_out": Ending.FAILED, "steps": [step(1, "FAILED", error=NASTY)]},
        "browser": {"browser": {"user_agent": NASTY}},
        "startup": {"came_out": Ending.ERROR, "error": {"code": "startup_failed", "message": NASTY}},
    }
    facts = places[place]
    page = seen(Report("Suite" if place != "name" else NASTY, 0, [run(**facts)]))
    assert {tag for tag, _ in page.tags} <= set(TAGS.split())
    assert not any(name.startswith("on") for _, attributes in page.tags for name in attributes)
    assert "alert('1')" in page.text
    Xml.fromstring(junit_xml(Report(NASTY, 0, [run(**facts)])))


def test_the_page_asks_nobody_for_anything() -> None:
    picture = Picture(b"\x89PNG", "image/png")
    video = Picture(b"\x1a\x45", "video/webm")
    report = Report("R", 0, [run(steps=[step(1, artifact_id="a")], pictures={"a": picture}, video=video)])
    page = seen(report)
    sources = [value for _, attributes in page.tags for name, value in attributes.items() if name in ("src", "href")]
    assert sources == ["data:image/png;base64,iVBORw==", "data:video/webm;base64,GkU="]
    assert "url(" not in CSS
    assert "@import" not in CSS
    policies = [attributes["content"] for _, attributes in page.tags if "http-equiv" in attributes]
    assert policies == [POLICY]
    assert all(attributes.get("alt") for tag, attributes in page.tags if tag == "img")


def test_the_page_says_what_matters_first() -> None:
    failed = run("Checkout", Ending.FAILED, steps=[step(1), step(2, "FAILED", error="no button"), step(3, "SKIPPED")])
    page = seen(Report("Nightly", 0, [run("Search"), failed], left_out=2))
    assert re.search(r"2tests.*1passed.*1failed.*2/4steps passed", page.text, re.DOTALL)
    opened = [("open" in attributes) for tag, attributes in page.tags if attributes.get("class") == "run"]
    assert opened == [False, True], "what did not pass is open"
    assert "no button" in page.text
    assert "2 screenshots or videos are left out" in page.text


def test_junit_counts_and_groups_by_configuration() -> None:
    runs = [
        run("A", configuration="phone"),
        run("B", Ending.FAILED, configuration="phone", steps=[step(1, "FAILED", error="no")]),
        run("C", Ending.ERROR, error={"code": "startup_failed", "message": "no browser"}),
        run("D", Ending.UNFINISHED),
    ]
    root = Xml.fromstring(junit_xml(Report("Nightly", 1_700_000_000_000, runs)))
    assert {name: root.get(name) for name in ("tests", "failures", "errors", "skipped", "time", "timestamp")} == {
        "tests": "4",
        "failures": "1",
        "errors": "1",
        "skipped": "1",
        "time": "6.000",
        "timestamp": "2023-11-14T22:13:20",
    }
    assert [(suite.get("name"), suite.get("tests")) for suite in root] == [
        ("Nightly · phone", "2"),
        ("Nightly · default", "2"),
    ]
    failure, error = root.find(".//failure"), root.find(".//error")
    assert failure is not None
    assert failure.get("message") == "step 1, Step 1: no"
    assert error is not None
    assert error.get("type") == "startup_failed"


@pytest.mark.parametrize(
    ("status", "verdict", "expected"),
    [
        (RunStatus.SUCCEEDED, Verdict.PASSED, Ending.PASSED),
        (RunStatus.SUCCEEDED, None, Ending.PASSED),
        (RunStatus.SUCCEEDED, Verdict.FAILED, Ending.FAILED),
        (RunStatus.FAILED, None, Ending.ERROR),
        (RunStatus.CANCELLED, None, Ending.CANCELLED),
        (RunStatus.RUNNING, None, Ending.UNFINISHED),
    ],
)
def test_how_a_run_came_out(status: RunStatus, verdict: Verdict | None, expected: Ending) -> None:
    assert ending(status, verdict) is expected


PASSED = (RunStatus.SUCCEEDED, Verdict.PASSED)


@pytest.mark.parametrize(
    ("total", "runs", "status", "verdict"),
    [
        (2, [(RunStatus.QUEUED, None)] * 2, SuiteStatus.QUEUED, None),
        (2, [(RunStatus.QUEUED, None), PASSED], SuiteStatus.RUNNING, None),
        (2, [(RunStatus.WAITING, None), PASSED], SuiteStatus.RUNNING, None),
        (2, [PASSED] * 2, SuiteStatus.ENDED, Verdict.PASSED),
        (2, [(RunStatus.SUCCEEDED, Verdict.FAILED), PASSED], SuiteStatus.ENDED, Verdict.FAILED),
        (2, [(RunStatus.CANCELLED, None), PASSED], SuiteStatus.ENDED, Verdict.FAILED),
        (2, [(RunStatus.FAILED, None), PASSED], SuiteStatus.ENDED, Verdict.FAILED),
        (2, [PASSED], SuiteStatus.ENDED, Verdict.PASSED),
        (2, [], SuiteStatus.ENDED, None),
    ],
)
def test_a_suite_run_is_where_its_runs_are(
    total: int, runs: list[tuple[RunStatus, Verdict | None]], status: SuiteStatus, verdict: Verdict | None
) -> None:
    counts = counts_of(total, runs)
    assert (counts.status, counts.verdict) == (status, verdict)
