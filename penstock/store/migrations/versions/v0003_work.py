"""What the loop wrote down about an open operation."""

import sqlalchemy as sa
from alembic import op

revision = "0003"
down_revision = "0002"


def upgrade() -> None:
    op.add_column(
        "operations", sa.Column("work", sa.JSON(none_as_null=True), nullable=False, server_default=sa.text("'{}'"))
    )
