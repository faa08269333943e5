"""Deltas: whatever the two files, the new one comes out, or the old one stays (docs/delta-format.md)."""

from itertools import pairwise
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from tests.model_files import trained, weights, write_gguf, write_safetensors

from tacita.models.deltas import planes
from tacita.models.deltas.applier import apply_delta
from tacita.models.deltas.errors import DeltaRefused, Flaw
from tacita.models.deltas.layout import regions
from tacita.models.deltas.maker import described, make_delta
from tacita.models.deltas.structure import File
from tacita.models.genesis import genesis_pack
from tacita.models.policy_pack import encode_pack

same_folder = settings(suppress_health_check=[HealthCheck.function_scoped_fixture], max_examples=60, deadline=None)


def applied(folder: Path, base: Path, target: Path) -> bytes:
    """Make a delta, apply it, return what came out."""
    assert make_delta(base, target, folder / "delta")
    apply_delta(base, folder / "delta", described(target), folder / "out")
    return (folder / "out").read_bytes()


@given(st.binary(max_size=2_000), st.integers(1, 256))
def test_joining_undoes_splitting(data: bytes, period: int) -> None:
    assert planes.join(planes.split(data, period), period) == data


@same_folder
@given(base=st.binary(max_size=600), middle=st.binary(max_size=40), at=st.integers(0, 600))
def test_any_file_becomes_any_other(tmp_path: Path, base: bytes, middle: bytes, at: int) -> None:
    (tmp_path / "base").write_bytes(base)
    (tmp_path / "target").write_bytes(base[:at] + middle + base[at:] + bytes(2_000))

    assert applied(tmp_path, tmp_path / "base", tmp_path / "target") == (tmp_path / "target").read_bytes()


def test_a_policy_pack_becomes_the_next(tmp_path: Path) -> None:
    pack = encode_pack(genesis_pack())
    (tmp_path / "base").write_bytes(pack)
    (tmp_path / "target").write_bytes(pack.replace(b"0.765", b"0.801").replace(b"0.425", b"0.398"))

    assert applied(tmp_path, tmp_path / "base", tmp_path / "target") == (tmp_path / "target").read_bytes()
    assert (tmp_path / "delta").stat().st_size < len(pack) / 2


def test_an_adapter_becomes_the_next_smaller_than_itself(tmp_path: Path) -> None:
    before = weights()
    base = write_safetensors(tmp_path / "base", before)
    target = write_safetensors(tmp_path / "target", trained(before))

    assert applied(tmp_path, base, target) == target.read_bytes()
    assert (tmp_path / "delta").stat().st_size < 0.8 * target.stat().st_size


def test_a_quantised_model_becomes_the_next_by_a_few_per_cent(tmp_path: Path) -> None:
    before = weights()
    base = write_gguf(tmp_path / "base", before)
    target = write_gguf(tmp_path / "target", trained(before, touched=0.03), "2")

    assert applied(tmp_path, base, target) == target.read_bytes()
    assert (tmp_path / "delta").stat().st_size < 0.1 * target.stat().st_size


def test_tensors_are_found_where_they_moved_to(tmp_path: Path) -> None:
    before = weights()
    base = write_gguf(tmp_path / "base", before)
    target = write_gguf(tmp_path / "target", before | {"a.new.one": weights(5, 32, 32)["layer.0"]}, "2")

    assert applied(tmp_path, base, target) == target.read_bytes()
    assert (tmp_path / "delta").stat().st_size < 5_000


def test_the_same_files_make_the_same_delta(tmp_path: Path) -> None:
    before = weights()
    base = write_gguf(tmp_path / "base", before)
    target = write_gguf(tmp_path / "target", trained(before), "2")

    make_delta(base, target, tmp_path / "first")
    make_delta(base, target, tmp_path / "second")

    assert (tmp_path / "first").read_bytes() == (tmp_path / "second").read_bytes()


def test_no_delta_is_made_where_it_would_not_be_smaller(tmp_path: Path) -> None:
    (tmp_path / "base").write_bytes(b"something else")
    (tmp_path / "target").write_bytes(b"tiny")

    assert not make_delta(tmp_path / "base", tmp_path / "target", tmp_path / "delta")
    assert sorted(path.name for path in tmp_path.iterdir()) == ["base", "target"]


@pytest.mark.parametrize("kind", ["safetensors", "gguf"])
def test_every_byte_of_a_model_lies_in_one_region(tmp_path: Path, kind: str) -> None:
    write = write_gguf if kind == "gguf" else write_safetensors
    path = write(tmp_path / "model", weights())

    found = regions(path)

    assert [region.name for region in found if region.name] == ["layer.0", "layer.1", "layer.2"]
    assert found[0].offset == 0
    assert all(a.offset + a.length == b.offset for a, b in pairwise(found))
    assert found[-1].offset + found[-1].length == path.stat().st_size


def test_another_base_is_refused_and_what_was_there_stays(tmp_path: Path) -> None:
    base = write_safetensors(tmp_path / "base", weights(0))
    target = write_safetensors(tmp_path / "target", trained(weights(0)))
    other = write_safetensors(tmp_path / "other", weights(9))
    make_delta(base, target, tmp_path / "delta")
    (tmp_path / "out").write_bytes(b"the last good model")

    with pytest.raises(DeltaRefused):
        apply_delta(other, tmp_path / "delta", described(target), tmp_path / "out")

    assert (tmp_path / "out").read_bytes() == b"the last good model"
    assert not (tmp_path / "out.partial").exists()


def test_a_delta_to_another_file_than_the_signed_one_is_refused_before_it_costs_anything(tmp_path: Path) -> None:
    base = write_safetensors(tmp_path / "base", weights(0))
    target = write_safetensors(tmp_path / "target", trained(weights(0)))
    make_delta(base, target, tmp_path / "delta")

    with pytest.raises(DeltaRefused) as refused:
        apply_delta(base, tmp_path / "delta", File("00" * 32, target.stat().st_size), tmp_path / "out")

    assert refused.value.flaw is Flaw.OTHER_TARGET
    assert not (tmp_path / "out.partial").exists()
