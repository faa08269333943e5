"""The attacks of the TUF specification's §1.5.2, by its names, on chains of ours, against python-tuf's stock client.

Each test shows two things: the stock client refuses, by the check that is meant for the attack; and the attack is
really mounted: a client that lacks this check, or this memory, is taken in by the same files. Slow retrieval is left
out: the specification leaves it to the transport. Extraneous dependencies are too: no target of ours needs another.
"""

import itertools
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import httpx
import pytest
from tests.attacker import EVIL, Attacker, follow
from tests.chain import Chain, Cut, Killed, just_now, serving
from tuf.api import exceptions
from tuf.api.metadata import MetaFile, Root, Signed, TargetFile
from tuf.ngclient import UpdaterConfig

from tacita.models import trust
from tacita.models.roots import ROLES, TrustError
from tacita.models.trusted_client import UntrustedModel

ONE, TWO = b'{"model": 1}', b'{"model": 2}'
ONLINE = ROLES[1:]


@pytest.fixture
def answers() -> dict[str, Any]:
    """Return what the mirror answers instead of its files."""
    return {}


@pytest.fixture
def chain(tmp_path: Path, answers: dict[str, Any]) -> Iterator[Chain]:
    """Return a served chain with one target, `one.json`."""
    made = Chain(tmp_path)
    made.named.mkdir()
    made.start()
    made.publish("one.json", ONE)
    with serving(made.named, answers) as made.url:
        yield made


@pytest.fixture
def thief(chain: Chain) -> Attacker:
    """Return an attacker with every online key."""
    return Attacker(chain, {role: chain.keys[role] for role in ONLINE})


@pytest.fixture
def stranger(chain: Chain) -> Attacker:
    """Return an attacker with none of the chain's keys."""
    return Attacker(chain, trust.generate_role_keys())


@pytest.fixture
def lacking(monkeypatch: pytest.MonkeyPatch) -> Callable[[type, str], None]:
    """Return what takes a check out of every client from then on: the control of an attack."""

    def remove(kind: type, check: str) -> None:
        monkeypatch.setattr(kind, check, lambda *_arguments: None)

    return remove


Lacking = Callable[[type, str], None]


def test_arbitrary_software_that_the_chain_does_not_name_is_not_installed(chain: Chain, stranger: Attacker) -> None:
    name = TargetFile.from_data("evil.json", EVIL, ["sha256"]).hashes["sha256"] + ".evil.json"
    stranger.put(f"targets/{name}", EVIL)

    installed = follow(chain, "evil.json")

    assert installed is None
    assert httpx.get(f"{chain.url}/tuf/targets/{name}", trust_env=False).content == EVIL


def test_arbitrary_software_signed_by_the_wrong_key_is_refused(
    chain: Chain, stranger: Attacker, lacking: Lacking
) -> None:
    stranger.offer("evil.json", EVIL)

    with pytest.raises(exceptions.UnsignedMetadataError, match="timestamp"):
        follow(chain, "evil.json")

    lacking(Root, "verify_delegate")
    assert follow(chain, "evil.json") == EVIL


@pytest.mark.parametrize("role", ONLINE)
def test_arbitrary_software_with_one_role_unsigned_is_refused(
    chain: Chain, thief: Attacker, role: str, lacking: Lacking
) -> None:
    thief.keys[role] = trust.generate_role_keys()[role]
    thief.offer("evil.json", EVIL)

    with pytest.raises(exceptions.UnsignedMetadataError, match=role):
        follow(chain, "evil.json")

    lacking(Root, "verify_delegate")
    assert follow(chain, "evil.json") == EVIL


def test_arbitrary_software_signed_by_fewer_keys_than_the_threshold_is_refused(chain: Chain, thief: Attacker) -> None:
    other = trust.generate_role_keys()["targets"]
    chain.appoint({"targets": chain.keys["targets"], "targets-2": other})
    before = chain.metadata()
    thief.offer("evil.json", EVIL)

    with pytest.raises(exceptions.UnsignedMetadataError, match=r"targets was signed by 1/2 keys"):
        follow(chain, "evil.json")

    thief.replay(before)
    thief.offer("evil.json", EVIL, by=[chain.keys["targets"], other])
    assert follow(chain, "evil.json", "another client") == EVIL


def test_one_key_signing_twice_does_not_meet_a_threshold_of_two(chain: Chain, thief: Attacker) -> None:
    other = trust.generate_role_keys()["targets"]
    chain.appoint({"targets": chain.keys["targets"], "targets-2": other})
    thief.offer("evil.json", EVIL, by=[chain.keys["targets"], chain.keys["targets"]])

    with pytest.raises(exceptions.UnsignedMetadataError, match=r"targets was signed by 1/2 keys"):
        follow(chain, "evil.json")


def test_wrong_software_in_the_place_of_the_wanted_is_refused(
    chain: Chain, stranger: Attacker, lacking: Lacking
) -> None:
    [place] = (chain.named / "targets").iterdir()
    stranger.put(f"targets/{place.name}", TWO)  # as long as what is wanted

    with pytest.raises(exceptions.LengthOrHashMismatchError):
        follow(chain, "one.json")

    lacking(TargetFile, "verify_length_and_hashes")
    assert follow(chain, "one.json") == TWO


def test_endless_data_for_a_target_is_cut_off_at_its_length(chain: Chain, answers: dict[str, Any]) -> None:
    [place] = (chain.named / "targets").iterdir()
    sent = itertools.count()
    answers[f"/tuf/targets/{place.name}"] = (bytes(65_536) for _ in sent)

    with pytest.raises(exceptions.DownloadLengthMismatchError, match=f"length of {len(ONE)}"):
        follow(chain, "one.json")

    assert next(sent) < 1_000


@pytest.mark.parametrize("name", ["timestamp.json", "2.snapshot.json", "2.targets.json", "2.root.json"])
def test_endless_data_for_metadata_is_cut_off(chain: Chain, answers: dict[str, Any], name: str) -> None:
    sent = itertools.count()
    answers[f"/tuf/metadata/{name}"] = (b" " * 65_536 for _ in sent)

    with pytest.raises(exceptions.DownloadLengthMismatchError):
        follow(chain, "one.json")

    assert next(sent) < 1_000


def test_endless_data_that_is_signed_is_cut_off_too(chain: Chain, thief: Attacker) -> None:
    def bloat(signed: Any) -> None:
        signed.version += 1
        signed.unrecognized_fields["padding"] = "0" * 20_000

    thief.forge("timestamp.json", bloat)

    with pytest.raises(exceptions.DownloadLengthMismatchError, match="length of 16384"):
        follow(chain, "one.json")

    assert follow(chain, "one.json", config=UpdaterConfig(timestamp_max_length=100_000)) == ONE


def _replay_the_timestamp(thief: Attacker, old: dict[str, bytes]) -> None:
    thief.put("metadata/timestamp.json", old["timestamp.json"])


def _roll_the_snapshot_back(thief: Attacker, old: dict[str, bytes]) -> None:
    thief.point_at(old["2.snapshot.json"], 2)


def _roll_the_targets_back(thief: Attacker, old: dict[str, bytes]) -> None:
    thief.lead_to(old["2.targets.json"], 2)


@pytest.mark.parametrize("roll_back", [_replay_the_timestamp, _roll_the_snapshot_back, _roll_the_targets_back])
def test_a_rollback_attack_on_any_role_is_refused(
    chain: Chain, thief: Attacker, roll_back: Callable[[Attacker, dict[str, bytes]], None]
) -> None:
    old = chain.metadata()
    chain.publish("two.json", TWO)
    assert follow(chain, "two.json") == TWO
    roll_back(thief, old)

    with pytest.raises(exceptions.BadVersionNumberError):
        follow(chain, "two.json")

    assert follow(chain, "two.json", "a client that never saw the newer") is None
    assert follow(chain, "one.json", "a client that never saw the newer") == ONE


@pytest.mark.parametrize("role", ROLES)
def test_an_indefinite_freeze_attack_ends_when_what_is_replayed_expires(
    chain: Chain, thief: Attacker, role: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    _let_expire(chain, Attacker(chain, chain.keys), role)

    with pytest.raises(exceptions.ExpiredMetadataError, match=role):
        follow(chain, "one.json")

    monkeypatch.setattr(Signed, "is_expired", lambda *_arguments: False)
    assert follow(chain, "one.json") == ONE


def _let_expire(chain: Chain, owner: Attacker, role: str) -> None:
    """Let the newest metadata of a role be as its owner signed it long ago."""

    def age(signed: Any) -> None:
        signed.expires = just_now().replace(microsecond=0, year=just_now().year - 1)

    if role == "root":
        before = chain.keys["root"]
        chain.rotate("root")
        owner.forge("2.root.json", age, by=[before, chain.keys["root"]])
    elif role == "timestamp":
        owner.forge("timestamp.json", age)
    elif role == "snapshot":
        owner.point_at(owner.forge("2.snapshot.json", age), 2)
    else:
        owner.lead_to(owner.forge("2.targets.json", age), 2)


def test_a_mix_and_match_attack_with_metadata_that_never_was_current_is_refused(
    chain: Chain, stranger: Attacker, lacking: Lacking
) -> None:
    with pytest.raises(Killed):
        chain.publish("two.json", TWO, storage=Cut(chain.blobs, 1))  # writes 3.targets.json, and no more
    never_current = chain.metadata()["3.targets.json"]
    chain.publish("six.json", b'{"model": 6}')  # writes another 3.targets.json, and all the rest
    stranger.put("metadata/3.targets.json", never_current)

    with pytest.raises(exceptions.LengthOrHashMismatchError, match="hash"):
        follow(chain, "two.json")

    lacking(MetaFile, "verify_length_and_hashes")
    assert follow(chain, "two.json") == TWO


def test_a_malicious_mirror_that_prevents_updates_is_noticed(chain: Chain, answers: dict[str, Any]) -> None:
    chain.fetch("one.json")
    answers["/tuf/metadata/timestamp.json"] = b"<html>nothing new</html>"

    with pytest.raises(UntrustedModel):
        chain.fetch("one.json")


@pytest.mark.parametrize("role", ONLINE)
def test_a_key_compromise_of_one_online_role_installs_nothing(chain: Chain, stranger: Attacker, role: str) -> None:
    stranger.keys[role] = chain.keys[role]
    stranger.offer("evil.json", EVIL)

    with pytest.raises(exceptions.RepositoryError):
        follow(chain, "evil.json")


@pytest.mark.parametrize("role", ONLINE)
def test_a_key_compromise_ends_with_a_new_root(chain: Chain, thief: Attacker, role: str) -> None:
    before = chain.metadata()
    thief.offer("evil.json", EVIL)
    assert follow(chain, "evil.json", "an early victim") == EVIL
    thief.replay(before)

    chain.rotate(role)

    assert follow(chain, "one.json") == ONE
    thief.offer("evil.json", EVIL)
    with pytest.raises(exceptions.UnsignedMetadataError, match=role):
        follow(chain, "evil.json")


def test_the_victim_of_a_key_compromise_is_led_back_by_a_new_root(chain: Chain, thief: Attacker) -> None:
    before = chain.metadata()
    thief.offer("evil.json", EVIL)
    assert follow(chain, "evil.json") == EVIL
    thief.replay(before)

    chain.rotate(*ONLINE)

    assert follow(chain, "evil.json") is None
    assert follow(chain, "one.json") == ONE


def test_a_fast_forward_attack_is_recovered_from_by_new_keys(chain: Chain, thief: Attacker) -> None:
    before = chain.metadata()
    thief.offer("evil.json", EVIL, forward=2**31)
    assert follow(chain, "evil.json") == EVIL
    thief.replay(before)
    chain.publish("two.json", TWO)
    with pytest.raises(exceptions.BadVersionNumberError):
        follow(chain, "two.json")

    chain.rotate(*ONLINE)

    assert follow(chain, "two.json") == TWO
    assert follow(chain, "evil.json") is None


def test_what_lies_in_the_storage_with_a_wrong_signature_is_not_signed_over(chain: Chain, stranger: Attacker) -> None:
    stranger.offer("evil.json", EVIL)

    with pytest.raises(TrustError, match="not trusted"):
        chain.publish("two.json", TWO)
