"""What keeps a pass from making a plan of its own, as the plan that stands in for it: nothing is done, and all is told."""

from __future__ import annotations

from penstock.kafka.runtimes import NotPrepared
from penstock.model.plan import Plan, Waiting


def unplaced(why: str) -> Plan:
    """Nodes have no addresses: the provider has none to give."""
    return Plan(waits=(Waiting("addresses", why, heals=True),), stuck=why)


def unprepared(version: str, error: NotPrepared) -> Plan:
    """Nodes cannot be laid out: the version is not complete on this machine."""
    wait = Waiting(version, str(error), heals=error.hopeless)
    return Plan(waits=(wait,), stuck=str(error) if error.hopeless else None)


def unseen(why: str) -> Plan:
    """Nothing is known of any node: the provider cannot be asked."""
    return Plan(waits=(Waiting("its nodes", why, heals=True),))
