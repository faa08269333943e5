"""New keys for a deployment's roles, which a stock client that trusts the first root follows."""

from pathlib import Path

import pytest
from tests.attacker import EVIL, Attacker, follow
from tests.chain import Chain, serving
from tests.walk import Walk, begun
from tuf.api import exceptions

from tacita.models.roots import ROLES
from tacita.rounds.rotation import rotate
from tacita.rounds.workshop import Workshop

GENESIS = "granite-3b-v1.json"


@pytest.fixture
def walk(database: str, tmp_path: Path) -> Walk:
    return begun(database, tmp_path)


@pytest.mark.parametrize("roles", [["timestamp"], ["snapshot"], ["targets"], ["root"], list(ROLES)])
def test_a_client_with_the_first_root_follows_new_keys(walk: Walk, roles: list[str]) -> None:
    chain = Chain(walk.folder / "blobs")
    old = walk.do(_keys)

    assert walk.do(lambda shop: rotate(shop, roles)) == []

    new = walk.do(_keys)
    assert len(new) == len(ROLES)
    assert len(set(old.values()) & set(new.values())) == len(ROLES) - len(roles)
    with serving(chain.named) as chain.url:
        assert follow(chain, GENESIS) is not None


def test_what_a_thief_had_signed_in_the_storage_does_not_outlive_the_rotation(walk: Walk) -> None:
    chain = Chain(walk.folder / "blobs")
    thief = Attacker(chain, walk.do(_keys))
    thief.offer("evil.json", EVIL)

    with serving(chain.named) as chain.url:
        assert follow(chain, "evil.json") == EVIL

        dropped = walk.do(lambda shop: rotate(shop, ROLES[1:]))

        assert dropped == ["evil.json"]
        assert (follow(chain, "evil.json"), follow(chain, GENESIS) is None) == (None, False)
        thief.offer("evil.json", EVIL)
        with pytest.raises(exceptions.UnsignedMetadataError):
            follow(chain, "evil.json")


async def _keys(shop: Workshop) -> dict[str, bytes]:
    return shop.role_keys
