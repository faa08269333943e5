"""A release's vector is sealed until it is revealed."""

from tacita.store.migrate import run_sql_beside

revision = "0003"
down_revision = "0002"


def upgrade() -> None:
    run_sql_beside(__file__)
