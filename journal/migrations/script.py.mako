"""${message}.

Revision ID: ${up_revision}
Revises: ${down_revision | comma,n}
"""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = ${repr(up_revision)}
down_revision = ${repr(down_revision)}
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Build this version from the one before."""
    ${upgrades if upgrades else "pass"}


def downgrade() -> None:
    """Refuse: a journal is never taken back to a schema that would lose rows."""
    raise NotImplementedError("journals are not downgraded; restore the copy made before upgrading")
