"""Which network addresses the server may go to for somebody else, as pure rules. Floor 2; any thread; resolves nothing.

Deny by default what is not public: loopback, private, link-local (cloud metadata), multicast, reserved. What a setting
of the server names is the exception. Used for the pages that runs visit and for the receivers of webhooks.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from fnmatch import fnmatchcase
from ipaddress import IPv4Address, IPv4Network, IPv6Address, IPv6Network, ip_address, ip_network

from runwire.errors import ConfigurationError

Address = IPv4Address | IPv6Address
Network = IPv4Network | IPv6Network

_NAT64 = IPv6Network("64:ff9b::/96")


@dataclass(frozen=True, slots=True)
class Allowed:
    """What is allowed although private: ``hosts`` are names or patterns, ``networks`` ranges of addresses; ``setting``
    is what an administrator would change."""

    setting: str
    hosts: tuple[str, ...] = ()
    networks: tuple[Network, ...] = ()

    def names(self, host: str) -> bool:
        """Return whether ``host`` is allowed by its name, wherever it leads."""
        return matches(host, self.hosts)

    def why_not(self, host: str, address: Address) -> str | None:
        """Return why ``address``, which ``host`` resolved to, may not be connected to, or None."""
        if self.names(host):
            return None
        plain = unmapped(address)
        if any(plain in network for network in self.networks if network.version == plain.version):
            return None
        if plain.is_global and not plain.is_multicast:
            return None
        return f"{host} leads to {plain}, which is not public; an administrator can add it to {self.setting}"


def allowed_by(setting: str, entries: Iterable[str]) -> Allowed:
    """Return what the entries of a setting allow.

    Raises:
        ConfigurationError: an entry looks like a network and is none.
    """
    hosts: list[str] = []
    networks: list[Network] = []
    for entry in entries:
        try:
            networks.append(ip_network(entry.strip("[]"), strict=False))
        except ValueError as error:
            if "/" in entry:
                raise ConfigurationError(f"{setting}: {entry!r} is no network: {error}") from error
            hosts.append(entry.lower())
    return Allowed(setting, tuple(hosts), tuple(networks))


def as_address(host: str) -> Address | None:
    """Return the address that ``host`` is written as, or None if it is a name."""
    try:
        return ip_address(host.strip("[]").partition("%")[0])
    except ValueError:
        return None


def matches(host: str, patterns: tuple[str, ...]) -> bool:
    """Return whether a name is one of the names or fits one of the patterns."""
    return any(fnmatchcase(host, pattern) for pattern in patterns)


def unmapped(address: Address) -> Address:
    """Look through the ways in which IPv6 carries an IPv4 address: each is a way around a list of IPv4 networks."""
    if isinstance(address, IPv6Address):
        inner = address.ipv4_mapped or address.sixtofour or (address.teredo or (None, None))[1]
        if inner is None and address in _NAT64:
            inner = IPv4Address(int(address) & 0xFFFF_FFFF)
        return inner or address
    return address
