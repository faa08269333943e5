"""Group commit: batches grow with the load, each caller gets its own answer, and waiting has its bounds."""

import asyncio
from collections.abc import Sequence

import pytest

from tacita.api.batcher import Batcher
from tacita.store.errors import StoreUnavailable


class Odd(Exception):  # noqa: N818 - what the number is
    pass


async def doubled(batch: Sequence[int]) -> list[int | Exception]:
    await asyncio.sleep(0)
    return [2 * item for item in batch]


def test_each_caller_gets_the_result_of_its_own_item() -> None:
    async def run() -> list[int]:
        batcher = Batcher(doubled, most=8, room=100)
        return await asyncio.gather(*(batcher.do(item) for item in range(50)))

    assert asyncio.run(run()) == [2 * item for item in range(50)]


def test_what_comes_while_a_batch_is_under_way_goes_into_the_next_one_together() -> None:
    sizes: list[int] = []

    async def work(batch: Sequence[int]) -> list[int | Exception]:
        sizes.append(len(batch))
        await asyncio.sleep(0.01)
        return list(batch)

    async def run() -> None:
        batcher = Batcher(work, most=64, room=100)
        first = asyncio.create_task(batcher.do(0))
        await asyncio.sleep(0.005)
        await asyncio.gather(first, *(batcher.do(item) for item in range(20)))

    asyncio.run(run())

    assert sizes == [1, 20]


def test_an_exception_among_the_results_goes_to_its_caller_alone() -> None:
    async def work(batch: Sequence[int]) -> list[int | Exception]:
        return [Odd() if item % 2 else item for item in batch]

    async def run() -> list[int | BaseException]:
        batcher = Batcher(work, most=8, room=8)
        return await asyncio.gather(*(batcher.do(item) for item in range(4)), return_exceptions=True)

    results = asyncio.run(run())

    assert [type(result) for result in results] == [int, Odd, int, Odd]


def test_one_bad_item_never_fails_its_neighbours() -> None:
    async def work(batch: Sequence[int]) -> list[int | Exception]:
        if 3 in batch:
            raise ValueError("the whole statement failed")
        return list(batch)

    async def run() -> list[int | BaseException]:
        batcher = Batcher(work, most=8, room=8)
        return await asyncio.gather(*(batcher.do(item) for item in range(5)), return_exceptions=True)

    results = asyncio.run(run())

    assert [result for result in results if isinstance(result, int)] == [0, 1, 2, 4]
    assert isinstance(results[3], ValueError)


def test_beyond_its_room_a_caller_is_refused_at_once() -> None:
    never = asyncio.Event

    async def work(batch: Sequence[int]) -> list[int | Exception]:
        await never().wait()
        return list(batch)

    async def run() -> None:
        batcher = Batcher(work, most=1, room=3, patience_s=0.05)
        waiting = [asyncio.create_task(batcher.do(item)) for item in range(4)]
        await asyncio.sleep(0.01)
        waiting += [asyncio.create_task(batcher.do(item)) for item in range(2)]
        results = await asyncio.gather(*waiting, return_exceptions=True)
        assert [str(result) for result in results if "too many" in str(result)] == [
            "too many requests wait for the store"
        ] * 2

    asyncio.run(run())


def test_a_store_that_takes_too_long_is_unavailable_and_the_next_batch_is_tried() -> None:
    slow = [True]

    async def work(batch: Sequence[int]) -> list[int | Exception]:
        if slow.pop() if slow else False:
            await asyncio.sleep(60)
        return list(batch)

    async def run() -> int:
        batcher = Batcher(work, most=8, room=8, patience_s=0.05)
        with pytest.raises(StoreUnavailable):
            await batcher.do(1)
        return await batcher.do(2)

    assert asyncio.run(run()) == 2


def test_closing_waits_for_what_is_under_way() -> None:
    done: list[int] = []

    async def work(batch: Sequence[int]) -> list[int | Exception]:
        await asyncio.sleep(0.01)
        done.extend(batch)
        return list(batch)

    async def run() -> None:
        batcher = Batcher(work, most=1, room=8)
        tasks = [asyncio.create_task(batcher.do(item)) for item in range(3)]
        await asyncio.sleep(0)
        await batcher.close()
        await asyncio.gather(*tasks)

    asyncio.run(run())

    assert done == [0, 1, 2]
