"""What a batch of submissions reads and writes: one row an accepted envelope, and sharded counters of devices."""

from tacita.store.migrate import run_sql_beside

revision = "0002"
down_revision = "0001"


def upgrade() -> None:
    run_sql_beside(__file__)
