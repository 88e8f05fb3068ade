"""Makes the pictures of the documents: ``python scripts/images.py``. A real server, a real Chromium, a real terminal.

``docs/images/page.png`` is the page that shows a run of the sample shop's test, ``live.png`` a browser that a person
has taken over, ``test.png`` the form of a test that is being written, ``terminal.png`` what the shop's test looks like
in a terminal, ``top.png`` what ``runwire top`` shows of a busy server. Nothing in them is drawn by hand: where the
program changes, `make images` makes them anew. One thread; server, browser and commands are
child processes with a time limit each.
"""

from __future__ import annotations

import os
import pty
import re
import signal
import struct
import subprocess
import sys
import termios
import time
from collections.abc import Iterator
from contextlib import contextmanager
from fcntl import ioctl
from io import StringIO
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

from playwright.sync_api import Browser, Page, ViewportSize, expect, sync_playwright
from rich.console import Console
from rich.terminal_theme import TerminalTheme
from rich.text import Text

from runwire.browser.executable import find_executable

ROOT = Path(__file__).resolve().parent.parent
IMAGES = ROOT / "docs/images"
RUNWIRE = Path(sys.executable).with_name("runwire")
TEST = "examples/tests/shop-passing.yaml"
COMMAND = f"runwire run browser-test {TEST}"

TOP = "runwire top --once"
STREAM = '{"steps": [{"burst": {"count": 100000, "interval_s": 0.005}}]}'
BUSY, BUSY_S = 7, 6.0  # two of them wait; long enough for all clients to have started
SILENT: Any = {"stdout": subprocess.DEVNULL, "stderr": subprocess.DEVNULL}

COLUMNS, ROWS = 80, 24
START_S, RUN_S, STOP_S = 30.0, 60.0, 10.0
PAGE_SIZE = ViewportSize(width=1280, height=720)
CHOSEN_STEP = 'Check "I accept the terms"'
WAITING = """
name: Check out with a person's address
url: /samples/shop/checkout.html
steps:
  - Verify text "Checkout"
  - Select "Express (1 day)" from "Delivery"
  - Wait for text "Thank you"
step_timeout_s: 60
"""
FILLED = {(380, 227): "Ada Lovelace", (380, 313): "ada@example.org"}
"""What the person writes, by places in the fields of the checkout, CSS pixels of its page."""
KEY_MS = 80  # a person's pace: each key goes through server and browser before the picture is taken
MISTAKEN = """Click link "Blue mug"
Select "2" from "Quantity"
Click
Verify text "Blue mug was added to your cart\""""
MOMENT_S = 1.0  # the page smooths its scrolling; a picture in between is blurred

COLOURS = TerminalTheme(
    (24, 26, 33),
    (214, 218, 228),
    [
        *((60, 64, 78), (240, 113, 120), (126, 211, 139), (233, 196, 106)),
        *((122, 162, 247), (187, 154, 247), (125, 207, 255), (214, 218, 228)),
    ],
)
FRAME = """<!doctype html><meta charset="utf-8"><style>
body {{ margin: 0; padding: 28px; background: #eef0f5; display: inline-block }}
.window {{ background: #181a21; border-radius: 10px; box-shadow: 0 8px 24px #0004; padding: 14px 20px 18px }}
.dots {{ height: 12px; margin-bottom: 14px; display: flex; gap: 8px }}
.dots i {{ width: 12px; height: 12px; border-radius: 50%; background: #3c404e }}
pre {{ margin: 0; font: 15px/1.45 "DejaVu Sans Mono", "Liberation Mono", monospace; color: #d6dae4 }}
</style><div class="window"><div class="dots"><i></i><i></i><i></i></div><pre>{lines}</pre></div>"""


def main() -> int:
    """Make the pictures and name them."""
    IMAGES.mkdir(parents=True, exist_ok=True)
    with TemporaryDirectory() as folder, chromium() as browser, server(Path(folder)) as login:
        show_pages(browser, login)
        show_terminal(browser, Path(folder), COMMAND, IMAGES / "terminal.png")
        with busy(Path(folder)):
            show_terminal(browser, Path(folder), TOP, IMAGES / "top.png")
    return 0


@contextmanager
def chromium() -> Iterator[Browser]:
    """Give the Chromium that the server itself would use."""
    executable = find_executable(os.environ.get("RUNWIRE_BROWSER_EXECUTABLE", ""))
    if executable is None:
        raise SystemExit("images: there is no Chromium; get one with: make chromium")
    arguments = ["--no-sandbox"] if os.geteuid() == 0 else []
    with sync_playwright() as driver:
        browser = driver.chromium.launch(executable_path=str(executable), args=arguments)
        try:
            yield browser
        finally:
            browser.close()


@contextmanager
def server(data: Path) -> Iterator[str]:
    """Run a server of our own on a free port; give its login address."""
    command = [str(RUNWIRE), "serve", "--port", "0", "--data", str(data), "--log-level", "error"]
    child = subprocess.Popen(command, cwd=ROOT, stdout=subprocess.PIPE, text=True)
    try:
        yield read_login(child)
    finally:
        child.terminate()
        try:
            child.wait(STOP_S)
        except subprocess.TimeoutExpired:
            child.kill()
            child.wait()
        finally:
            if child.stdout is not None:
                child.stdout.close()


def read_login(child: subprocess.Popen[str]) -> str:
    """Return the address that the server prints once it listens; an end of its output says that it never will."""
    assert child.stdout is not None
    for line in child.stdout:
        if line.startswith("Open"):
            return line.split()[1]
    raise SystemExit(f"images: the server ended with {child.wait(START_S)}")


def show_pages(browser: Browser, login: str) -> None:
    """Log in as a newcomer does, and photograph a browser test that has run, one in a hand, one being made."""
    page = browser.new_page(viewport=PAGE_SIZE, device_scale_factor=1.5, color_scheme="light")
    try:
        page.goto(login)
        start_run(page, "echo", "Hello")
        show_run(page, IMAGES / "page.png")
        show_live(page, IMAGES / "live.png")
        show_test(page, IMAGES / "test.png")
    finally:
        page.close()


def show_run(page: Page, target: Path) -> None:
    """Run the sample shop's test from the page, and photograph its end."""
    start_run(page, "browser-test", (ROOT / TEST).read_text(encoding="utf-8"))
    page.get_by_text(CHOSEN_STEP).click()
    photograph(page, target)


def show_live(page: Page, target: Path) -> None:
    """Take over the browser of a test that waits for a person, fill its form, and photograph that."""
    start_run(page, "browser-test", WAITING, waits=True)
    canvas = page.locator(".live canvas")
    expect(canvas).to_be_visible(timeout=RUN_S * 1000)
    expect(page.locator(".stage-head")).to_contain_text("Step 3/3", timeout=RUN_S * 1000)
    page.get_by_role("button", name="Take over").click()
    expect(page.get_by_text("You have control")).to_be_visible()
    box = canvas.bounding_box()
    assert box is not None
    for (x, y), text in FILLED.items():
        page.mouse.click(
            box["x"] + x / PAGE_SIZE["width"] * box["width"], box["y"] + y / PAGE_SIZE["height"] * box["height"]
        )
        page.keyboard.type(text, delay=KEY_MS)
    photograph(page, target)
    page.get_by_role("button", name="Stop").click()
    expect(page.locator(".chip")).to_have_text("Cancelled", timeout=RUN_S * 1000)


def show_test(page: Page, target: Path) -> None:
    """Write a test with a mistake in it, and photograph what the page says."""
    page.get_by_role("link", name="Tests").click()
    page.get_by_role("link", name="New test").click()
    page.get_by_label("Name", exact=True).fill("Buy two blue mugs")
    page.get_by_label(re.compile("^Steps")).fill(MISTAKEN)
    page.get_by_label("Device").select_option("iPhone 15")
    expect(page.locator(".line-fault")).to_have_count(1)
    photograph(page, target)


def photograph(page: Page, target: Path) -> None:
    """Photograph what the page shows once it stands still."""
    page.wait_for_timeout(MOMENT_S * 1000)
    page.screenshot(path=str(target))
    print(f"images: {target.relative_to(ROOT)}")


def start_run(page: Page, agent: str, text: str, *, waits: bool = False) -> None:
    """Start a run from the page's first view and wait for its end, unless it waits for a person."""
    page.get_by_role("link", name="New run").click()
    page.get_by_role("radio", name=agent).check()
    box = page.get_by_role("textbox", name=agent)
    if agent != "echo":  # the agent's example comes with the page's YAML reader, and would replace ours
        expect(box).not_to_have_value("")
    box.fill(text)
    page.get_by_role("button", name="Start the run").click()
    if not waits:
        expect(page.get_by_role("button", name="Retry")).to_be_visible(timeout=RUN_S * 1000)


@contextmanager
def busy(data: Path) -> Iterator[None]:
    """Have the server execute and queue a few runs that stream."""
    children = [
        subprocess.Popen([str(RUNWIRE), "run", "scripted", STREAM, "--data", str(data)], **SILENT) for _ in range(BUSY)
    ]
    try:
        time.sleep(BUSY_S)
        yield
    finally:
        for child in children:
            child.send_signal(signal.SIGINT)
        for child in children:
            child.wait(STOP_S)


def show_terminal(browser: Browser, data: Path, command: str, target: Path) -> None:
    """Run the command in a terminal of its own and photograph what stands there at its end."""
    shown = terminal_text(in_terminal(command, data))
    console = Console(record=True, file=StringIO(), width=COLUMNS, force_terminal=True, color_system="truecolor")
    console.print(Text.assemble(("$ ", "bold green"), (command, "bold"), "\n", shown), end="")
    lines = console.export_html(theme=COLOURS, code_format="{code}", inline_styles=True)
    page = browser.new_page(device_scale_factor=1.5)
    try:
        page.set_content(FRAME.format(lines=lines))
        page.locator("body").screenshot(path=str(target))
    finally:
        page.close()
    print(f"images: {target.relative_to(ROOT)}")


def in_terminal(command: str, data: Path) -> str:
    """Return what ``command`` writes to a terminal, on the server that uses ``data``."""
    program, *arguments = command.split()
    environment = {**os.environ, "RUNWIRE_DATA": str(data), "TERM": "xterm-256color"}
    mine, theirs = pty.openpty()
    ioctl(theirs, termios.TIOCSWINSZ, struct.pack("HHHH", ROWS, COLUMNS, 0, 0))
    child = subprocess.Popen(
        [str(RUNWIRE.with_name(program)), *arguments], cwd=ROOT, env=environment, stdout=theirs, stderr=theirs
    )
    os.close(theirs)
    try:
        shown = read_all(mine)
        if child.wait(STOP_S) != 0:
            raise SystemExit(f"images: `{command}` ended with {child.returncode}")
    finally:
        os.close(mine)
        child.kill()
        child.wait()
    return shown


def read_all(descriptor: int) -> str:
    """Return everything that comes until the other end closes, at most ``RUN_S`` seconds long."""
    os.set_blocking(descriptor, False)
    deadline, parts = time.monotonic() + RUN_S, list[bytes]()
    while time.monotonic() < deadline:
        try:
            parts.append(os.read(descriptor, 65_536))
        except BlockingIOError:
            time.sleep(0.05)
        except OSError:  # EIO: the last process that had the terminal has closed it
            break
    return b"".join(parts).decode()


def terminal_text(written: str) -> Text:
    """Return what is left on the screen: a line is what was written after its last return to the margin."""
    lines: list[str] = []
    for line in written.replace("\r\n", "\n").split("\n"):
        for _ in range(line.count("\x1b[1A")):  # one line up and erased: how a progress line is taken away
            lines.pop()
        lines.append(re.sub(r"\x1b\[\??[0-9;]*[A-Zhl]", "", line.rsplit("\x1b[2K", 1)[-1]))
    return Text.from_ansi("\n".join(lines).rstrip("\n"))


if __name__ == "__main__":
    sys.exit(main())
