"""Changes of a running cluster that go on in the background."""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from typing import Any

from attrs import evolve

from penstock.api import ceilings, throughput
from penstock.api.change import Change, begin, same
from penstock.api.configurations import check_use
from penstock.api.defaults import chosen, under
from penstock.api.request import CreateRequest
from penstock.api.rooms import Rooms
from penstock.api.validate import SMALL, instance_type, logging
from penstock.kafka.accepted import ACCEPTED
from penstock.kafka.configuration import effective_of, split
from penstock.kafka.placement import add_brokers
from penstock.kafka.properties import defaults
from penstock.kafka.sizes import size_of
from penstock.model.ids import Role
from penstock.model.operation import OperationKind
from penstock.model.spec import MOST_BROKERS, ClusterSpec, NodePlace
from penstock.settings import Realism
from penstock.store.records import ClusterRecord
from penstock.store.transaction import Transaction
from penstock.wire.call import Call, Output
from penstock.wire.errors import BadRequest


def reboot_broker(call: Call, rooms: Rooms) -> Output:
    """Restart one broker, once the safety gate lets it go down. Takes no `currentVersion` (msk.md 1.1)."""

    def wanted(record: ClusterRecord, _: Transaction) -> Change:
        broker = _broker(call, record)
        spec = record.spec.with_place(evolve(broker, restarts=broker.restarts + 1))
        return Change(spec, OperationKind.REBOOT_NODE, {}, {"node": broker.id.name, "number": broker.id.number})

    return begin(call, rooms, wanted)


def update_monitoring(call: Call, rooms: Rooms) -> Output:
    """Keep other monitoring and logging members. What they switch on is not built yet, and `explain` says so."""
    members = ("EnhancedMonitoring", "OpenMonitoring", "LoggingInfo")
    given = {name: call.params[name] for name in members if call.params.get(name) is not None}
    if not given:
        raise BadRequest(
            "enhancedMonitoring: the request does not include any updates; give enhancedMonitoring, openMonitoring or "
            "loggingInfo.",
            invalid_parameter="enhancedMonitoring",
        )
    logging(_as_create(call, rooms, given))

    def wanted(record: ClusterRecord, _: Transaction) -> Change:
        shown = record.spec.api
        after = under(given, shown)
        target = {name: after[name] for name in given if after[name] != shown.get(name)}
        if not target:
            raise same("enhancedMonitoring", "monitoring and logging")
        source = {name: shown[name] for name in target if name in shown}
        return Change(record.spec, OperationKind.UPDATE_CLUSTER_MONITORING, source, target)

    return begin(call, rooms, wanted)


def update_broker_count(call: Call, rooms: Rooms) -> Output:
    """More brokers, spread over the zones like the first ones. Partitions take their share of them, unless the setting
    `rebalance_after_scale` is off: then they stay where they are, as on MSK's Standard brokers."""
    asked: int = call.params["TargetNumberOfBrokerNodes"]
    path = "targetNumberOfBrokerNodes"

    def wanted(record: ClusterRecord, tx: Transaction) -> Change:
        spec = record.spec
        present, zones = len(spec.brokers), len(spec.subnets)
        if asked == present:
            raise same(path, f"{present} brokers")
        if asked < present:
            return _fewer(record, asked, path, tx)
        if asked % zones or asked > MOST_BROKERS:
            raise BadRequest(
                f"{path}: takes a multiple of the cluster's {zones} zones, up to {MOST_BROKERS}; not {asked}.", path
            )
        joining = add_brokers(spec.id, spec.subnets, present, asked)
        return Change(
            evolve(spec, nodes=(*spec.brokers, *joining, *spec.controllers)),
            OperationKind.INCREASE_BROKER_COUNT,
            {"NumberOfBrokerNodes": present},
            {
                "NumberOfBrokerNodes": asked,
                "BrokerCountUpdateInfo": {"CreatedBrokerIds": _numbers(joining)},
                "rebalance": rooms.settings.rebalance_after_scale,
            },
        )

    return begin(call, rooms, wanted)


def _fewer(record: ClusterRecord, asked: int, path: str, tx: Transaction) -> Change:
    """The newest broker of each zone leaves. Unlike MSK, which wants empty brokers, they are emptied here."""
    spec = record.spec
    present, zones = len(spec.brokers), len(spec.subnets)
    if asked != present - zones or asked < zones:
        raise BadRequest(
            f"{path}: one broker of each of the {zones} zones is removed at a time, and one of each stays: from {present} "
            f"brokers to {present - zones}{'' if present > zones else ', which this cluster cannot'}; not {asked}.",
            path,
        )
    leaving = spec.brokers[asked:]
    try:
        check_use(tx, evolve(spec, nodes=tuple(place for place in spec.nodes if place not in leaving)), path)
    except BadRequest as refused:
        why = refused.message.partition(": ")[2]
        fix = "Give it another one first (UpdateClusterConfiguration)."
        raise BadRequest(f"{path}: {asked} brokers cannot run its configuration: {why} {fix}", path) from refused
    nodes = tuple(evolve(place, leaving=place in leaving) for place in spec.nodes)
    return Change(
        evolve(spec, nodes=nodes),
        OperationKind.DECREASE_BROKER_COUNT,
        {"NumberOfBrokerNodes": present},
        {
            "NumberOfBrokerNodes": asked,
            "BrokerCountUpdateInfo": {"DeletedBrokerIds": _numbers(leaving)},
            "rebalance": True,
        },
    )


def _numbers(brokers: Sequence[NodePlace]) -> list[float]:
    """As the model has them: numbers of brokers are doubles (msk.md 1.1)."""
    return [float(place.id.number) for place in brokers]


def update_broker_type(call: Call, rooms: Rooms) -> Output:
    """Other heaps and thread counts for all brokers, by a roll. With MSK's limits, not to a smaller size than the partitions
    need."""
    asked: str = call.params["TargetInstanceType"]
    try:
        instance_type(_as_create(call, rooms, {"BrokerNodeGroupInfo": {"InstanceType": asked}}))
    except BadRequest as refused:
        path = refused.invalid_parameter or ""
        raise BadRequest(refused.message.replace(path, "targetInstanceType"), "targetInstanceType") from refused
    held = ceilings.held(call, rooms)

    def wanted(record: ClusterRecord, tx: Transaction) -> Change:
        present = record.spec.instance_type
        if asked == present:
            raise same("targetInstanceType", f"the broker type {present}")
        if asked == SMALL and record.spec.dual:
            raise BadRequest(
                f"targetInstanceType: {SMALL} is not offered with the network type DUAL, which this cluster has for good; choose "
                "kafka.m5.large or larger.",
                "targetInstanceType",
            )
        if size_of(asked).memory_gib < size_of(present).memory_gib:
            ceilings.check(held, asked, "targetInstanceType")
        spec = evolve(record.spec, instance_type=asked)
        if wrong := throughput.objection(throughput.kept(spec.api), asked, spec.volume_gib):
            why = f"the cluster has provisioned throughput, and {wrong[1]} Switch it off or lower it first (UpdateStorage)."
            raise BadRequest(f"targetInstanceType: {why}", "targetInstanceType")
        target = {
            "InstanceType": asked.removeprefix("kafka."),
            "before": {"instance_type": present},
            "live": _of_type(record.spec, spec, tx, rooms),
            "live_before": _of_type(spec, record.spec, tx, rooms),
        }
        source = {"InstanceType": present.removeprefix("kafka.")}
        return Change(spec, OperationKind.UPDATE_BROKER_TYPE, source, target)

    return begin(call, rooms, wanted)


def update_cluster_configuration(call: Call, rooms: Rooms) -> Output:
    """Other properties for all brokers: at run time where Kafka takes them so, the rest by a roll. With MSK's limits, only
    while brokers hold no more partitions than their type may."""
    info = call.params["ConfigurationInfo"]
    held = ceilings.held(call, rooms)

    def wanted(record: ClusterRecord, tx: Transaction) -> Change:
        spec = evolve(record.spec, configuration=chosen(info))
        if spec.configuration == record.spec.configuration:
            raise same("configurationInfo", "that revision of the configuration")
        check_use(tx, spec, "configurationInfo")
        ceilings.check(held, spec.instance_type, "configurationInfo")
        old = record.spec.configuration
        source = {} if old is None else {"ConfigurationInfo": {"Arn": old[0], "Revision": old[1]}}
        target = {
            "ConfigurationInfo": dict(info),
            "before": {"configuration": old},
            "live": _live(record.spec, spec, tx, rooms),
            "live_before": _live(spec, record.spec, tx, rooms),
            "restart": sorted(split(_said(record.spec, tx), _said(spec, tx)).restart),
        }
        return Change(spec, OperationKind.UPDATE_CLUSTER_CONFIGURATION, source, target)

    return begin(call, rooms, wanted)


def _live(old: ClusterSpec, new: ClusterSpec, tx: Transaction, rooms: Rooms) -> Mapping[str, str]:
    """What is to be set at run time. A property that is taken out gets the value that brokers have without it: the file of
    a broker's last start may hold another."""
    before, after = (_said(spec, tx) for spec in (old, new))
    plain = _plain(new, rooms)
    values = {
        name: value or plain.get(name) or ACCEPTED[name].default for name, value in split(before, after).live.items()
    }
    return {name: value for name, value in values.items() if value is not None}


def _of_type(old: ClusterSpec, new: ClusterSpec, tx: Transaction, rooms: Rooms) -> Mapping[str, str]:
    """What another type changes that no user said. The files say it too, and what was once set at run time, when a user
    took a property out, is stronger than a file."""
    before, after, said = _plain(old, rooms), _plain(new, rooms), _said(new, tx)
    return {name: value for name, value in after.items() if before.get(name) != value and name not in said}


def _said(spec: ClusterSpec, tx: Transaction) -> Mapping[str, str]:
    """What the configuration tells brokers. Raises StoreError where it is lost."""
    return effective_of(tx.configurations.properties_of(spec), spec.kafka_version)


def _plain(spec: ClusterSpec, rooms: Rooms) -> Mapping[str, str]:
    """What brokers have without a configuration."""
    return defaults(spec, Role.BROKER, os.cpu_count() or 1, rooms.settings.realism is Realism.MSK)


def update_rebalancing(call: Call, rooms: Rooms) -> Output:
    """Refused: it belongs to Express brokers (msk.md 1.4.2), and there are none here yet."""

    def wanted(record: ClusterRecord, _: Transaction) -> Change:
        raise BadRequest(
            f"rebalancing: intelligent rebalancing is for clusters with Express brokers, and {record.spec.name} has Standard "
            "brokers.",
            invalid_parameter="rebalancing",
        )

    return begin(call, rooms, wanted)


def _as_create(call: Call, rooms: Rooms, members: Mapping[str, Any]) -> CreateRequest:
    """The members as a create would have brought them, for the rules that both share."""
    return CreateRequest(
        caller=call.caller,
        name="",
        provisioned=members,
        tags={},
        wrapped=False,
        realism=rooms.settings.realism,
        versions=rooms.versions,
    )


def _broker(call: Call, record: ClusterRecord) -> NodePlace:
    asked: list[str] = call.params["BrokerIds"]
    if len(asked) != 1:
        raise BadRequest(
            f"brokerIds: name exactly one broker, {len(asked)} came; reboot several with one call after another.",
            invalid_parameter="brokerIds",
        )
    for place in record.spec.brokers:
        if asked == [str(place.id.number)]:
            return place
    known = ", ".join(str(place.id.number) for place in record.spec.brokers)
    raise BadRequest(
        f"brokerIds: the cluster {record.spec.name} has no broker {asked[0]!r}; it has {known}.",
        invalid_parameter="brokerIds",
    )
