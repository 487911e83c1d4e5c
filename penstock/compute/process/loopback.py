"""IPv6 addresses on the loopback device: unlike those of 127.0.0.0/8, each must be given to it. Told to the kernel by rtnetlink,
since not every machine has the `ip` tool.

Invariant: only addresses that the caller names are touched, and what is there already counts as given."""

from __future__ import annotations

import errno
import os
import socket
import struct
from collections.abc import Sequence
from ipaddress import IPv6Address
from pathlib import Path

LOOPBACK = "::1"
PRESENT = Path("/proc/net/if_inet6")
STATUS = Path("/proc/self/status")
CAP_NET_ADMIN = 12
"""Number of the capability to change a machine's addresses (linux/capability.h)."""

_NEW, _DELETE = 20, 21
"""RTM_NEWADDR and RTM_DELADDR (linux/rtnetlink.h)."""
_REQUEST, _ACKNOWLEDGE, _CREATE = 0x1, 0x4, 0x400
_ERROR = 2
"""NLMSG_ERROR, which is also how success is told (linux/netlink.h)."""
_ADDRESS, _LOCAL = 1, 2
_NO_DUPLICATE_CHECK = 0x02
_HEADER = struct.Struct("=IHHII")
_BODY = struct.Struct("=BBBBI")


def why_none() -> str | None:
    """Why this machine has no IPv6 to listen on, a clause; None where it has."""
    if not socket.has_ipv6:
        return "this Python has no IPv6"
    try:
        with socket.socket(socket.AF_INET6, socket.SOCK_STREAM) as probe:
            probe.bind((LOOPBACK, 0))
    except OSError as error:
        return f"the loopback device has no IPv6 address {LOOPBACK} ({error.strerror})"
    return None


def why_not() -> str | None:
    """Why no addresses can be given to the loopback device, a clause; None where they can."""
    if why := why_none():
        return why
    if not STATUS.exists():
        return "this system is no Linux, and on others no addresses are given to the loopback device"
    for line in STATUS.read_text().splitlines():
        if line.startswith("CapEff:") and int(line.split()[1], 16) >> CAP_NET_ADMIN & 1:
            return None
    return "giving addresses to the loopback device takes root (CAP_NET_ADMIN)"


def add(address: str) -> None:
    """The loopback device has it. Raises OSError."""
    _ask(_NEW, _CREATE, address, errno.EEXIST)


def remove(address: str) -> None:
    """The loopback device does not have it. Raises OSError."""
    _ask(_DELETE, 0, address, errno.EADDRNOTAVAIL)


def present() -> Sequence[str]:
    """The IPv6 addresses that the loopback device has now. Raises OSError."""
    rows = [line.split() for line in PRESENT.read_text().splitlines()]
    return [str(IPv6Address(bytes.fromhex(row[0]))) for row in rows if row[-1] == "lo"]


def _ask(kind: int, flags: int, address: str, done: int) -> None:
    """One request and its answer; the error number `done` says that it is so already."""
    packed = IPv6Address(address).packed
    body = _BODY.pack(socket.AF_INET6, 128, _NO_DUPLICATE_CHECK, 0, socket.if_nametoindex("lo"))
    for attribute in (_LOCAL, _ADDRESS):
        body += struct.pack("=HH", 4 + len(packed), attribute) + packed
    header = _HEADER.pack(_HEADER.size + len(body), kind, _REQUEST | _ACKNOWLEDGE | flags, 1, 0)
    with socket.socket(socket.AF_NETLINK, socket.SOCK_RAW, socket.NETLINK_ROUTE) as kernel:
        kernel.send(header + body)
        answer = kernel.recv(4096)
    _, said, _, _, _ = _HEADER.unpack_from(answer)
    (code,) = struct.unpack_from("=i", answer, _HEADER.size)
    if said != _ERROR:
        raise OSError(errno.EPROTO, f"the kernel answered {said} to a change of the address {address}")
    if code and -code != done:
        raise OSError(-code, os.strerror(-code), address)
