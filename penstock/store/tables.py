"""The tables as they are after the newest migration. `migrations/` makes them; a test holds the two together."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

import sqlalchemy as sa
from sqlalchemy.types import TypeDecorator


class Moment(TypeDecorator[datetime]):
    """A moment in UTC, aware in Python whatever the engine keeps. A naive one is refused."""

    impl = sa.DateTime(timezone=True)
    cache_ok = True

    def process_bind_param(self, value: datetime | None, dialect: sa.Dialect) -> datetime | None:
        if value is None:
            return None
        if value.tzinfo is None:
            raise ValueError(f"{value} has no time zone; the store keeps moments in UTC: pass an aware datetime.")
        return value.astimezone(UTC)

    def process_result_value(self, value: Any, dialect: sa.Dialect) -> datetime | None:
        if value is None:
            return None
        moment: datetime = value
        return moment.replace(tzinfo=UTC) if moment.tzinfo is None else moment.astimezone(UTC)


METADATA = sa.MetaData()

Document = sa.JSON(none_as_null=True)

HOME = sa.Table(
    "home",
    METADATA,
    sa.Column("id", sa.Integer, primary_key=True, autoincrement=False),
    sa.Column("account", sa.String(12), nullable=False),
    sa.Column("root_key", sa.String(32), nullable=False),
    sa.Column("term", sa.BigInteger, nullable=False),
)
"""One row, number 1."""

ACCESS_KEYS = sa.Table(
    "access_keys",
    METADATA,
    sa.Column("id", sa.String(32), primary_key=True),
    sa.Column("account", sa.String(12), nullable=False),
)

CLUSTERS = sa.Table(
    "clusters",
    METADATA,
    sa.Column("id", sa.String(64), primary_key=True),
    sa.Column("arn", sa.String(512), nullable=False, unique=True),
    sa.Column("account", sa.String(12), nullable=False),
    sa.Column("region", sa.String(64), nullable=False),
    sa.Column("name", sa.String(256), nullable=False),
    sa.Column("state", sa.String(32), nullable=False),
    sa.Column("version", sa.BigInteger, nullable=False),
    sa.Column("created", Moment, nullable=False),
    sa.Column("spec", Document),
    sa.Column("status", Document),
    sa.Column("forgotten", Moment),
    sa.Column("last_words", sa.Text, nullable=False),
    sa.Column("quarantined", Document, nullable=False),
    sa.Index("clusters_by_creation", "account", "region", "created", "id"),
)
"""Live clusters, and of the forgotten ones what history keeps: `forgotten` is set, `spec` and `status` are gone."""

LIVE = CLUSTERS.c.forgotten.is_(None)

LIVE_NAME = sa.Index(
    "clusters_live_name",
    CLUSTERS.c.account,
    CLUSTERS.c.region,
    CLUSTERS.c.name,
    unique=True,
    sqlite_where=LIVE,
    postgresql_where=LIVE,
)

OPERATIONS = sa.Table(
    "operations",
    METADATA,
    sa.Column("id", sa.String(36), primary_key=True),
    sa.Column("cluster", sa.String(64), nullable=False),
    sa.Column("kind", sa.String(64), nullable=False),
    sa.Column("state", sa.String(32), nullable=False),
    sa.Column("started", Moment, nullable=False),
    sa.Column("ended", Moment),
    sa.Column("source", Document, nullable=False),
    sa.Column("target", Document, nullable=False),
    sa.Column("steps", Document, nullable=False),
    sa.Column("work", Document, nullable=False, server_default="{}"),
    sa.Column("client_request_id", sa.String(128), nullable=False),
    sa.Column("error_code", sa.String(128)),
    sa.Column("error_string", sa.Text),
    sa.Index("operations_by_cluster", "cluster", "started"),
)

OPEN = OPERATIONS.c.ended.is_(None)

ONE_OPEN = sa.Index("operations_one_open", OPERATIONS.c.cluster, unique=True, sqlite_where=OPEN, postgresql_where=OPEN)

EVENTS = sa.Table(
    "events",
    METADATA,
    sa.Column("cluster", sa.String(64), primary_key=True),
    sa.Column("seq", sa.BigInteger, primary_key=True, autoincrement=False),
    sa.Column("at", Moment, nullable=False),
    sa.Column("level", sa.String(16), nullable=False),
    sa.Column("sentence", sa.Text, nullable=False),
)

SECRETS = sa.Table(
    "secrets",
    METADATA,
    sa.Column("owner", sa.String(128), primary_key=True),
    sa.Column("name", sa.String(128), primary_key=True),
    sa.Column("sealed", sa.LargeBinary, nullable=False),
)

CONFIGURATIONS = sa.Table(
    "configurations",
    METADATA,
    sa.Column("arn", sa.String(512), primary_key=True),
    sa.Column("account", sa.String(12), nullable=False),
    sa.Column("region", sa.String(64), nullable=False),
    sa.Column("name", sa.String(256), nullable=False),
    sa.Column("created", Moment, nullable=False),
    sa.Column("kafka_versions", Document, nullable=False),
    sa.Column("description", sa.Text),
    sa.Column("tags", Document, nullable=False, server_default="{}"),
    sa.Index("configurations_name", "account", "region", "name", unique=True),
)

REVISIONS = sa.Table(
    "configuration_revisions",
    METADATA,
    sa.Column("configuration", sa.String(512), primary_key=True),
    sa.Column("revision", sa.BigInteger, primary_key=True, autoincrement=False),
    sa.Column("created", Moment, nullable=False),
    sa.Column("description", sa.Text),
    sa.Column("properties", sa.LargeBinary, nullable=False),
)

SUBNETS = sa.Table(
    "subnets",
    METADATA,
    sa.Column("account", sa.String(12), primary_key=True),
    sa.Column("region", sa.String(64), primary_key=True),
    sa.Column("id", sa.String(64), primary_key=True),
    sa.Column("zone", sa.String(64), nullable=False),
)

QUEUE = sa.Table(
    "queue",
    METADATA,
    sa.Column("resource", sa.String(64), primary_key=True),
    sa.Column("due_at", Moment, nullable=False),
    sa.Index("queue_by_due_at", "due_at"),
)
"""What was asked for and not yet looked at. A resource without a row is due when the loop's own timer says so."""
