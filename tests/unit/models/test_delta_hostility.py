"""What a hostile or damaged delta can do: be refused, cheaply, with the model in use untouched."""

import subprocess
import sys
from pathlib import Path

import msgspec
import pytest
from backports import zstd
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from tests.model_files import trained, weights, write_safetensors

from tacita.models.deltas.applier import apply_delta
from tacita.models.deltas.errors import DeltaRefused, Flaw
from tacita.models.deltas.maker import described, make_delta
from tacita.models.deltas.structure import FORMAT, MAX_CHUNK, Chunk, File, Header, Operation, write_head

TARGET = File("ab" * 32, 1_000)


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, File]:
    folder = tmp_path_factory.mktemp("delta")
    base = write_safetensors(folder / "base", weights(0, 64, 64))
    target = write_safetensors(folder / "target", trained(weights(0, 64, 64)))
    make_delta(base, target, folder / "delta")
    return folder, described(target)


def refusal(folder: Path, delta: bytes, target: File = TARGET) -> Flaw:
    (folder / "base").touch()
    (folder / "hostile").write_bytes(delta)
    with pytest.raises(DeltaRefused) as refused:
        apply_delta(folder / "base", folder / "hostile", target, folder / "out")
    assert not (folder / "out").exists()
    assert not (folder / "out.partial").exists()
    return refused.value.flaw


def head(*chunks: Chunk, target: File = TARGET, base_size: int = 0, number: int | None = None) -> bytes:
    return write_head(Header(FORMAT, File("cd" * 32, base_size), target, number or len(chunks)), chunks)


def chunk(payload: bytes, length: int = 1_000, **changes: int) -> Chunk:
    fields = {"operation": 0, "period": 1, "base_offset": 0, "base_length": 0} | changes
    operation = Operation(fields.pop("operation"))
    return Chunk(operation, length=length, payload_length=len(payload), sha256=bytes(32), **fields)


@given(at=st.integers(0, 1 << 20), value=st.integers(1, 255))
@settings(suppress_health_check=[HealthCheck.function_scoped_fixture], max_examples=150, deadline=None)
def test_a_flipped_byte_never_makes_another_model(made: tuple[Path, File], at: int, value: int) -> None:
    folder, target = made
    delta = bytearray((folder / "delta").read_bytes())
    delta[at % len(delta)] ^= value
    (folder / "flipped").write_bytes(delta)
    (folder / "out").unlink(missing_ok=True)

    try:
        apply_delta(folder / "base", folder / "flipped", target, folder / "out")
    except DeltaRefused:
        assert not (folder / "out").exists()
    else:
        assert (folder / "out").read_bytes() == (folder / "target").read_bytes()


@given(st.binary(max_size=400))
@settings(suppress_health_check=[HealthCheck.function_scoped_fixture], max_examples=100, deadline=None)
def test_no_bytes_at_all_are_applied_that_are_no_delta(tmp_path: Path, data: bytes) -> None:
    assert refusal(tmp_path, b"TACDLT1\n" + data) in Flaw


def test_a_frame_that_would_swell_beyond_its_chunk_is_refused(tmp_path: Path) -> None:
    bomb = zstd.compress(bytes(8 << 20))
    target = File("ab" * 32, 2_000)

    assert len(bomb) < 2_000
    assert refusal(tmp_path, head(chunk(bomb, 2_000), target=target) + bomb, target) is Flaw.DAMAGED


def test_a_frame_whose_window_would_take_a_gigabyte_is_refused(tmp_path: Path) -> None:
    options = {int(zstd.CompressionParameter.window_log): 30, int(zstd.CompressionParameter.content_size_flag): 0}
    compressor = zstd.ZstdCompressor(options=options)
    frame = compressor.compress(bytes(1_000)) + compressor.flush()

    assert refusal(tmp_path, head(chunk(frame)) + frame) is Flaw.DAMAGED


def test_more_chunks_than_the_file_could_hold_are_refused_before_they_are_read(tmp_path: Path) -> None:
    assert refusal(tmp_path, head(chunk(b""), number=1 << 40)) is Flaw.INCONSISTENT


def test_a_chunk_over_the_limit_is_refused(tmp_path: Path) -> None:
    target = File("ab" * 32, MAX_CHUNK + 1)

    assert refusal(tmp_path, head(chunk(b"x", MAX_CHUNK + 1), target=target) + b"x", target) is Flaw.TOO_LARGE


@pytest.mark.parametrize(
    "changes",
    [
        {"operation": 1, "base_offset": 0, "base_length": 999},
        {"operation": 1, "base_offset": 1 << 60, "base_length": 1_000},
        {"operation": 2, "base_offset": 0, "base_length": 0},
        {"operation": 0, "base_offset": 0, "base_length": 10},
    ],
)
def test_bytes_of_the_base_that_are_not_there_are_refused(tmp_path: Path, changes: dict[str, int]) -> None:
    (tmp_path / "base").write_bytes(bytes(2_000))

    assert refusal(tmp_path, head(chunk(b"x", **changes), base_size=2_000) + b"x") is Flaw.INCONSISTENT


def test_a_header_of_another_format_or_with_more_in_it_is_refused(tmp_path: Path) -> None:
    described_as = msgspec.to_builtins(Header(FORMAT, File("cd" * 32, 0), TARGET, 1))
    for changed in ({"format": "tacita-delta/2"}, {"path": "../../etc/passwd"}):
        header = msgspec.json.encode(described_as | changed)

        assert refusal(tmp_path, b"TACDLT1\n" + len(header).to_bytes(4, "little") + header) is Flaw.NOT_A_DELTA


def test_a_delta_cut_short_or_drawn_out_is_refused(made: tuple[Path, File]) -> None:
    folder, target = made
    delta = (folder / "delta").read_bytes()
    (folder / "out").unlink(missing_ok=True)

    for changed in (delta[:-1], delta + b"\0", delta[:100]):
        (folder / "cut").write_bytes(changed)
        with pytest.raises(DeltaRefused) as refused:
            apply_delta(folder / "base", folder / "cut", target, folder / "out")
        assert refused.value.flaw in {Flaw.TRUNCATED, Flaw.INCONSISTENT, Flaw.NOT_A_DELTA}


_APPLY = """
import resource, sys
from pathlib import Path
from tacita.models.deltas.applier import apply_delta
from tacita.models.deltas.structure import File
folder = Path(sys.argv[1])
before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
apply_delta(folder / "base", folder / "delta", File(sys.argv[2], int(sys.argv[3])), folder / "out")
print(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before)
"""


def test_memory_is_bounded_by_the_chunk_not_by_the_model(tmp_path: Path) -> None:
    before = weights(0, 2_048, 4_096, tensors=4)
    base = write_safetensors(tmp_path / "base", before)
    target = write_safetensors(tmp_path / "target", trained(before, touched=0.01))
    make_delta(base, target, tmp_path / "delta")
    file = described(target)

    done = subprocess.run(
        [sys.executable, "-c", _APPLY, str(tmp_path), file.sha256, str(file.size)], check=True, capture_output=True
    )

    assert file.size > 60_000_000
    assert int(done.stdout) < 24_000  # kB: a few chunks, and zstd's tables
