"""A configuration of brokers: what is wrong with it, what nodes get of it, and what a change of it takes. Pure.

Three forms: the bytes as a user gave them; the properties that `properties_file.parse` reads; and the *effective* ones, with
one spelling for each value and only what a Kafka of that line knows. Nodes and changes are about the effective ones."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from difflib import get_close_matches
from types import MappingProxyType

from attrs import frozen

from penstock.kafka import advertised
from penstock.kafka.accepted import ACCEPTED, Applies, Release, WrongValue, release_of
from penstock.kafka.properties_file import parse
from penstock.model.ids import Role

_RETENTION = MappingProxyType(
    {"log.retention.ms": 1, "log.retention.minutes": 60_000, "log.retention.hours": 3_600_000}
)
"""The three ways to say how long records stay, the strongest first, in milliseconds each."""
_TIERED = ("remote.", "log.local.", "local.retention.")


@frozen
class Problem:
    """One thing that is wrong. `why` is a sentence without the key."""

    key: str
    why: str

    def __str__(self) -> str:
        # A key may be any text at all, so it is quoted where it is no name.
        key = self.key if self.key.isascii() and self.key.isprintable() and self.key else repr(self.key)
        return f"{key}: {self.why}"


@frozen
class Changes:
    """The way from one configuration to another: effective values, None where the property is taken out.

    What is taken out goes back to the node's own default (`properties.defaults`) or Kafka's (`Property.default`)."""

    live: Mapping[str, str | None]
    """Kafka takes them at run time."""
    restart: Mapping[str, str | None]
    """Only a restart applies them."""


def check(properties: Mapping[str, str]) -> tuple[Problem, ...]:
    """Everything that is wrong with the properties by themselves, in their order; empty where a broker can run with them.

    The accepted types and ranges are those of every Kafka on offer (msk.md 3.4)."""
    problems = []
    for key, text in properties.items():
        accepted = ACCEPTED.get(key)
        if accepted is None:
            problems.append(Problem(key, _stranger(key)))
            continue
        try:
            accepted.normal(text)
        except WrongValue as wrong:
            problems.append(Problem(key, str(wrong)))
    return tuple(problems)


def fits(
    properties: Mapping[str, str],
    release: Release,
    brokers: int,
    listeners: Collection[str],
    defaults: Mapping[str, str],
) -> tuple[Problem, ...]:
    """What cannot work on a cluster of that many brokers with these client listeners, though it is right by itself.

    `properties` passed `check`; `defaults` are what nodes have without a configuration (`properties.defaults`)."""
    own = effective(properties, release)
    value = {**defaults, **own}
    problems = [
        Problem(key, f"{own[key]} copies need as many brokers, and the cluster has {brokers}.")
        for key in (
            "default.replication.factor",
            "offsets.topic.replication.factor",
            "transaction.state.log.replication.factor",
            "min.insync.replicas",
        )
        if key in own and int(own[key]) > brokers
    ]
    enough, copies = "transaction.state.log.min.isr", "transaction.state.log.replication.factor"
    if own.keys() & {enough, copies} and int(value[enough]) > int(value[copies]):
        key = enough if enough in own else copies
        problems.append(
            Problem(
                key,
                f"transactions would never work: {enough} would be {value[enough]} and {copies} {value[copies]}; "
                f"set {enough} to at most {value[copies]}.",
            )
        )
    if advertised.PROPERTY in own:
        problems += [
            Problem(advertised.PROPERTY, f"the cluster has no listener {name}; it has {', '.join(listeners)}.")
            for name in advertised.missing(own[advertised.PROPERTY], listeners)
        ]
    return tuple(problems)


def effective(properties: Mapping[str, str], release: Release) -> Mapping[str, str]:
    """What the nodes of a Kafka of that line are told. `properties` passed `check`; KeyError and WrongValue otherwise.

    What that Kafka does not know gives way to its successors, or is left out (`without_effect` names it). The three ways
    to say how long records stay become `log.retention.ms`, as Kafka itself reads them, because that one changes live."""
    known: dict[str, str] = {}
    inherited: dict[str, str] = {}
    for key, text in properties.items():
        accepted = ACCEPTED[key]
        if accepted.known_to(release):
            known[key] = accepted.normal(text)
        else:
            inherited |= dict.fromkeys(accepted.becomes, accepted.normal(text))
    told = {**inherited, **known}
    for key, unit in _RETENTION.items():
        if key in told:
            kept = int(told[key]) * unit
            told = {name: value for name, value in told.items() if name not in _RETENTION}
            told["log.retention.ms"] = str(max(kept, -1))
            break
    return told


def effective_of(content: bytes, version: str) -> Mapping[str, str]:
    """The same from a revision's content, for nodes of MSK's name of a version. PropertiesError where it is no properties file."""
    return effective(parse(content), release_of(version))


def without_effect(properties: Mapping[str, str], release: Release) -> tuple[str, ...]:
    """The keys that mean nothing to a Kafka of that line and have no successor, in their order."""
    return tuple(key for key in properties if not ACCEPTED[key].known_to(release) and not ACCEPTED[key].becomes)


def of_role(told: Mapping[str, str], role: Role) -> Mapping[str, str]:
    """Those of the effective properties that a node of that role reads: brokers all of them."""
    return {key: value for key, value in told.items() if role is Role.BROKER or ACCEPTED[key].controllers}


def static(told: Mapping[str, str]) -> Mapping[str, str]:
    """Those of the effective properties that only a restart applies."""
    return {key: value for key, value in told.items() if ACCEPTED[key].applies is Applies.RESTART}


def split(old: Mapping[str, str], new: Mapping[str, str]) -> Changes:
    """What differs between two sets of effective properties, by what it takes to apply it."""
    changed = {key: new.get(key) for key in sorted(old.keys() | new.keys()) if old.get(key) != new.get(key)}
    live = {key: value for key, value in changed.items() if ACCEPTED[key].applies is Applies.CLUSTER}
    return Changes(live, {key: value for key, value in changed.items() if key not in live})


def steps(current: int, wanted: int) -> tuple[int, ...]:
    """The sizes that a thread pool goes through at run time, the wanted one last; empty where it has it already.

    Kafka refuses more than twice and less than half of what the pool has now. The next step must wait until every broker
    has taken the last one: a broker that is still at it accepts the wrong value, cannot apply it, and from then on applies
    no dynamic property at all (seen on 4.3.1)."""
    if current < 1 or wanted < 1:
        raise ValueError(f"a thread pool has at least one thread; asked for {current} to {wanted}")
    sizes = []
    while current != wanted:
        current = min(wanted, current * 2) if wanted > current else max(wanted, current // 2)
        sizes.append(current)
    return tuple(sizes)


def _stranger(key: str) -> str:
    if key.startswith(_TIERED):
        return "belongs to tiered storage, which is not built yet; take it out."
    # Names of topics' own settings come without the prefix of their defaults.
    near = [f"log.{key}"] if f"log.{key}" in ACCEPTED else get_close_matches(key, ACCEPTED, 1, 0.8)
    hint = f" Did you mean {near[0]}?" if near else ""
    return f"is not a property that a configuration may hold.{hint}"
