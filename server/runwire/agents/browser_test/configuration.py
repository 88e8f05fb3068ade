"""From a configuration as people write it to what a browser context is created with. Floor 4; pure."""

from __future__ import annotations

import msgspec

from runwire.contracts.browser import BrowserConfig
from runwire.protocol.browser_options import BrowserOptions
from runwire.protocol.devices import DEVICES, Device


def browser_config(options: BrowserOptions) -> BrowserConfig:
    """Return the context's options: the device's, and in their place what the configuration itself says."""
    device = DEVICES[options.device] if options.device is not None else Device(1280, 720)
    state = options.storage_state
    return BrowserConfig(
        width=device.width if options.viewport is None else options.viewport.width,
        height=device.height if options.viewport is None else options.viewport.height,
        locale=options.locale,
        timezone=options.timezone,
        user_agent=options.user_agent or device.user_agent,
        color_scheme=options.color_scheme,
        only_hosts=options.allow,
        scale=device.scale,
        mobile=device.mobile,
        touch=device.touch,
        http_auth=options.http_auth,
        storage_state=None if state is None else msgspec.json.encode(state).decode(),
    )
