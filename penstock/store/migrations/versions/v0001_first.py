"""The first shape of the store."""

import sqlalchemy as sa
from alembic import op

revision = "0001"
down_revision = None

_MOMENT = sa.DateTime(timezone=True)
_DOCUMENT = sa.JSON(none_as_null=True)


def upgrade() -> None:
    op.create_table(
        "home",
        sa.Column("id", sa.Integer, primary_key=True, autoincrement=False),
        sa.Column("account", sa.String(12), nullable=False),
        sa.Column("root_key", sa.String(32), nullable=False),
        sa.Column("term", sa.BigInteger, nullable=False),
    )
    op.create_table(
        "access_keys",
        sa.Column("id", sa.String(32), primary_key=True),
        sa.Column("account", sa.String(12), nullable=False),
    )
    op.create_table(
        "clusters",
        sa.Column("id", sa.String(64), primary_key=True),
        sa.Column("arn", sa.String(512), nullable=False, unique=True),
        sa.Column("account", sa.String(12), nullable=False),
        sa.Column("region", sa.String(64), nullable=False),
        sa.Column("name", sa.String(256), nullable=False),
        sa.Column("state", sa.String(32), nullable=False),
        sa.Column("version", sa.BigInteger, nullable=False),
        sa.Column("created", _MOMENT, nullable=False),
        sa.Column("spec", _DOCUMENT),
        sa.Column("status", _DOCUMENT),
        sa.Column("forgotten", _MOMENT),
        sa.Column("last_words", sa.Text, nullable=False),
        sa.Column("quarantined", _DOCUMENT, nullable=False),
    )
    op.create_index("clusters_by_creation", "clusters", ["account", "region", "created", "id"])
    live = sa.text("forgotten IS NULL")
    op.create_index(
        "clusters_live_name",
        "clusters",
        ["account", "region", "name"],
        unique=True,
        sqlite_where=live,
        postgresql_where=live,
    )
    op.create_table(
        "operations",
        sa.Column("id", sa.String(36), primary_key=True),
        sa.Column("cluster", sa.String(64), nullable=False),
        sa.Column("kind", sa.String(64), nullable=False),
        sa.Column("state", sa.String(32), nullable=False),
        sa.Column("started", _MOMENT, nullable=False),
        sa.Column("ended", _MOMENT),
        sa.Column("source", _DOCUMENT, nullable=False),
        sa.Column("target", _DOCUMENT, nullable=False),
        sa.Column("steps", _DOCUMENT, nullable=False),
        sa.Column("client_request_id", sa.String(128), nullable=False),
        sa.Column("error_code", sa.String(128)),
        sa.Column("error_string", sa.Text),
    )
    op.create_index("operations_by_cluster", "operations", ["cluster", "started"])
    opened = sa.text("ended IS NULL")
    op.create_index(
        "operations_one_open", "operations", ["cluster"], unique=True, sqlite_where=opened, postgresql_where=opened
    )
    op.create_table(
        "events",
        sa.Column("cluster", sa.String(64), primary_key=True),
        sa.Column("seq", sa.BigInteger, primary_key=True, autoincrement=False),
        sa.Column("at", _MOMENT, nullable=False),
        sa.Column("level", sa.String(16), nullable=False),
        sa.Column("sentence", sa.Text, nullable=False),
    )
    op.create_table(
        "secrets",
        sa.Column("owner", sa.String(128), primary_key=True),
        sa.Column("name", sa.String(128), primary_key=True),
        sa.Column("sealed", sa.LargeBinary, nullable=False),
    )
    op.create_table(
        "subnets",
        sa.Column("account", sa.String(12), primary_key=True),
        sa.Column("region", sa.String(64), primary_key=True),
        sa.Column("id", sa.String(64), primary_key=True),
        sa.Column("zone", sa.String(64), nullable=False),
    )
    op.create_table(
        "queue",
        sa.Column("resource", sa.String(64), primary_key=True),
        sa.Column("due_at", _MOMENT, nullable=False),
    )
    op.create_index("queue_by_due_at", "queue", ["due_at"])
