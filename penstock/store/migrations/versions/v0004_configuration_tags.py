"""Tags of configurations."""

import sqlalchemy as sa
from alembic import op

revision = "0004"
down_revision = "0003"


def upgrade() -> None:
    op.add_column(
        "configurations", sa.Column("tags", sa.JSON(none_as_null=True), nullable=False, server_default=sa.text("'{}'"))
    )
