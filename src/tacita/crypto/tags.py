"""Keyed, truncated names of node ids, by which a repeated node is known (privacy §3)."""

import struct
from binascii import unhexlify
from collections.abc import Sequence

from cryptography.hazmat.primitives.ciphers import Cipher, algorithms, modes

from tacita.crypto.keyring import keyed_tag

TAG_BYTES = 8
"""100 nodes of one device collide with chance 3e-16; a collision costs one node."""


def node_tags(key: bytes, ids: Sequence[str]) -> list[bytes]:
    """Return the 8-byte keyed name of each node id, in order.

    A UUID is 16 bytes, one AES block, so a pseudorandom function of it is one AES-256 call under a key of its own,
    truncated to half a block; all ids go through the cipher in one call. The mode is ECB, because what is wanted is
    just the permutation of each block by itself: nothing is encrypted, and equal ids must get equal names. AES is a
    permutation, which q distinct inputs tell from a function with advantage below q²/2¹²⁹ (PRP/PRF switching lemma);
    truncation only takes away. Without the key a name says nothing of its id, and it goes with the key.

    Args:
        key: the device's dedupe key, 32 bytes; AES runs under a key derived from it for this purpose alone.
        ids: UUID texts (contract §1.5), checked before.
    """
    permutation = Cipher(
        algorithms.AES256(keyed_tag(key, "node tags", b"AES-256")),
        modes.ECB(),  # noqa: S305 - a pseudorandom permutation of single blocks, not encryption: see above
    ).encryptor()
    blocks = permutation.update(unhexlify("".join(ids).replace("-", "")))
    return list(struct.unpack(f"{TAG_BYTES}s{16 - TAG_BYTES}x" * len(ids), blocks))
