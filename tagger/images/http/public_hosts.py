"""Protects against server-side request forgery: no image is fetched from private networks, this machine or its cloud.

The connection goes to the address that was checked, so that a second DNS lookup cannot return another one.
"""

import ipaddress
import socket
from collections.abc import Sequence
from ipaddress import IPv4Address, IPv6Address

_NAT64 = (ipaddress.ip_network("64:ff9b::/96"), ipaddress.ip_network("64:ff9b:1::/48"))  # NAT64: RFC 6052, 8215
_CARRIER_GRADE_NAT = ipaddress.ip_network("100.64.0.0/10")  # carrier-grade NAT: RFC 6598
_MAX_ADDRESSES = 3


class PrivateAddressError(Exception):
    """All addresses of a host are private."""


def private_kind(address: str) -> str | None:
    """Why an IP address is not public, such as `a loopback address`; None when it is."""
    ip = _embedded_ipv4(ipaddress.ip_address(address.partition("%")[0]))
    if ip.is_loopback:
        return "an address of this machine"
    if ip.is_link_local:
        return "a link-local address, such as a cloud's metadata service"
    if ip.version == 4 and ip in _CARRIER_GRADE_NAT:
        return "an address behind carrier-grade NAT"
    if not ip.is_global or ip.is_multicast or ip.is_reserved or ip.is_unspecified:
        return "a private or reserved address"
    return None


def _embedded_ipv4(ip: IPv4Address | IPv6Address) -> IPv4Address | IPv6Address:
    """The IPv4 address that an IPv6 one embeds; otherwise the address itself."""
    if isinstance(ip, IPv4Address):
        return ip
    embedded = ip.ipv4_mapped or ip.sixtofour or (ip.teredo[1] if ip.teredo else None)
    if embedded is not None:
        return embedded
    is_compatible = ip in ipaddress.ip_network("::/96") and int(ip) > 1
    is_translated = any(ip in network for network in _NAT64)
    return IPv4Address(int(ip) & 0xFFFFFFFF) if is_compatible or is_translated else ip


def is_private_allowed(host: str, port: int, allowed: Sequence[str], address: str) -> bool:
    """Whether a host's addresses may be private: it is allowed by name, by name and port, or by `*`."""
    names = {name.lower() for name in allowed}
    if names & {host.lower(), f"{host.lower()}:{port}"}:
        return True
    return "*" in names and not _embedded_ipv4(ipaddress.ip_address(address.partition("%")[0])).is_link_local


def connect(host: str, port: int, timeout_s: float | None, allowed: Sequence[str]) -> socket.socket:
    """Resolve a host once and connect to the first of its addresses that is allowed and answers.

    Raises:
        PrivateAddressError: when no address is allowed.
        OSError: when the name cannot be resolved, or no address answers.
    """
    name = host.strip("[]")
    try:
        entries = socket.getaddrinfo(name, port, type=socket.SOCK_STREAM)
    except UnicodeError as error:  # a label that is too long
        raise socket.gaierror(socket.EAI_NONAME, str(error)) from error
    addresses = list(dict.fromkeys(str(entry[4][0]) for entry in entries))
    private = {address: kind for address in addresses if (kind := private_kind(address))}
    usable = [a for a in addresses if a not in private or is_private_allowed(name, port, allowed, a)]
    if not usable:
        address, kind = next(iter(private.items()))
        prefix = "" if name == address else f"{name} is {address}, "
        raise PrivateAddressError(f"{prefix or f'{name} is '}{kind}; --allow-private-hosts {name} allows it")
    last_error: OSError | None = None
    for address in usable[:_MAX_ADDRESSES]:
        try:
            return socket.create_connection((address, port), timeout_s)
        except OSError as error:
            last_error = error
    raise last_error or OSError(f"{name} has no address")
