"""A report as one HTML page that needs nothing else: no script, no address outside, pictures inside. Floor 3; pure.

Everything that a test or a site has said is escaped text. The page forbids itself what it does not need (CSP), as a
file on a disk too; whoever serves it sends :data:`POLICY` as a header besides.
"""

from __future__ import annotations

import base64
import hashlib
from collections.abc import Iterator
from html import escape
from importlib.resources import files

from runwire.protocol.run_steps import RunStep
from runwire.reports.report import Ending, Report, ReportedRun, moment

CSS = files("runwire.reports").joinpath("page.css").read_text(encoding="utf-8")
POLICY = (
    "default-src 'none'; img-src data:; media-src data:; base-uri 'none'; form-action 'none'; "
    f"style-src 'sha256-{base64.b64encode(hashlib.sha256(CSS.encode()).digest()).decode()}'"
)
_CLASSES = {Ending.UNFINISHED: "unfinished"}
_STATES = {
    "PASSED": ("passed", "✓ passed"),
    "FAILED": ("failed", "✗ failed"),
    "SKIPPED": ("soft", "– skipped"),
    "PENDING": ("soft", "… pending"),
    "NOT_FINISHED": ("unfinished", "– not finished"),
}
_MARKS = {Ending.PASSED: "✓", Ending.FAILED: "✗", Ending.ERROR: "✗"}


def html_page(report: Report) -> bytes:
    """Return the page, UTF-8."""
    return "".join(_page(report)).encode("utf-8", "replace")


def _page(report: Report) -> Iterator[str]:
    title = escape(report.name)
    yield (
        '<!doctype html>\n<html lang="en"><head><meta charset="utf-8">'
        f'<meta http-equiv="Content-Security-Policy" content="{escape(POLICY)}">'
        '<meta name="viewport" content="width=device-width,initial-scale=1">'
        f"<title>{title} · test report</title><style>{CSS}</style></head><body>\n"
    )
    yield f"<header><h1>{title}</h1>"
    yield f'<p class="soft">{moment(report.created_ms):%Y-%m-%d %H:%M:%S} UTC'
    yield f" · {_seconds(report.duration_s)} of running</p>"
    yield from _tiles(report)
    yield "</header>\n<main>\n"
    if len(report.runs) > 1:
        yield from _table(report)
    yield "<h2>Steps</h2>\n"
    for number, run in enumerate(report.runs, start=1):
        yield from _run(run, number, alone=len(report.runs) == 1)
    if report.left_out:
        yield f'<p class="soft">{report.left_out} screenshots or videos are left out: the page would be too large.</p>'
    yield "</main></body></html>\n"


def _tiles(report: Report) -> Iterator[str]:
    yield '<ul class="tiles">'
    yield f"<li><b>{len(report.runs)}</b>{'test' if len(report.runs) == 1 else 'tests'}</li>"
    for one in Ending:
        if count := report.count(one):
            yield f'<li class="{_class(one)}"><b>{count}</b>{one}</li>'
    steps = sum(len(run.steps) for run in report.runs)
    yield f"<li><b>{sum(run.passed_steps for run in report.runs)}/{steps}</b>steps passed</li></ul>"


def _table(report: Report) -> Iterator[str]:
    yield '<h2>Tests</h2>\n<div class="scroll"><table><thead><tr><th>Result</th><th>Test</th><th>Configuration</th>'
    yield '<th class="number">Steps</th><th class="number">Time</th></tr></thead><tbody>\n'
    for number, run in enumerate(report.runs, start=1):
        yield (
            f'<tr><td class="{_class(run.ending)}">{_marked(run.ending)}</td>'
            f'<td><a href="#run-{number}">{escape(run.name)}</a></td><td>{escape(run.configuration or "default")}</td>'
            f'<td class="number">{run.passed_steps}/{len(run.steps)}</td>'
            f'<td class="number">{_seconds(run.duration_s)}</td></tr>\n'
        )
    yield "</tbody></table></div>\n"


def _run(run: ReportedRun, number: int, *, alone: bool) -> Iterator[str]:
    opened = " open" if alone or run.ending is not Ending.PASSED else ""
    yield f'<details class="run" id="run-{number}"{opened}><summary><span class="{_class(run.ending)}">'
    yield f"{_marked(run.ending)}</span> {escape(run.name)}"
    yield f' <span class="soft">{escape(run.configuration or "default")} · {run.passed_steps}/{len(run.steps)} steps'
    yield f' · {_seconds(run.duration_s)}</span></summary>\n<div class="inside">'
    facts = [f"run {run.run_id}", *([] if run.task is None else [f"test {run.task}"])]
    facts += [f"{name} {_fact(value)}" for name, value in run.browser.items()]
    yield f'<p class="soft">{escape(" · ".join(facts))}</p>'
    if run.ending is Ending.ERROR:
        yield f"<pre>{escape(run.complaint)}</pre>"
    yield '<ol class="steps">\n'
    for step in run.steps:
        yield from _step(run, step)
    yield "</ol>"
    if run.video is not None:
        data = base64.b64encode(run.video.data).decode()
        yield '<video controls preload="metadata" aria-label="The run as a video" '
        yield f'src="data:{run.video.mime};base64,{data}"></video>'
    yield "</div></details>\n"


def _step(run: ReportedRun, step: RunStep) -> Iterator[str]:
    css, word = _STATES[step.status]
    took = "" if step.duration_ms is None or step.status == "SKIPPED" else _seconds(step.duration_ms / 1000)
    yield f'<li><span class="soft">{step.index}</span><span class="state {css}">{word}</span>'
    yield f'<span class="what">{escape(step.text)}</span><span class="took">{took}</span>'
    if step.error:
        yield f'<div class="wide"><pre>{escape(step.error)}</pre></div>'
    picture = run.pictures.get(step.artifact_id or "")
    if picture is not None:
        data = base64.b64encode(picture.data).decode()
        opened = " open" if step.status == "FAILED" else ""
        yield f'<div class="wide"><details class="shot"{opened}><summary><img loading="lazy" '
        yield f'alt="The page after step {step.index}" src="data:{picture.mime};base64,{data}">'
        yield "</summary></details></div>"
    yield "</li>\n"


def _class(one: Ending) -> str:
    return _CLASSES.get(one, one.value)


def _marked(one: Ending) -> str:
    return f"{_MARKS.get(one, '–')} {one}"


def _fact(value: object) -> str:
    if isinstance(value, dict):
        return "×".join(str(inner) for inner in value.values())
    return ", ".join(map(str, value)) if isinstance(value, list | tuple) else str(value)


def _seconds(seconds: float) -> str:
    if seconds < 1:
        return f"{seconds * 1000:.0f} ms"
    return f"{seconds:.1f} s" if seconds < 60 else f"{int(seconds // 60)} min {seconds % 60:.0f} s"
