"""The token buckets: a burst, then a steady rate, and the same for all who map the file."""

from pathlib import Path

from hypothesis import given
from hypothesis import strategies as st

from tacita.api.rate import RateLimit

DEVICE, OTHER = b"a" * 32, b"b" * 32


def opened(folder: Path, burst: int = 3) -> RateLimit:
    return RateLimit.open(folder / "rates", bytes(32), per_hour=3_600, burst=burst)


def test_a_full_bucket_holds_a_burst_and_then_says_how_long_to_wait(tmp_path: Path) -> None:
    rate = opened(tmp_path)

    waits = [rate.wait_s(DEVICE, 1_000.0) for _ in range(4)]

    assert waits == [0, 0, 0, 1]


def test_tokens_flow_in_at_the_rate(tmp_path: Path) -> None:
    rate = opened(tmp_path)
    for _ in range(3):
        rate.wait_s(DEVICE, 1_000.0)

    assert rate.wait_s(DEVICE, 1_001.0) == 0
    assert rate.wait_s(DEVICE, 1_001.5) == 0.5


def test_devices_have_buckets_of_their_own(tmp_path: Path) -> None:
    rate = opened(tmp_path, burst=1)
    rate.wait_s(DEVICE, 1_000.0)

    assert rate.wait_s(OTHER, 1_000.0) == 0


def test_workers_share_the_buckets_of_one_file(tmp_path: Path) -> None:
    first, second = opened(tmp_path, burst=1), opened(tmp_path, burst=1)

    first.wait_s(DEVICE, 1_000.0)

    assert second.wait_s(DEVICE, 1_000.0) == 1


@given(st.lists(st.floats(0, 5), min_size=1, max_size=60))
def test_no_window_ever_lets_through_more_than_a_burst_and_the_rate(gaps: list[float]) -> None:
    rate = RateLimit(memoryview(bytearray(8 * 2**20)).cast("d"), bytes(32), per_hour=3_600, burst=3)
    now, passed = 1_000.0, []
    for gap in gaps:
        now += gap
        if rate.wait_s(DEVICE, now) == 0:
            passed.append(now)

    for first in range(len(passed)):
        for last in range(first, len(passed)):
            assert last - first + 1 <= 3 + (passed[last] - passed[first]) + 1e-6
