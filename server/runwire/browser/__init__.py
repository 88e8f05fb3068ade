"""The browsers of a server: one host thread, one Playwright driver, few shells, a pool of contexts. Floor 4.

``host`` is the door (any thread); ``pool``, ``fleet``, ``seat``, ``egress`` run on the host's loop only; ``chromium``,
``page``, ``locate`` and ``perform`` are the only modules that see Playwright.
"""
