"""Where a browser run may go, as pure rules. Floor 4; any thread; resolves nothing itself.

Deny by default what is not public: loopback, private, link-local (cloud metadata), multicast, reserved. The sample
site's origin and what the server's setting names are the exceptions.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from fnmatch import fnmatchcase
from ipaddress import IPv4Address, IPv4Network, IPv6Address, IPv6Network, ip_address, ip_network
from urllib.parse import urlsplit

from runwire.errors import BrowserError, ConfigurationError

Address = IPv4Address | IPv6Address
PROXY_HEADER = "x-runwire-egress"
"""Marks an answer that the proxy gave in the site's place: refused, or no connection."""
_PORTS = {"http": 80, "https": 443, "ws": 80, "wss": 443}


@dataclass(frozen=True, slots=True)
class EgressPolicy:
    """What one run may reach.

    ``origin`` is the sample site's (host, port). ``allow_hosts`` are names or patterns, ``allow_networks`` address
    ranges that may be visited although private; ``only_hosts``, if any, are the only names that may be visited at all.
    """

    origin: tuple[str, int] | None = None
    allow_hosts: tuple[str, ...] = ()
    allow_networks: tuple[IPv4Network | IPv6Network, ...] = ()
    only_hosts: tuple[str, ...] = ()

    def may_name(self, host: str, port: int) -> str | None:
        """Return why this name may not be visited, or None if its addresses are to be looked at."""
        if self.only_hosts and not _matches(host, self.only_hosts) and (host, port) != self.origin:
            return f"{host} is not among the hosts of this configuration ({', '.join(self.only_hosts)})"
        return None

    def may_connect(self, host: str, port: int, address: Address) -> str | None:
        """Return why ``address``, which ``host`` resolved to, may not be connected to, or None."""
        if (host, port) == self.origin or _matches(host, self.allow_hosts):
            return None
        plain = _unmapped(address)
        if any(plain in network for network in self.allow_networks if network.version == plain.version):
            return None
        if plain.is_global and not plain.is_multicast:
            return None
        return f"{host} leads to {plain}, which is not public; an administrator can add it to browser_allow"


def policy_of(allow: Iterable[str], sample_origin: str | None, only_hosts: tuple[str, ...] = ()) -> EgressPolicy:
    """Return the policy of a run from the server's setting, its sample origin and a configuration's hosts.

    Raises:
        ConfigurationError: an entry looks like a network and is none.
    """
    hosts: list[str] = []
    networks: list[IPv4Network | IPv6Network] = []
    for entry in allow:
        try:
            networks.append(ip_network(entry.strip("[]"), strict=False))
        except ValueError as error:
            if "/" in entry:
                raise ConfigurationError(f"browser_allow: {entry!r} is no network: {error}") from error
            hosts.append(entry.lower())
    origin = None if sample_origin is None else host_and_port(sample_origin)
    lowered = tuple(host.lower() for host in only_hosts)
    return EgressPolicy(origin, tuple(hosts), tuple(networks), lowered)


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


def as_address(host: str) -> Address | None:
    """Return the address that ``host`` is written as, or None if it is a name."""
    try:
        return ip_address(host.strip("[]").partition("%")[0])
    except ValueError:
        return None


def _matches(host: str, patterns: tuple[str, ...]) -> bool:
    return any(fnmatchcase(host, pattern) for pattern in patterns)


def _unmapped(address: Address) -> Address:
    """Look through the ways in which IPv6 carries an IPv4 address: each is a way around a list of IPv4 networks."""
    if isinstance(address, IPv6Address):
        inner = address.ipv4_mapped or address.sixtofour or (address.teredo or (None, None))[1]
        if inner is None and address in _NAT64:
            inner = IPv4Address(int(address) & 0xFFFF_FFFF)
        return inner or address
    return address


_NAT64 = IPv6Network("64:ff9b::/96")
