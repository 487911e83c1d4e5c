"""Configurations of brokers: named sets of properties in revisions that never change (msk.md 1.3)."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any

import sqlalchemy as sa
from attrs import frozen
from sqlalchemy.exc import IntegrityError

from penstock.model.spec import ClusterSpec
from penstock.store.clusters import Clusters
from penstock.store.errors import NameTaken, QuotaReached, StoreError
from penstock.store.operations import Operations
from penstock.store.records import ConfigurationRecord, RevisionRecord
from penstock.store.tables import CONFIGURATIONS, REVISIONS

MOST_CONFIGURATIONS = 100
"""Configurations of an account in a region, and MOST_REVISIONS of each (msk.md 12.1)."""
MOST_REVISIONS = 50
_NAME = "configurations_name"


@frozen
class Configurations:
    """Invariant: one of a name in (account, region) at most; revisions 1..n, each written once; none without revision 1."""

    connection: sa.Connection

    def insert(self, record: ConfigurationRecord) -> None:
        """A new configuration with its revision 1. Raises NameTaken and QuotaReached."""
        if record.latest.revision != 1:
            raise ValueError(f"a configuration begins with revision 1, not {record.latest.revision}")
        own = self.list(record.account, record.region)
        taken = NameTaken(
            f"A configuration named {record.name!r} exists in account {record.account}, region {record.region}. "
            "Choose another name, or make a new revision of that one."
        )
        if any(other.name == record.name for other in own):
            raise taken
        if len(own) >= MOST_CONFIGURATIONS:
            raise QuotaReached(
                f"An account has at most {MOST_CONFIGURATIONS} configurations in a region. Delete one that no cluster uses."
            )
        row = {
            "arn": record.arn,
            "account": record.account,
            "region": record.region,
            "name": record.name,
            "created": record.created,
            "kafka_versions": list(record.kafka_versions),
            "description": record.description,
            "tags": dict(record.tags),
        }
        try:
            self.connection.execute(CONFIGURATIONS.insert().values(row))
        except IntegrityError as error:
            # Only an engine that lets two writers run at once comes here with a name that the look above did not see.
            if _NAME in str(error.orig):
                raise taken from error
            raise
        self._write(record.arn, record.latest)

    def add_revision(
        self, arn: str, properties: bytes, now: datetime, description: str | None = None
    ) -> ConfigurationRecord:
        """The next revision. Where a description is given, the configuration shows it from now on.

        Raises QuotaReached, and StoreError where there is no such configuration."""
        record = self.get(arn)
        number = record.latest.revision + 1
        if number > MOST_REVISIONS:
            raise QuotaReached(
                f"The configuration {record.name} has {MOST_REVISIONS} revisions, and more there cannot be. "
                "Make another configuration, and let clusters use that one."
            )
        self._write(arn, RevisionRecord(number, now, description, properties))
        if description is not None:
            here = CONFIGURATIONS.c.arn == arn
            self.connection.execute(CONFIGURATIONS.update().where(here).values(description=description))
        return self.get(arn)

    def get(self, arn: str) -> ConfigurationRecord:
        """The configuration of that ARN. Raises StoreError where there is none."""
        record = self.by_arn(arn)
        if record is None:
            raise StoreError(
                f"There is no configuration {arn}: it was deleted, or never made. List the configurations."
            )
        return record

    def by_arn(self, arn: str) -> ConfigurationRecord | None:
        found = self._select(CONFIGURATIONS.c.arn == arn)
        return found[0] if found else None

    def list(self, account: str, region: str) -> Sequence[ConfigurationRecord]:
        """Every configuration of an account in a region, the oldest first."""
        return self._select(CONFIGURATIONS.c.account == account, CONFIGURATIONS.c.region == region)

    def revision(self, arn: str, number: int) -> RevisionRecord | None:
        """One revision; None where the configuration does not exist or has no such revision."""
        here = sa.and_(REVISIONS.c.configuration == arn, REVISIONS.c.revision == number)
        row = self.connection.execute(sa.select(REVISIONS).where(here)).one_or_none()
        return None if row is None else _revision(row)

    def properties_of(self, spec: ClusterSpec) -> bytes:
        """What the revision that a cluster runs with holds, as its owner wrote it; nothing for a cluster without one.

        Raises StoreError where that revision is lost: to take it for an empty one would undo what a user set."""
        if spec.configuration is None:
            return b""
        arn, number = spec.configuration
        revision = self.revision(arn, number)
        if revision is None:
            raise StoreError(
                f"The cluster {spec.name} runs with revision {number} of {arn}, which the store does not hold: it was "
                "damaged. Restore it from a backup."
            )
        return revision.properties

    def revisions(self, arn: str) -> Sequence[RevisionRecord]:
        """Every revision of a configuration, the first one first."""
        query = sa.select(REVISIONS).where(REVISIONS.c.configuration == arn).order_by(REVISIONS.c.revision)
        return [_revision(row) for row in self.connection.execute(query)]

    def users(self, arn: str) -> Sequence[tuple[ClusterSpec, int]]:
        """The clusters that use a configuration, the oldest first, and in which revision; those that are on their way out
        too, and those whose update goes back to it if it fails."""
        clusters, operations = Clusters(self.connection), Operations(self.connection)
        found = []
        for record in filter(None, map(clusters.get, clusters.live_ids())):
            operation = operations.current(record.spec.id)
            before = operation.target.get("before", {}) if operation else {}
            for configuration in (record.spec.configuration, before.get("configuration")):
                if configuration is not None and configuration[0] == arn:
                    found.append((record.spec, configuration[1]))
                    break
        return found

    def tag(self, arn: str, tags: Mapping[str, str]) -> None:
        """These tags and no others. The caller has made sure that the configuration is there."""
        self.connection.execute(CONFIGURATIONS.update().where(CONFIGURATIONS.c.arn == arn).values(tags=dict(tags)))

    def delete(self, arn: str) -> None:
        """The configuration and all its revisions; its name is free. The caller has made sure that nobody uses it."""
        self.connection.execute(REVISIONS.delete().where(REVISIONS.c.configuration == arn))
        self.connection.execute(CONFIGURATIONS.delete().where(CONFIGURATIONS.c.arn == arn))

    def _write(self, arn: str, revision: RevisionRecord) -> None:
        row = {
            "configuration": arn,
            "revision": revision.revision,
            "created": revision.created,
            "description": revision.description,
            "properties": revision.properties,
        }
        self.connection.execute(REVISIONS.insert().values(row))

    def _select(self, *conditions: sa.ColumnElement[bool]) -> Sequence[ConfigurationRecord]:
        newest = (
            sa.select(REVISIONS.c.configuration, sa.func.max(REVISIONS.c.revision).label("revision"))
            .group_by(REVISIONS.c.configuration)
            .subquery()
        )
        query = (
            sa.select(CONFIGURATIONS, *(column.label(f"latest_{column.name}") for column in REVISIONS.c))
            .join(newest, newest.c.configuration == CONFIGURATIONS.c.arn)
            .join(
                REVISIONS,
                sa.and_(REVISIONS.c.configuration == newest.c.configuration, REVISIONS.c.revision == newest.c.revision),
            )
            .where(*conditions)
            .order_by(CONFIGURATIONS.c.created, CONFIGURATIONS.c.arn)
        )
        return [_record(row) for row in self.connection.execute(query)]


def _revision(row: sa.Row[Any]) -> RevisionRecord:
    return RevisionRecord(row.revision, row.created, row.description, bytes(row.properties))


def _record(row: sa.Row[Any]) -> ConfigurationRecord:
    return ConfigurationRecord(
        arn=row.arn,
        account=row.account,
        region=row.region,
        name=row.name,
        created=row.created,
        kafka_versions=tuple(row.kafka_versions),
        description=row.description,
        latest=RevisionRecord(
            row.latest_revision, row.latest_created, row.latest_description, bytes(row.latest_properties)
        ),
        tags=row.tags,
    )
