"""Addresses and ports that nodes would get."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

from penstock.app import premises
from penstock.cli.checks.finding import Finding, State, Visit
from penstock.kafka.listeners import STANDARD_PORTS

CHANGE = "Set network_address to an IP address of this machine, or take it out."
PORT_RANGE = Path("/proc/sys/net/ipv4/ip_local_port_range")


def addresses(visit: Visit) -> Iterator[Finding]:
    seen = premises(visit.settings)
    registry = visit.settings.network_registry
    if not seen.own_addresses:
        sentence = "This system has no loopback addresses beside 127.0.0.1: nodes share it, with ports of their own."
        yield Finding(
            "addresses", State.WARNING, sentence, "Run on Linux with 127.0.0.0/8 on `lo` to have MSK's standard ports."
        )
        return
    if seen.noted and seen.ours:
        yield Finding(
            "addresses",
            State.OK,
            f"Every node has an address of its own in {seen.noted}.0.0/16, the network of this home.",
        )
    elif seen.noted:
        sentence = (
            f"The claim of this home on {seen.noted}.0.0/16 is gone from {registry}; new clusters get another network."
        )
        yield Finding(
            "addresses",
            State.WARNING,
            sentence,
            "Nothing must be done; keep that folder, so that two homes never meet.",
        )
    elif seen.claimed >= seen.networks:
        sentence = f"All {seen.networks} loopback networks are claimed by homes of this machine; nodes may have to share 127.0.0.1."
        yield Finding("addresses", State.WARNING, sentence, f"Delete claims of homes that are gone in {registry}.")
    else:
        free = seen.networks - seen.claimed
        yield Finding(
            "addresses",
            State.OK,
            f"Every node gets an address of its own; {free} of {seen.networks} networks are unclaimed.",
        )
    for port, who in seen.strangers.items():
        sentence = f"{who} listens on port {port} of every address: nodes of new clusters share 127.0.0.1, with ports of their own."
        yield Finding(
            "addresses", State.WARNING, sentence, "Stop that program, or bind it to one address, before a create."
        )


def shared_address(visit: Visit) -> Iterator[Finding]:
    address = visit.settings.network_address
    if address is None:
        sentence = "Clients reach brokers from this machine alone: no network_address is set."
        yield Finding("shared address", State.OK, sentence)
    elif why := premises(visit.settings).no_shared_address:
        yield Finding(
            "shared address", State.WRONG, f"Brokers cannot listen on network_address {address}: {why}.", CHANGE
        )
    else:
        sentence = f"Brokers listen for clients on {address}, each with ports of its own."
        yield Finding("shared address", State.OK, sentence)


def ipv6(visit: Visit) -> Iterator[Finding]:
    seen = premises(visit.settings)
    if seen.no_ipv6:
        sentence = f"Clusters cannot have the network type DUAL: {seen.no_ipv6}."
        yield Finding("ipv6", State.WARNING, sentence, f"For IPv6, {seen.ipv6_remedy}.")
    elif seen.no_own_ipv6:
        sentence = f"Over IPv6 brokers share ::1, with ports of their own: {seen.no_own_ipv6}."
        yield Finding("ipv6", State.OK, sentence)
    else:
        yield Finding("ipv6", State.OK, "Over IPv6 every broker gets an address of its own.")


def ports(visit: Visit) -> Iterator[Finding]:
    seen = premises(visit.settings)
    sharing = not seen.own_addresses or seen.strangers or visit.settings.network_address
    wanted = seen.shared_ports if sharing else range(max(STANDARD_PORTS.values()) + 1)
    low = int(PORT_RANGE.read_text().split()[0]) if PORT_RANGE.exists() else None
    yield below(wanted[-1], low)


def below(highest: int, low: int | None) -> Finding:
    """The highest port of nodes against the lowest that the kernel gives to outgoing connections; None where it does not say."""
    if low is None:
        return Finding("ports", State.OK, "This system does not say which ports outgoing connections take.")
    if highest < low:
        return Finding("ports", State.OK, f"Outgoing connections take ports from {low} on, and nodes listen below.")
    sentence = (
        f"Outgoing connections take ports from {low} on, and nodes listen up to {highest}: one may sit on the other's."
    )
    return Finding("ports", State.WARNING, sentence, 'Run `sysctl -w net.ipv4.ip_local_port_range="32768 60999"`.')
