"""Withdrawals, remembered while their requests could be repeated or replayed."""

from tacita.store.migrate import run_sql_beside

revision = "0005"
down_revision = "0004"


def upgrade() -> None:
    run_sql_beside(__file__)
