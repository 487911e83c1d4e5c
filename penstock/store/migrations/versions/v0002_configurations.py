"""Configurations of brokers and their revisions."""

import sqlalchemy as sa
from alembic import op

revision = "0002"
down_revision = "0001"

_MOMENT = sa.DateTime(timezone=True)


def upgrade() -> None:
    op.create_table(
        "configurations",
        sa.Column("arn", sa.String(512), primary_key=True),
        sa.Column("account", sa.String(12), nullable=False),
        sa.Column("region", sa.String(64), nullable=False),
        sa.Column("name", sa.String(256), nullable=False),
        sa.Column("created", _MOMENT, nullable=False),
        sa.Column("kafka_versions", sa.JSON(none_as_null=True), nullable=False),
        sa.Column("description", sa.Text),
    )
    op.create_index("configurations_name", "configurations", ["account", "region", "name"], unique=True)
    op.create_table(
        "configuration_revisions",
        sa.Column("configuration", sa.String(512), primary_key=True),
        sa.Column("revision", sa.BigInteger, primary_key=True, autoincrement=False),
        sa.Column("created", _MOMENT, nullable=False),
        sa.Column("description", sa.Text),
        sa.Column("properties", sa.LargeBinary, nullable=False),
    )
