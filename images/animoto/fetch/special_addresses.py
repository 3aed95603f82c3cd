"""Tells public addresses from special ones, and knows those of metadata services.

The tables are ours, because Python's ``ipaddress`` differs by version: 192.0.0.0/24 became private with 3.13, and
3fff::/20 later.
"""

import ipaddress
from collections.abc import Iterator

_Network = ipaddress.IPv4Network | ipaddress.IPv6Network

_NOT_PUBLIC_IPV4 = tuple(
    map(
        ipaddress.IPv4Network,
        (
            "0.0.0.0/8",  # this network (RFC 791)
            "10.0.0.0/8",  # private (RFC 1918)
            "100.64.0.0/10",  # carriers' NAT (RFC 6598)
            "127.0.0.0/8",  # loopback (RFC 1122)
            "169.254.0.0/16",  # link-local (RFC 3927)
            "172.16.0.0/12",  # private (RFC 1918)
            "192.0.0.0/24",  # IETF protocols (RFC 6890)
            "192.0.2.0/24",  # documentation (RFC 5737)
            "192.31.196.0/24",  # AS112 (RFC 7535)
            "192.52.193.0/24",  # multicast tunnels (RFC 7450)
            "192.88.99.0/24",  # relays of 6to4, deprecated (RFC 7526)
            "192.168.0.0/16",  # private (RFC 1918)
            "192.175.48.0/24",  # AS112 (RFC 7534)
            "198.18.0.0/15",  # benchmarks (RFC 2544)
            "198.51.100.0/24",  # documentation (RFC 5737)
            "203.0.113.0/24",  # documentation (RFC 5737)
            "224.0.0.0/4",  # multicast (RFC 5771)
            "240.0.0.0/4",  # reserved, and broadcast (RFC 1112, RFC 919)
        ),
    )
)
"""IANA IPv4 Special-Purpose Address Registry, with multicast. Blocks that are reachable but serve no pictures are here
too."""
_GLOBAL_IPV6 = ipaddress.IPv6Network("2000::/3")
"""IANA IPv6 Global Unicast Address Assignments: all other IPv6 addresses are special, or not assigned."""
_NOT_PUBLIC_IPV6 = tuple(
    map(
        ipaddress.IPv6Network,
        (
            "2001::/23",  # IETF protocols, with Teredo, benchmarks, ORCHID and drones (RFC 2928)
            "2001:db8::/32",  # documentation (RFC 3849)
            "2002::/16",  # 6to4, which leads to an IPv4 address that the link's author chooses (RFC 3056)
            "2620:4f:8000::/48",  # AS112 (RFC 7534)
            "3ffe::/16",  # the former 6bone (RFC 3701)
            "3fff::/20",  # documentation (RFC 9637)
        ),
    )
)
"""IANA IPv6 Special-Purpose Address Registry, those in ``_GLOBAL_IPV6``."""
_METADATA: tuple[_Network, ...] = tuple(
    map(
        ipaddress.ip_network,
        (
            "169.254.169.0/24",  # .254 has the credentials of an instance, at AWS and at nearly all others
            "169.254.170.0/24",  # .2 has those of an ECS task, .23 those of an EKS pod
            "169.254.42.42/32",  # Scaleway
            "169.254.0.23/32",  # Tencent Cloud
            "192.0.0.192/32",  # Oracle Cloud
            "100.100.100.200/32",  # Alibaba Cloud
            "168.63.129.16/32",  # Azure's platform
            "fd00:ec2::/32",  # the IPv6 addresses of AWS's local services: ::254, ::23
            "fd20:ce::/32",  # those of Google Cloud
        ),
    )
)
_MAPPED = ipaddress.IPv6Network("::ffff:0:0/96")
"""IPv4-mapped addresses (RFC 4291, 2.5.5.2)."""
_NAT64 = ipaddress.IPv6Network("64:ff9b::/96")
"""A gateway forwards packets for this range to the IPv4 address in the last 32 bits (RFC 6052)."""
_LOCAL_NAT64 = ipaddress.IPv6Network("64:ff9b:1::/48")
"""The same for gateways of a network's own (RFC 8215)."""
_LAST_32_BITS = 0xFFFFFFFF


def is_public(address: str) -> bool:
    """Return whether an IP address is reachable for anybody on the internet."""
    found = _parse(address)
    if isinstance(found, ipaddress.IPv6Address):
        if found not in _MAPPED and found not in _NAT64:
            return found in _GLOBAL_IPV6 and not any(found in network for network in _NOT_PUBLIC_IPV6)
        found = ipaddress.IPv4Address(int(found) & _LAST_32_BITS)
    return not any(found in network for network in _NOT_PUBLIC_IPV4)


def is_metadata(address: str) -> bool:
    """Return whether an IP address leads to a metadata service, directly or by a tunnel."""
    found = _parse(address)
    reached = [found, *(_embedded(found) if isinstance(found, ipaddress.IPv6Address) else ())]
    return any(one in network for one in reached for network in _METADATA)


def _parse(address: str) -> ipaddress.IPv4Address | ipaddress.IPv6Address:
    return ipaddress.ip_address(address.partition("%")[0])


def _embedded(address: ipaddress.IPv6Address) -> Iterator[ipaddress.IPv4Address]:
    """Yield each IPv4 address that may be embedded in an IPv6 address.

    The last 32 bits are one in mapped, compatible, translated and ISATAP addresses, and behind a NAT64 gateway with any
    prefix of 96 bits.
    """
    yield ipaddress.IPv4Address(int(address) & _LAST_32_BITS)
    if address.sixtofour is not None:
        yield address.sixtofour
    if address.teredo is not None:
        yield from address.teredo
    if address in _LOCAL_NAT64:
        # After a prefix of 48, 56 or 64 bits, without the byte 8, which is zero (RFC 6052, section 2.2).
        packed = address.packed[:8] + address.packed[9:]
        for start in (6, 7, 8):
            yield ipaddress.IPv4Address(packed[start : start + 4])
