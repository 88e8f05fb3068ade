"""What a route asks of whoever calls it. Floor 4; pure. Every route declares one; start-up fails where one is
missing.
"""

from __future__ import annotations

from enum import Enum


class Policy(Enum):
    """Who may call a route."""

    PUBLIC = "public"
    """Anybody: health, the page's files, the login itself."""

    USER = "user"
    """A known user, by token or cookie (HTTP) or by token or ticket (sockets); sees own objects alone."""

    VISITOR = "visitor"
    """Whoever holds the share link that the path names, by its cookie or as a bearer; sees what is shared alone."""

    ADMIN = "admin"
    """A known user with the admin mark."""
