"""Group commit: what many requests want of the store at once is done together, and each gets its own answer.

One batch is under way at a time; what comes meanwhile waits for the next, so batches grow with the load. The number of
those that wait is bounded: beyond it, and after a time, a request is told that the store is too slow.
"""

import asyncio
from collections import deque
from collections.abc import Awaitable, Callable, Sequence
from typing import Generic, TypeVar

import structlog

from tacita.store.errors import StoreUnavailable

Item = TypeVar("Item")
Result = TypeVar("Result")

_log = structlog.get_logger()


class Batcher(Generic[Item, Result]):
    """Hands the items of concurrent callers to one function, in batches.

    Args:
        work: does a whole batch; returns a result an item, in order. An exception among them goes to that item's caller
            alone. When it raises, the whole batch failed and nothing of it was done.
        most: items in one batch at most.
        room: items that may wait; a further one is refused at once.
        linger_s: how long the first of a batch waits for others, in seconds.
        patience_s: how long a caller waits for its result, in seconds.
    """

    def __init__(
        self,
        work: Callable[[Sequence[Item]], Awaitable[Sequence[Result | Exception]]],
        *,
        most: int,
        room: int,
        linger_s: float = 0.0,
        patience_s: float = 10.0,
    ) -> None:
        self._work = work
        self._most, self._room = most, room
        self._linger_s, self._patience_s = linger_s, patience_s
        self._waiting: deque[tuple[Item, asyncio.Future[Result]]] = deque()
        self._running: asyncio.Task[None] | None = None

    async def do(self, item: Item) -> Result:
        """Return what `work` made of `item`, or raise the exception that it put in its place.

        Raises:
            StoreUnavailable: too many wait already, or the result took too long; then the item may still be done.
        """
        if len(self._waiting) >= self._room:
            raise StoreUnavailable("too many requests wait for the store")
        future: asyncio.Future[Result] = asyncio.get_running_loop().create_future()
        self._waiting.append((item, future))
        if self._running is None:
            self._running = asyncio.create_task(self._run())
        try:
            async with asyncio.timeout(self._patience_s):
                return await future
        except TimeoutError:
            raise StoreUnavailable("the store took too long") from None

    async def close(self) -> None:
        """Wait until nothing waits any more."""
        while self._running is not None:
            await self._running

    async def _run(self) -> None:
        try:
            while self._waiting:
                if self._linger_s and len(self._waiting) < self._most:
                    await asyncio.sleep(self._linger_s)
                batch = [self._waiting.popleft() for _ in range(min(self._most, len(self._waiting)))]
                await self._answer([(item, future) for item, future in batch if not future.done()])
        finally:
            self._running = None

    async def _answer(self, batch: list[tuple[Item, asyncio.Future[Result]]]) -> None:
        """Do a batch; when it fails for another reason than the store's absence, do each item by itself."""
        if not batch:
            return
        try:
            async with asyncio.timeout(self._patience_s):
                results = await self._work([item for item, _ in batch])
        except Exception as error:  # noqa: BLE001 - whatever it is, it is raised again in each caller
            if len(batch) > 1 and not isinstance(error, (StoreUnavailable, TimeoutError)):
                _log.warning("a batch failed; its items are tried one by one", error=type(error).__name__)
                for single in batch:
                    await self._answer([single])
                return
            results = [error] * len(batch)
        for (_, future), result in zip(batch, results, strict=True):
            if future.done():
                continue
            if isinstance(result, Exception):
                future.set_exception(StoreUnavailable("timeout") if isinstance(result, TimeoutError) else result)
            else:
                future.set_result(result)
