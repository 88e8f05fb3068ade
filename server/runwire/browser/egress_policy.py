"""Where a browser run may go, as rules. Floor 4; any thread; resolves nothing itself.

Deny by default what is not public: loopback, private, link-local (cloud metadata), multicast, reserved. The sample
site's origin and what the server's setting names are the exceptions.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field
from urllib.parse import urlsplit

from runwire.browser.debugging_port import is_marked
from runwire.errors import BrowserError
from runwire.protocol.addresses import Address, Allowed, allowed_by, matches, unmapped

SETTING = "browser_allow"
PROXY_HEADER = "x-runwire-egress"
"""Marks an answer that the proxy gave in the site's place: refused, or no connection."""
_PORTS = {"http": 80, "https": 443, "ws": 80, "wss": 443}


@dataclass(frozen=True, slots=True)
class EgressPolicy:
    """What one run may reach.

    ``origin`` is the sample site's (host, port). ``allowed`` may be visited although private; ``only_hosts``, if any,
    are the only names that may be visited at all. ``debugging`` is where the run's own browser listens for CDP: it is
    reached by a tunnel to exactly this address, as WebSockets are, and never as a page; another run's is not reached at
    all. ``errands`` are hosts that the browser asks on its own account: nobody is.
    """

    origin: tuple[str, int] | None = None
    allowed: Allowed = field(default_factory=lambda: Allowed(SETTING))
    only_hosts: tuple[str, ...] = ()
    debugging: tuple[str, int] | None = None
    errands: frozenset[str] = frozenset()

    def may_name(self, host: str, port: int) -> str | None:
        """Return why this name may not be visited, or None if its addresses are to be looked at."""
        if host in self.errands:
            return f"{host} is asked by the browser itself, not by a page"
        if self.only_hosts and not matches(host, self.only_hosts) and (host, port) != self.origin:
            return f"{host} is not among the hosts of this configuration ({', '.join(self.only_hosts)})"
        return None

    def may_connect(self, host: str, port: int, address: Address) -> str | None:
        """Return why ``address``, which ``host`` resolved to, may not be connected to, or None. Raises OSError."""
        plain = unmapped(address)
        if (plain.is_loopback or plain.is_unspecified) and is_marked(port):
            return "a browser's debugging port is no page"
        return None if (host, port) == self.origin else self.allowed.why_not(host, address)


def policy_of(allow: Iterable[str], sample_origin: str | None, only_hosts: tuple[str, ...] = ()) -> EgressPolicy:
    """Return the policy of a run from the server's setting, its sample origin and a configuration's hosts.

    Raises:
        ConfigurationError: an entry looks like a network and is none.
    """
    origin = None if sample_origin is None else host_and_port(sample_origin)
    lowered = tuple(host.lower() for host in only_hosts)
    return EgressPolicy(origin, allowed_by(SETTING, allow), lowered)


def host_and_port(url: str) -> tuple[str, int]:
    """Return the host in lower case and the port of an http, https, ws or wss address.

    Raises:
        BrowserError: another scheme, no host, or a port that is none.
    """
    try:
        parts = urlsplit(url)
        host, port = parts.hostname, parts.port
    except ValueError as error:
        raise BrowserError(f"{url[:200]!r} is no address: {error}") from error
    if parts.scheme not in _PORTS or not host:
        raise BrowserError(f"{url[:200]!r} may not be opened: only http and https addresses are")
    return host.rstrip(".").lower(), port or _PORTS[parts.scheme]


def check_page_address(url: str) -> None:
    """Raises BrowserError unless a page may be opened at ``url`` as far as its form goes: http, https, about:blank."""
    if url != "about:blank":
        if urlsplit(url).scheme not in ("http", "https"):
            raise BrowserError(f"{url[:200]!r} may not be opened: only http and https addresses are")
        host_and_port(url)
