"""A whole Chromium that is one run's own: what it is started with, and where it listens. Floor 4; pure, and files.

It is driven over the pipe like every other, so that it dies with the driver, and listens for CDP beside that.
"""

from __future__ import annotations

import hashlib
import os
import shlex
from pathlib import Path

from runwire.browser.ports import OwnSpec

NOWHERE = "http://127.0.0.1:9"
"""Where what Chromium fetches of its own accord is sent to: the port of discard, which the egress proxy refuses."""

ADDRESS_FILE = "DevToolsActivePort"
"""The file of the profile in which Chromium says where it listens: the port, and below it the path."""

ERRANDS = frozenset(
    {
        *(
            f"{name}.googleapis.com"
            for name in ("update", "content-autofill", "optimizationguide-pa", "clientservices")
        ),
        *(f"{name}.googleapis.com" for name in ("safebrowsing", "passwordsleakcheck-pa", "chromesyncpasswords-pa")),
        *(f"{name}.google.com" for name in ("clients2", "safebrowsing", "sb-ssl", "android.clients", "mtalk")),
        *("edgedl.me.gvt1.com", "redirector.gvt1.com", "dl.google.com", "tools.google.com"),
    }
)
"""Hosts that Chromium asks of its own accord where no switch keeps it from that, and that no site is made of."""

LEFT_OUT = ("--disable-extensions",)
"""What Playwright would add and an extension cannot live with."""


def arguments_of(own: OwnSpec) -> list[str]:
    """Return what the browser is started with beside what every browser is."""
    config = own.config
    origins = ",".join(f"chrome-extension://{extension_id(folder)}" for folder in own.extensions)
    arguments = [
        # With one dash Playwright does not take it for a wish to give up the pipe; Chromium does not mind.
        "-remote-debugging-port=0",
        # A page's script has an Origin, which is none of these; a program's connection has none and needs none.
        f"--remote-allow-origins={origins}",
        # A whole Chromium looks for updates and for who is logged in, which a headless shell does not.
        f"--component-updater=url-source={NOWHERE}/",
        *(f"--{name}={NOWHERE}" for name in ("gaia-url", "google-apis-url", "google-base-url")),
        f"--apps-gallery-update-url={NOWHERE}",
        f"--autofill-server-url={NOWHERE}/",
        f"--window-size={config.width},{config.height}",
    ]
    if own.extensions:
        arguments.append("--enable-unsafe-extension-debugging")
    if config.locale is not None:
        arguments.append(f"--accept-lang={config.locale}")
    if config.user_agent is not None:
        arguments.append(f"--user-agent={config.user_agent}")
    if config.scale != 1.0:
        arguments.append(f"--force-device-scale-factor={config.scale:g}")
    return arguments


def through(wrapper: str, profile: Path, folder: Path) -> Path:
    """Return a program, put into ``folder``, that starts a wrapper with the browser's arguments and another profile.

    The driver's own profile belongs to the server's user, and the wrapper's may not write there; a whole Chromium must.
    The last of two such switches counts, and the driver puts its own behind everything that it is given.
    """
    made = folder / "start"
    made.write_text(f'#!/bin/sh\nexec {shlex.quote(wrapper)} "$@" {shlex.quote(f"--user-data-dir={profile}")}\n')
    made.chmod(0o700)
    return made


def extension_id(folder: str) -> str:
    """Return the id that Chromium gives an unpacked extension without a key: sixteen bytes of its path's hash, in the
    letters a to p.
    """
    digest = hashlib.sha256(os.fsencode(os.path.realpath(folder))).hexdigest()[:32]
    return "".join(chr(ord("a") + int(digit, 16)) for digit in digest)


def listening_at(profile: Path) -> tuple[int, str] | None:
    """Return port and path at which the Chromium of this profile listens for CDP, or None as long as it does not."""
    try:
        lines = (profile / ADDRESS_FILE).read_text(encoding="ascii").splitlines()
    except OSError:
        return None
    return (int(lines[0]), lines[1]) if len(lines) > 1 else None
