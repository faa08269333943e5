"""`python -m tests.simulation.planted serve …`: the server with a bug planted, for the siege to find.

`PLANTED_BUG` names it. Worker processes import this module as the main one too, and so get the bug as well.
"""

import asyncio
import os
from collections.abc import Awaitable, Callable
from typing import Any
from unittest import mock

from tacita.api import submit
from tacita.cli import main
from tacita.protocol.answers import SubmitAnswer
from tacita.store import devices, envelopes
from tacita.store.connection import Connection, Pool, run_transaction

BUG = os.environ["PLANTED_BUG"]
_LATER_S = 0.05
_under_way: set[asyncio.Task[Any]] = set()


async def _answer_early(pool: Pool, function: Callable[[Connection], Awaitable[Any]]) -> Any:
    """Answer before the commit, which follows a moment later."""
    if "_commit" not in function.__code__.co_names:
        return await run_transaction(pool, function)

    async def later() -> None:
        await asyncio.sleep(_LATER_S)
        await run_transaction(pool, function)

    task = asyncio.create_task(later())
    _under_way.add(task)
    task.add_done_callback(_under_way.discard)
    return SubmitAnswer("accepted", "granite-3b-v2", "Graph received and validated")


def plant() -> None:
    if BUG == "acknowledge before commit":
        mock.patch.object(submit, "run_transaction", _answer_early).start()
    elif BUG == "count a retry again":

        async def never(*_: Any) -> None:
            return None

        async def none(*_: Any) -> set[bytes]:
            return set()

        mock.patch.object(envelopes, "accepted_for", never).start()
        mock.patch.object(envelopes, "remember", never).start()
        mock.patch.object(devices, "counted_tags", none).start()
    else:
        raise SystemExit(f"no such bug: {BUG}")


plant()
if __name__ == "__main__":
    main()
