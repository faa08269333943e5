"""What cohorts of devices show of their app's honesty, and what is held of frozen ones."""

from tacita.store.migrate import run_sql_beside

revision = "0004"
down_revision = "0003"


def upgrade() -> None:
    run_sql_beside(__file__)
