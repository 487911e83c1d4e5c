"""`custom.advertised.listeners`: names of one's own under which brokers tell clients to reach them. Pure.

MSK's own property, which Kafka does not know. Its value is one or more of `LISTENER://name:9000+{broker_id}`, separated by commas;
`{broker_id}` may stand in the name too. Invariant: only client listeners can be named, so neither brokers nor the control
plane ever depend on a user's names; and no two addresses of a cluster are the same, whichever brokers it has."""

from __future__ import annotations

import re
from collections.abc import Collection
from itertools import combinations

from attrs import frozen

from penstock.model.spec import MOST_BROKERS

PROPERTY = "custom.advertised.listeners"
KNOWN = (
    "CLIENT",
    "CLIENT_SECURE",
    "CLIENT_SECURE_PUBLIC",
    "CLIENT_SASL_SCRAM",
    "CLIENT_SASL_SCRAM_PUBLIC",
    "CLIENT_IAM",
    "CLIENT_IAM_PUBLIC",
)
"""MSK's client listeners (msk.md 3.4)."""
INNER = ("REPLICATION", "REPLICATION_SECURE", "CONTROLLER")
HIGHEST_PORT = 65535

_ID = "{broker_id}"
_ENTRY = re.compile(r"([^:/]*)://(.*):(.*)")
_PORT = re.compile(r"([0-9]{1,5}) *\+ *\{broker_id\}")
_LABEL = re.compile(r"[A-Za-z0-9]([A-Za-z0-9-]{0,61}[A-Za-z0-9])?")
_FORM = f"write LISTENER://name:9000+{_ID}, several with commas between them"


@frozen
class Name:
    """Where clients of one listener find the brokers; `host` is a pattern, `port` that of a broker 0."""

    listener: str
    host: str
    port: int

    def of(self, number: int) -> str:
        """`LISTENER://host:port` of that broker."""
        return f"{self.listener}://{self.host_of(number)}:{self.port + number}"

    def host_of(self, number: int) -> str:
        return self.host.replace(_ID, str(number))

    def __str__(self) -> str:
        return f"{self.listener}://{self.host}:{self.port}+{_ID}"


def read(value: str) -> tuple[Name, ...]:
    """The names in a property's value, in their order. Raises ValueError: a sentence without the key."""
    names = tuple(_entry(entry.strip()) for entry in value.split(","))
    for one, other in combinations(names, 2):
        if one.listener == other.listener:
            raise ValueError(f"{one.listener} is there twice; a listener has one name.")
    taken: dict[tuple[str, int], Name] = {}
    # As many as there can be: brokers may be added later.
    for number in range(1, MOST_BROKERS + 1):
        for name in names:
            other = taken.setdefault((name.host_of(number).lower(), name.port + number), name)
            if other is not name:
                raise ValueError(
                    f"{other.listener} of one broker and {name.listener} of broker {number} would both be "
                    f"{name.host_of(number)}:{name.port + number}; give them other names, or ports at least "
                    f"{MOST_BROKERS} apart."
                )
    return names


def missing(value: str, listeners: Collection[str]) -> tuple[str, ...]:
    """The listeners that a value, which `read` takes, names and a cluster with these client listeners does not have."""
    return tuple(name.listener for name in read(value) if name.listener not in listeners)


def hosts(value: str | None, number: int) -> tuple[str, ...]:
    """The names of a broker that its certificate should carry; none without a value."""
    return tuple(dict.fromkeys(name.host_of(number) for name in read(value))) if value else ()


def replace(own: str, value: str | None, number: int) -> str:
    """`advertised.listeners` of that broker: its own line, with the listeners that the value names under their new names."""
    others = {name.listener: name.of(number) for name in read(value)} if value else {}
    return ",".join(others.get(entry.partition("://")[0], entry) for entry in own.split(","))


def _entry(text: str) -> Name:
    match = _ENTRY.fullmatch(text)
    if match is None:
        raise ValueError(f"{text[:80]!r} names no listener and its address; {_FORM}.")
    listener, host, port = match.groups()
    if listener in INNER:
        raise ValueError(f"{listener} is an inner listener, which keeps its address; name one of {', '.join(KNOWN)}.")
    if listener not in KNOWN:
        raise ValueError(f"{listener[:40]!r} is no client listener; there are {', '.join(KNOWN)}.")
    longest = host.replace(_ID, str(MOST_BROKERS))
    labels = longest.split(".")
    # A last label of digits would be an address, which a certificate and a resolver treat as one.
    if len(longest) > 253 or not all(map(_LABEL.fullmatch, labels)) or labels[-1].isdigit():
        raise ValueError(f"{host[:80]!r} is no host name; use letters, digits, hyphens and dots, and {_ID}.")
    base = _PORT.fullmatch(port)
    if base is None:
        raise ValueError(f"the port {port[:40]!r} must differ from broker to broker; {_FORM}.")
    first = int(base[1])
    if not 1 <= first <= HIGHEST_PORT - MOST_BROKERS:
        raise ValueError(f"the port begins at {first}, and must begin at 1 to {HIGHEST_PORT - MOST_BROKERS}.")
    return Name(listener, host, first)
