"""Device presets of browser configurations. Floor 2; values only, so that a name is checked without any browser.

Sizes in CSS pixels, as the vendors give them; the browser is always Chromium, whatever the user agent says.
"""

from __future__ import annotations

from dataclasses import dataclass
from types import MappingProxyType
from typing import Final

_IOS = "Mozilla/5.0 ({}; CPU OS 18_5 like Mac OS X) AppleWebKit/605.1.15 (KHTML, like Gecko) Version/18.5 {}"
_ANDROID = "Mozilla/5.0 (Linux; Android 15; {}) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/137.0.0.0 {}"
_IPHONE = _IOS.format("iPhone", "Mobile/15E148 Safari/604.1")
_IPAD = _IOS.format("iPad", "Mobile/15E148 Safari/604.1")


@dataclass(frozen=True, slots=True)
class Device:
    """A screen and what it says of itself; ``user_agent`` None: the browser's own. ``scale`` is device pixels a CSS
    pixel."""

    width: int
    height: int
    scale: float = 1.0
    mobile: bool = False
    touch: bool = False
    user_agent: str | None = None


DEVICES: Final = MappingProxyType(
    {
        "Desktop": Device(1280, 720),
        "Desktop HiDPI": Device(1280, 720, 2.0),
        "Desktop Full HD": Device(1920, 1080),
        "iPhone SE": Device(375, 667, 2.0, mobile=True, touch=True, user_agent=_IPHONE),
        "iPhone 15": Device(393, 852, 3.0, mobile=True, touch=True, user_agent=_IPHONE),
        "iPad Mini": Device(744, 1133, 2.0, mobile=True, touch=True, user_agent=_IPAD),
        "Pixel 8": Device(
            412, 915, 2.625, mobile=True, touch=True, user_agent=_ANDROID.format("Pixel 8", "Mobile Safari/537.36")
        ),
        "Galaxy Tab S9": Device(
            753, 1205, 2.125, mobile=True, touch=True, user_agent=_ANDROID.format("SM-X710", "Safari/537.36")
        ),
    }
)
"""Every preset by the name that a configuration gives."""
