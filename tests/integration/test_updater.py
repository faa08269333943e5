"""A device that updates: a model that verifies is applied whole; whatever does not, leaves the old one."""

import hashlib
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path

import msgspec
import pytest
from tests.chain import Chain, serving
from tests.packs import pack_bytes

from tacita.device import updater
from tacita.device.state import Device
from tacita.device.uploader import ServerAway
from tacita.models import trust
from tacita.models.deltas.maker import make_delta
from tacita.models.trusted_client import UntrustedModel
from tacita.protocol.answers import LatestModel

LATEST = "/api/v1/models/latest"
V1, V2, V3 = "granite-3b-v1", "granite-3b-v2", "granite-3b-v3"


class Server(Chain):
    """A chain, and what the API says is the latest model."""

    answers: dict[str, bytes]

    def announce(self, version: str, data: bytes) -> None:
        digest = hashlib.sha256(data).hexdigest()
        download = f"/tuf/targets/{digest}.{version}.json"
        now = datetime.now(UTC).isoformat()
        latest = LatestModel(
            version, now, len(data) / 1e6, [], download, len(data), digest, None, "tacita/policy-pack/1", None
        )
        self.answers[LATEST] = msgspec.json.encode(latest)

    def ship(self, version: str, data: bytes | None = None) -> bytes:
        content = pack_bytes(version) if data is None else data
        self.publish(f"{version}.json", content)
        self.announce(version, content)
        return content


@pytest.fixture
def server(tmp_path: Path) -> Iterator[Server]:
    made = Server(tmp_path)
    made.start()
    made.answers = {}
    with serving(made.named, made.answers) as made.url:
        yield made


@pytest.fixture
def device() -> Device:
    return Device.new(datetime.now(UTC))


def update(device: Device, server: Server) -> bool:
    return updater.update(device, server.url, server.folder / "device")


def applied(device: Device) -> tuple[str, bytes | None]:
    return device.model_version, device.pack


def test_an_update_applies_the_verified_model(device: Device, server: Server) -> None:
    data = server.ship(V2)
    assert update(device, server)
    assert applied(device) == (V2, data)


def test_a_device_that_is_up_to_date_stays_as_it_is(device: Device, server: Server) -> None:
    data = server.ship(V2)
    update(device, server)
    assert not update(device, server)
    assert applied(device) == (V2, data)


def test_a_device_follows_from_model_to_model(device: Device, server: Server) -> None:
    server.ship(V2)
    update(device, server)
    data = server.ship(V3)
    assert update(device, server)
    assert applied(device) == (V3, data)


@pytest.fixture
def updated(device: Device, server: Server) -> Device:
    """Return a device that applied v2 while v3 is on offer."""
    server.ship(V2)
    update(device, server)
    server.ship(V3)
    return device


class Offer:
    """A delta from v2 to v3 that is signed and announced, beside v3 itself."""

    def __init__(self, server: Server, content: bytes | None = None) -> None:
        old, new, delta = (server.folder / name for name in ("old", "new", "made.delta"))
        old.write_bytes(pack_bytes(V2))
        new.write_bytes(pack_bytes(V3, shift=0.01))
        assert make_delta(old, new, delta)
        self.new, data = new.read_bytes(), delta.read_bytes() if content is None else content
        server.publish(f"{V3}.json", self.new)
        server.publish(f"{V3}.from.{V2}.delta", data)
        latest = LatestModel(
            V3, datetime.now(UTC).isoformat(), len(data) / 1e6, [], "/tuf/targets/…", len(data),
            hashlib.sha256(data).hexdigest(), V2, "tacita-delta/1", None,
        )  # fmt: skip
        server.answers[LATEST] = msgspec.json.encode(latest)
        self.size = len(data)


def test_a_delta_from_the_devices_own_version_is_enough(device: Device, server: Server) -> None:
    server.ship(V2)
    update(device, server)
    offer = Offer(server)
    for whole in (server.named / "targets").glob(f"*.{V3}.json"):
        whole.unlink()

    assert update(device, server)

    assert applied(device) == (V3, offer.new)
    assert offer.size < len(offer.new) / 2


def test_a_signed_delta_that_does_not_apply_costs_only_the_whole_file(device: Device, server: Server) -> None:
    server.ship(V2)
    update(device, server)
    offer = Offer(server, b"TACDLT1\n and then nothing of the kind")

    assert update(device, server)

    assert applied(device) == (V3, offer.new)


def test_a_delta_from_another_version_is_not_used(device: Device, server: Server) -> None:
    server.ship(V1)
    update(device, server)
    offer = Offer(server)

    assert update(device, server)

    assert applied(device) == (V3, offer.new)


def assert_refused(device: Device, server: Server) -> None:
    before = applied(device)
    with pytest.raises(UntrustedModel):
        update(device, server)
    assert applied(device) == before


def test_a_tampered_model_leaves_the_old_one_whole(updated: Device, server: Server) -> None:
    for path in (server.named / "targets").glob(f"*{V3}*"):
        path.write_bytes(pack_bytes(V3, shift=0.01))
    assert_refused(updated, server)


def test_a_broken_chain_leaves_the_old_model_whole(updated: Device, server: Server) -> None:
    (server.named / "metadata" / "timestamp.json").write_bytes(b"{}")
    assert_refused(updated, server)


def test_a_model_that_is_announced_and_not_signed_is_not_applied(updated: Device, server: Server) -> None:
    server.announce("granite-3b-v4", pack_bytes("granite-3b-v4"))
    assert_refused(updated, server)


def test_a_signed_model_of_another_digest_than_announced_is_not_applied(updated: Device, server: Server) -> None:
    server.announce(V3, pack_bytes(V3, shift=0.01))
    assert_refused(updated, server)


def test_a_signed_file_of_another_version_is_not_applied(updated: Device, server: Server) -> None:
    server.ship("granite-3b-v4", pack_bytes(V2))
    assert_refused(updated, server)


def test_a_signed_file_that_is_no_policy_is_not_applied(updated: Device, server: Server) -> None:
    server.ship("granite-3b-v4", b"{}")
    assert_refused(updated, server)


def test_an_older_model_is_never_applied_again(device: Device, server: Server) -> None:
    old, new = server.ship(V2), server.ship(V3)
    update(device, server)
    server.announce(V2, old)
    assert not update(device, server)
    assert applied(device) == (V3, new)


def test_a_root_that_the_app_ships_is_the_one_that_counts(device: Device, server: Server, tmp_path: Path) -> None:
    server.ship(V2)
    other = Chain(tmp_path / "other", keys=trust.generate_role_keys())
    other.start()
    with pytest.raises(UntrustedModel):
        updater.update(device, server.url, server.folder / "device", other.first_root)
    assert device.pack is None


@pytest.mark.parametrize("answer", [b"<html>", b"{}", b"\xff"])
def test_an_answer_that_names_no_model_is_a_server_away(device: Device, server: Server, answer: bytes) -> None:
    server.answers[LATEST] = answer
    with pytest.raises(ServerAway):
        update(device, server)


def test_a_server_without_a_model_is_a_server_away(device: Device, server: Server) -> None:
    with pytest.raises(ServerAway):
        update(device, server)


def test_a_server_without_a_root_is_a_server_away(device: Device, server: Server) -> None:
    server.ship(V2)
    (server.named / "metadata" / "1.root.json").unlink()
    with pytest.raises(ServerAway, match="root"):
        update(device, server)
