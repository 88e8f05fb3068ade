"""Hostile content in every field that an agent can fill: no script runs, nothing is fetched."""

from __future__ import annotations

import re

import pytest
from playwright.sync_api import expect

from tests.e2e.web_page.pages import PageServer, Watched, every_field, message, open_run

HOSTILE = [
    "<script>window.hacked=1</script>",
    '<img src=x onerror="window.hacked=1"><svg onload="window.hacked=1"><use href="https://evil.example/x.svg#a"/></svg>',
    "[click](javascript:window.hacked=1) [data](data:text/html,<script>window.hacked=1</script>)",
    "<javascript:window.hacked=1> <https://example.com> javascript:window.hacked=1",
    "![pixel](https://evil.example/pixel.png) ![r][ref]\n\n[ref]: https://evil.example/ref.png",
    "<style>body{background:url(https://evil.example/css)}</style><link rel=stylesheet href=https://evil.example/s.css>",
    '<iframe src="javascript:parent.hacked=1"></iframe><base href="https://evil.example/">',
    "<form action=https://evil.example><button>x</button></form><object data=https://evil.example/o></object>",
    "$\\href{javascript:window.hacked=1}{x}$ `<script>window.hacked=1</script>`",
    "```html\n<script>window.hacked=1</script>\n```",
    '<a href="vbscript:x">a</a> [rel](//evil.example/x) [file](file:///etc/passwd) [path](/v1/runs)',
    '<math><mtext><table><mglyph><style><!--</style><img title="--&gt;&lt;img src=1 onerror=window.hacked=1&gt;">',
]


@pytest.mark.parametrize("number", range(len(HOSTILE)))
def test_hostile_text_runs_no_script_and_fetches_nothing(watched: Watched, server: PageServer, number: int) -> None:
    text = HOSTILE[number]
    # Split over deltas: half a tag must do no harm either.
    deltas = [text[at : at + 3] for at in range(0, len(text), 3)]
    steps = [*message(deltas), *({"emit": event} for event in every_field(text)), {"fail": text}]
    run_id = server.start("scripted", {"steps": steps})
    page = open_run(watched, server, run_id)
    expect(page.locator(".chip")).to_have_text("Failed")
    page.locator(".transcript").evaluate("box => box.scrollTop = 0")
    expect(page.locator(".md:not(.plain)").first).to_be_attached()
    page.evaluate("document.querySelectorAll('[aria-expanded=false]').forEach(button => button.click())")
    page.wait_for_timeout(200)
    assert page.evaluate("window.hacked") is None
    inside = ".rows :is(script, style, iframe, object, embed, form, base, link, svg use, math, [onerror], [onload])"
    assert page.locator(inside).count() == 0
    links = page.locator(".rows a[href]").evaluate_all("found => found.map(link => link.getAttribute('href'))")
    assert all(re.match(r"(https?://|mailto:)", link) for link in links), links
    pictures = page.locator(".rows img").count()
    assert pictures == 0


def test_a_good_link_works_and_tells_the_other_side_nothing(watched: Watched, server: PageServer) -> None:
    run_id = server.start("scripted", {"steps": message(["See [the report](https://example.com/r) and <b>this</b>"])})
    page = open_run(watched, server, run_id)
    link = page.locator(".rows a", has_text="the report")
    expect(link).to_have_attribute("href", "https://example.com/r")
    expect(link).to_have_attribute("rel", "noopener noreferrer nofollow ugc")
    expect(page.locator(".rows")).to_contain_text("<b>this</b>")
