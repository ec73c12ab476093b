"""The machine's addresses as aioice finds them, and loopback where there is no other."""

from __future__ import annotations

from collections.abc import Callable

Addresses = Callable[[bool, bool], list[str]]


def with_loopback(stock: Addresses) -> Addresses:
    """aioice never offers loopback; on a machine without a network a call had no candidate at all.

    Only then: beside others it would send the peer to its own machine.
    """

    def get_host_addresses(use_ipv4: bool, use_ipv6: bool) -> list[str]:
        loopback = ["127.0.0.1"] if use_ipv4 else ["::1"]
        return stock(use_ipv4, use_ipv6) or loopback

    return get_host_addresses
