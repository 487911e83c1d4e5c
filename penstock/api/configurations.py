"""Configurations: named server properties in revisions, and which clusters may use which (msk.md 1.4.4, 3.4)."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any
from uuid import uuid4

from penstock.api.arns import configuration_of, no_configuration
from penstock.api.rooms import Rooms
from penstock.api.validate import NAME
from penstock.kafka.accepted import release_of
from penstock.kafka.configuration import Problem, check, fits
from penstock.kafka.properties import defaults
from penstock.kafka.properties_file import PropertiesError, parse
from penstock.model.ids import Role, configuration_arn
from penstock.model.spec import ClusterSpec
from penstock.store.configurations import MOST_REVISIONS
from penstock.store.errors import NameTaken, QuotaReached
from penstock.store.records import ConfigurationRecord, RevisionRecord
from penstock.store.transaction import Transaction
from penstock.wire.call import Call, Output
from penstock.wire.errors import BadRequest, Conflict, NotFound

ACTIVE, DELETING = "ACTIVE", "DELETING"
LONGEST_NAME = 256


def create_configuration(call: Call, rooms: Rooms) -> Output:
    """A new configuration with its revision 1. Raises BadRequest, and Conflict where the name is taken."""
    name: str = call.params["Name"]
    if len(name) > LONGEST_NAME or not NAME.fullmatch(name):
        raise _refusal(
            "name",
            f"a name has 1 to {LONGEST_NAME} letters, digits and hyphens, and begins with a letter or a digit.",
        )
    versions = tuple(call.params.get("KafkaVersions") or ())
    _check_versions(versions, rooms)
    content = _content(call)
    account, region, now = call.caller.account, call.caller.region, rooms.clock()
    description = call.params.get("Description")
    record = ConfigurationRecord(
        arn=configuration_arn(region, account, name, str(uuid4())),
        account=account,
        region=region,
        name=name,
        created=now,
        kafka_versions=versions,
        description=description,
        latest=RevisionRecord(1, now, description, content),
    )
    with rooms.store.write() as tx:
        try:
            tx.configurations.insert(record)
        except NameTaken as taken:
            raise Conflict(f"name: {taken}", invalid_parameter="name") from taken
        except QuotaReached as full:
            raise _refusal("name", str(full)) from full
    shown = _configuration(record)
    return {member: shown[member] for member in ("Arn", "CreationTime", "LatestRevision", "Name", "State")}


def update_configuration(call: Call, rooms: Rooms) -> Output:
    """A new revision, whole in itself; clusters go on with theirs. Raises BadRequest."""
    with rooms.store.write() as tx:
        record = configuration_of(tx, call)
        content = _content(call)
        try:
            record = tx.configurations.add_revision(record.arn, content, rooms.clock(), call.params.get("Description"))
        except QuotaReached as full:
            raise _refusal("arn", str(full)) from full
    return {"Arn": record.arn, "LatestRevision": _revision(record.latest)}


def describe_configuration(call: Call, rooms: Rooms) -> Output:
    """One configuration and its latest revision, without content. Raises BadRequest."""
    with rooms.store.read() as tx:
        return _configuration(configuration_of(tx, call))


def describe_configuration_revision(call: Call, rooms: Rooms) -> Output:
    """One revision with its content, byte for byte as it was given. Raises BadRequest, and NotFound for the revision."""
    with rooms.store.read() as tx:
        record = configuration_of(tx, call)
        found = _revision_of(tx, record, call.params["Revision"])
    if found is None:
        raise NotFound(f"revision: {_no_revision(record, call.params['Revision'])}", invalid_parameter="revision")
    return {"Arn": record.arn, **_revision(found), "ServerProperties": found.properties}


def list_configurations(call: Call, rooms: Rooms) -> Output:
    """The configurations of this account and region, oldest first."""
    with rooms.store.read() as tx:
        every = tx.configurations.list(call.caller.account, call.caller.region)
    records, more = rooms.pages.page(every, call, _place)
    return {"Configurations": [_configuration(record) for record in records], "NextToken": more}


def list_configuration_revisions(call: Call, rooms: Rooms) -> Output:
    """The revisions of a configuration, the first one first, without content. Raises BadRequest."""
    with rooms.store.read() as tx:
        every = tx.configurations.revisions(configuration_of(tx, call).arn)
    revisions, more = rooms.pages.page(every, call, lambda revision: (revision.revision,))
    return {"Revisions": [_revision(revision) for revision in revisions], "NextToken": more}


def delete_configuration(call: Call, rooms: Rooms) -> Output:
    """The end of a configuration and its revisions, at once: its name is free. Raises BadRequest while a cluster uses it."""
    with rooms.store.write() as tx:
        record = configuration_of(tx, call)
        users = tx.configurations.users(record.arn)
        if users:
            names = ", ".join(f"{spec.name} (revision {revision})" for spec, revision in users)
            raise BadRequest(
                f"Configuration is in use by one or more clusters: {names}. Give them another configuration, or delete "
                "them and wait until they are gone.",
                invalid_parameter="arn",
            )
        tx.configurations.delete(record.arn)
    return {"Arn": record.arn, "State": DELETING}


def check_use(tx: Transaction, spec: ClusterSpec, path: str) -> None:
    """May the cluster run with the configuration that its spec names? `path` is the `configurationInfo` of the request.

    Raises BadRequest where the configuration or its revision does not exist, was made for other versions, or holds what
    cannot work on a cluster of this version and shape. Silent for a spec without one."""
    if spec.configuration is None:
        return
    arn, number = spec.configuration
    record = tx.configurations.by_arn(arn)
    if record is None or (record.account, record.region) != (spec.account, spec.region):
        raise _refusal(f"{path}.arn", no_configuration(arn))
    revision = _revision_of(tx, record, number)
    if revision is None:
        raise _refusal(f"{path}.revision", _no_revision(record, number))
    if record.kafka_versions and spec.kafka_version not in record.kafka_versions:
        raise _refusal(
            f"{path}.arn",
            f"the configuration {record.name} was made for {', '.join(record.kafka_versions)}, and the cluster has "
            f"{spec.kafka_version}; give one that was made for that version, or for none in particular.",
        )
    properties = parse(revision.properties)
    # Again: what was accepted when the revision was made may not be any more.
    problems = check(properties) or fits(
        properties,
        release_of(spec.kafka_version),
        len(spec.brokers),
        spec.client_broker.listeners,
        defaults(spec, Role.BROKER, cores=1, unclean=False),
    )
    if problems:
        raise _refusal(
            f"{path}.revision",
            f"revision {number} of the configuration {record.name} does not fit this cluster: {_said(problems)}",
        )


def _content(call: Call) -> bytes:
    """The given bytes, once nothing is wrong with them."""
    content: bytes = call.params["ServerProperties"]
    try:
        problems = check(parse(content))
    except PropertiesError as error:
        raise _refusal("serverProperties", str(error)) from error
    if problems:
        raise _refusal("serverProperties", _said(problems))
    return content


def _said(problems: Sequence[Problem]) -> str:
    return " ".join(map(str, problems))


def _check_versions(asked: Sequence[str], rooms: Rooms) -> None:
    unknown = [version for version in asked if version not in rooms.versions]
    if unknown:
        raise _refusal("kafkaVersions", f"{unknown[0]!r} is not offered here; offered are {', '.join(rooms.versions)}.")
    if len(set(asked)) < len(asked):
        raise _refusal("kafkaVersions", "a version is named twice; name each once.")


def _revision_of(tx: Transaction, record: ConfigurationRecord, number: int) -> RevisionRecord | None:
    # Asked for before the engine is: a number may be larger than any column.
    return tx.configurations.revision(record.arn, number) if 1 <= number <= MOST_REVISIONS else None


def _no_revision(record: ConfigurationRecord, number: int) -> str:
    return f"the configuration {record.name} has no revision {number}; it has 1 to {record.latest.revision}."


def _configuration(record: ConfigurationRecord) -> dict[str, Any]:
    return {
        "Arn": record.arn,
        "CreationTime": record.created,
        "Description": record.description,
        # Shown as an empty list where none were given (msk.md C.9).
        "KafkaVersions": list(record.kafka_versions),
        "LatestRevision": _revision(record.latest),
        "Name": record.name,
        "State": ACTIVE,
    }


def _revision(revision: RevisionRecord) -> dict[str, Any]:
    return {
        "CreationTime": revision.created,
        "Description": revision.description,
        "Revision": revision.revision,
    }


def _place(record: ConfigurationRecord) -> tuple[str, str]:
    """Oldest first, as the store lists; two of one moment by ARN."""
    return record.created.isoformat(timespec="microseconds"), record.arn


def _refusal(path: str, why: str) -> BadRequest:
    return BadRequest(f"{path}: {why}", invalid_parameter=path)
