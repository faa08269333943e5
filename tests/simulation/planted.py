"""`python -m tests.simulation.planted serve …`: the server with a bug planted, for the siege to find.

`PLANTED_BUG` names it. Worker processes import this module as the main one too, and so get the bug as well.
"""

import asyncio
import os
from collections.abc import Sequence
from dataclasses import replace
from typing import Any
from unittest import mock

from tacita.api.commit import GroupCommit, Submission
from tacita.cli import main
from tacita.protocol.answers import SubmitAnswer
from tacita.store import submissions
from tacita.store.submissions import Found

BUG = os.environ["PLANTED_BUG"]
_LATER_S = 0.05
_sound_commit, _sound_find = GroupCommit.commit, submissions.lock_and_find
_under_way: set[asyncio.Task[Any]] = set()


async def _answer_early(commits: GroupCommit, batch: Sequence[Submission]) -> list[SubmitAnswer | Exception]:
    """Answer before the commit, which follows a moment later."""

    async def later() -> None:
        await asyncio.sleep(_LATER_S)
        await _sound_commit(commits, batch)

    task = asyncio.create_task(later())
    _under_way.add(task)
    task.add_done_callback(_under_way.discard)
    return [SubmitAnswer("accepted", "granite-3b-v2", "Graph received and validated")] * len(batch)


async def _forget(*arguments: Any) -> list[Found]:
    """Find nothing of what a device was counted for before."""
    return [replace(found, accepted={}, tags=b"") for found in await _sound_find(*arguments)]


def plant() -> None:
    if BUG == "acknowledge before commit":
        mock.patch.object(GroupCommit, "commit", _answer_early).start()
    elif BUG == "count a retry again":
        mock.patch.object(submissions, "lock_and_find", _forget).start()
    else:
        raise SystemExit(f"no such bug: {BUG}")


plant()
if __name__ == "__main__":
    main()
