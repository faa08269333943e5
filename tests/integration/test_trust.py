"""The signed chain, followed by python-tuf's own client over HTTP: what it accepts, refuses and survives."""

import asyncio
import json
from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path

import pytest
from tests.chain import Chain, Cut, Killed, just_now, serving

from tacita.models import roots, trust
from tacita.models.approval import Approved
from tacita.models.roots import ROLES, TrustError
from tacita.models.trusted_client import UntrustedModel, fetch_verified

DAY = timedelta(days=1)
ONE, TWO = b'{"model": 1}', b'{"model": 2}'


@pytest.fixture
def bare(tmp_path: Path) -> Iterator[Chain]:
    chain = Chain(tmp_path)
    chain.named.mkdir()
    with serving(chain.named) as chain.url:
        yield chain


@pytest.fixture
def chain(bare: Chain) -> Chain:
    """Return a served chain with one target, `one.json`."""
    bare.start()
    bare.publish("one.json", ONE)
    return bare


def targets_of(chain: Chain) -> list[Path]:
    return list((chain.named / "targets").iterdir())


def tamper(path: Path) -> None:
    data = path.read_bytes()
    path.write_bytes(data.replace(b"1", b"7", 1))


def test_what_was_published_is_fetched(chain: Chain) -> None:
    assert chain.fetch("one.json") == ONE


def test_each_model_of_the_chain_can_be_fetched(chain: Chain) -> None:
    chain.publish("two.json", TWO)
    assert [chain.fetch(name) for name in ("one.json", "two.json")] == [ONE, TWO]


def test_a_client_needs_its_first_root_once_only(chain: Chain, tmp_path: Path) -> None:
    chain.fetch("one.json")
    assert fetch_verified(chain.url, "one.json", tmp_path / "client", None) == ONE


def test_a_client_without_any_root_trusts_nothing(chain: Chain, tmp_path: Path) -> None:
    with pytest.raises(UntrustedModel):
        fetch_verified(chain.url, "one.json", tmp_path / "client", None)


def test_a_model_that_is_not_in_the_chain_is_not_trusted(chain: Chain) -> None:
    with pytest.raises(UntrustedModel, match=r"has no two\.json"):
        chain.fetch("two.json")


def test_a_tampered_model_is_refused(chain: Chain) -> None:
    tamper(*targets_of(chain))
    with pytest.raises(UntrustedModel):
        chain.fetch("one.json")


def test_a_model_damaged_in_the_clients_own_folder_is_fetched_again(chain: Chain, tmp_path: Path) -> None:
    chain.fetch("one.json")
    tamper(tmp_path / "client" / "targets" / "one.json")
    assert chain.fetch("one.json") == ONE


@pytest.mark.parametrize("name", ["timestamp.json", "2.snapshot.json", "2.targets.json"])
def test_tampered_metadata_is_refused(chain: Chain, name: str) -> None:
    path = chain.named / "metadata" / name
    content = json.loads(path.read_bytes())
    content["signed"]["expires"] = "2999-01-01T00:00:00Z"
    path.write_text(json.dumps(content))
    with pytest.raises(UntrustedModel):
        chain.fetch("one.json")


def test_metadata_that_is_no_metadata_is_refused(chain: Chain) -> None:
    (chain.named / "metadata" / "timestamp.json").write_bytes(b"<html>not found</html>")
    with pytest.raises(UntrustedModel):
        chain.fetch("one.json")


def test_an_older_timestamp_than_the_one_seen_is_refused(chain: Chain) -> None:
    timestamp = chain.named / "metadata" / "timestamp.json"
    older = timestamp.read_bytes()
    chain.publish("two.json", TWO)
    chain.fetch("two.json")
    timestamp.write_bytes(older)
    with pytest.raises(UntrustedModel):
        chain.fetch("one.json")


def test_a_chain_that_nobody_refreshed_expires(bare: Chain) -> None:
    bare.start(age=8 * DAY)
    bare.publish("one.json", ONE, age=8 * DAY)
    with pytest.raises(UntrustedModel):
        bare.fetch("one.json")


def test_an_expired_chain_is_trusted_again_once_refreshed(bare: Chain) -> None:
    bare.start(age=8 * DAY)
    bare.publish("one.json", ONE, age=8 * DAY)
    bare.refresh()
    assert bare.fetch("one.json") == ONE


@pytest.mark.parametrize("role", ROLES[1:])
def test_another_key_for_any_role_signs_nothing(chain: Chain, role: str) -> None:
    theirs = chain.keys | {role: trust.generate_role_keys()[role]}

    with pytest.raises(TrustError, match=f"can't sign {role}"):
        chain.publish("two.json", TWO, signed_by=theirs)


def test_another_deployments_root_does_not_verify_the_chain(chain: Chain, tmp_path: Path) -> None:
    other = Chain(tmp_path / "other")
    other.start()
    with pytest.raises(UntrustedModel):
        fetch_verified(chain.url, "one.json", tmp_path / "client", other.first_root)


def test_the_root_that_a_client_brings_wins_over_one_kept_before(chain: Chain, tmp_path: Path) -> None:
    other = Chain(tmp_path / "other")
    other.start()
    with pytest.raises(UntrustedModel):
        fetch_verified(chain.url, "one.json", tmp_path / "client", other.first_root)
    assert chain.fetch("one.json") == ONE


def test_a_server_that_is_away_is_an_untrusted_model(chain: Chain, tmp_path: Path) -> None:
    with pytest.raises(UntrustedModel):
        fetch_verified("http://127.0.0.1:1", "one.json", tmp_path / "client", chain.first_root)


@pytest.mark.parametrize("writes", range(3))
def test_a_publication_killed_between_two_writes_leaves_the_old_chain_valid(chain: Chain, writes: int) -> None:
    with pytest.raises(Killed):
        chain.publish("two.json", TWO, storage=Cut(chain.blobs, writes))
    with pytest.raises(UntrustedModel, match="has no"):
        chain.fetch("two.json")
    assert chain.fetch("one.json") == ONE


@pytest.mark.parametrize("writes", range(3))
def test_a_killed_publication_completes_when_it_is_repeated(chain: Chain, writes: int) -> None:
    with pytest.raises(Killed):
        chain.publish("two.json", TWO, storage=Cut(chain.blobs, writes))
    chain.fetch("one.json")
    chain.publish("two.json", TWO)
    assert chain.fetch("two.json") == TWO


def test_a_publication_takes_three_writes(chain: Chain) -> None:
    storage = Cut(chain.blobs, 3)
    chain.publish("two.json", TWO, storage=storage)
    assert storage.writes_left == 0


@pytest.mark.parametrize("writes", range(4))
def test_a_killed_start_completes_when_it_is_repeated(bare: Chain, writes: int) -> None:
    with pytest.raises(Killed):
        bare.start(storage=Cut(bare.blobs, writes))
    bare.start()
    bare.publish("one.json", ONE)
    assert bare.fetch("one.json") == ONE


def test_starting_twice_changes_nothing(chain: Chain) -> None:
    before = chain.metadata()
    chain.start()
    assert chain.metadata() == before


def test_publishing_twice_changes_nothing(chain: Chain) -> None:
    before = chain.metadata()
    chain.publish("one.json", ONE)
    assert chain.metadata() == before


def test_another_content_under_a_signed_name_is_refused(chain: Chain) -> None:
    with pytest.raises(TrustError, match="signed already"):
        chain.publish("one.json", TWO)


def test_a_file_that_is_not_the_one_that_was_judged_is_not_signed(chain: Chain) -> None:
    judged = Approved("two", "two.json", "0" * 64, 1, {"better": True})

    with pytest.raises(TrustError, match="not the file that was judged"):
        asyncio.run(
            trust.publish(chain.blobs, trust.signers(chain.keys), judged, "two.json", 1, "1" * 64, {}, just_now())
        )


def test_publishing_without_a_chain_is_a_clear_error(bare: Chain) -> None:
    with pytest.raises(TrustError, match="lacks"):
        bare.publish("one.json", ONE)


def _versions(chain: Chain) -> dict[str, int]:
    """Return the newest version of each role."""
    found = [json.loads(data)["signed"] for data in chain.metadata().values()]
    return {role: max(signed["version"] for signed in found if signed["_type"] == role) for role in ROLES}


@pytest.mark.parametrize(
    ("age", "renewed"),
    [
        (3 * DAY, set()),
        (4 * DAY, {"timestamp"}),
        (46 * DAY, {"snapshot", "timestamp"}),
        (183 * DAY, {"root", "targets", "snapshot", "timestamp"}),
    ],
)
def test_a_refresh_signs_anew_what_is_past_half_of_its_life(bare: Chain, age: timedelta, renewed: set[str]) -> None:
    bare.start(age=age)
    before = _versions(bare)
    bare.refresh()
    assert {role for role, version in _versions(bare).items() if version > before[role]} == renewed


def test_a_refreshed_chain_is_not_refreshed_again(bare: Chain) -> None:
    bare.start(age=183 * DAY)
    bare.refresh()
    before = bare.metadata()
    bare.refresh()
    assert bare.metadata() == before


def test_a_client_with_the_first_root_only_follows_years_of_refreshes(bare: Chain) -> None:
    bare.start(age=800 * DAY)
    bare.publish("one.json", ONE, age=800 * DAY)
    for days in range(620, -1, -155):
        bare.refresh(age=days * DAY)
    assert bare.fetch("one.json") == ONE


def test_a_model_cut_off_on_its_way_is_refused_with_a_typed_error(
    chain: Chain, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("tests.chain._Handler.copyfile", lambda _self, source, output: output.write(source.read()[:5]))
    with pytest.raises(UntrustedModel):
        chain.fetch("one.json")


@pytest.mark.parametrize("signing", [1, 2])
def test_a_root_signed_elsewhere_is_installed_when_enough_of_its_keys_signed_it(chain: Chain, signing: int) -> None:
    chain.appoint({"root": trust.generate_role_keys()["root"], "root-2": trust.generate_role_keys()["root"]})
    offline = [trust.signer(chain.keys.pop(name)) for name in ("root", "root-2")]
    root = roots.successor(asyncio.run(roots.walk(chain.blobs))[-1], just_now().replace(microsecond=0))
    roots.sign(root, offline[:signing])

    async def install() -> None:
        await trust.install(chain.blobs, trust.signers(chain.keys), root, just_now())

    if signing < 2:
        with pytest.raises(TrustError, match="root 3 is not trusted"):
            asyncio.run(install())
    else:
        asyncio.run(install())
    assert ("3.root.json" in chain.metadata()) == (signing == 2)
    assert chain.fetch("one.json") == ONE


def test_a_refresh_leaves_a_root_whose_keys_are_elsewhere_alone(bare: Chain) -> None:
    bare.start(age=200 * DAY)
    del bare.keys["root"]

    bare.refresh()

    assert _versions(bare) == {"root": 1, "targets": 2, "snapshot": 2, "timestamp": 2}
