"""The steps of `tacita keys rotate-kek` (decision 25); each may be cut off, and the command given again goes on.

Under way, both keys are valid: `crypto/key_encryption.py` says how running workers learn of the new one.
"""

import asyncio
from dataclasses import dataclass

from tacita import config
from tacita.cli import screen
from tacita.config import Deployment
from tacita.crypto.errors import KeyringError
from tacita.crypto.keyring import Keyring, random_key
from tacita.crypto.providers import kek_source
from tacita.store import resealing
from tacita.store.connection import Pool, open_pool

_ENVIRONMENT = "env:"


@dataclass(frozen=True)
class KekRotation:
    """A rotation of one deployment's key-encryption key."""

    deployment: Deployment
    keyring: Keyring

    def run(self, dsn: str, to: str | None) -> str:
        """Begin a rotation or go on with the one under way; return what is to be said.

        Raises:
            KeyringError: a place can't keep the new key, holds another, or isn't the one of the rotation under way.
        """
        under_way = self.keyring.keks.target()
        if under_way is not None and to not in {None, under_way}:
            raise KeyringError(f"a rotation to {under_way} is under way; finish it first, without --to")
        target = under_way or to or self.deployment.kek_source().text
        kek = None if under_way else self._new_kek(target)
        resealed = asyncio.run(self._reseal(dsn, kek, target))
        return f"{resealed} values sealed anew; {self._settle(target, began=kek is not None)}"

    def _new_kek(self, target: str) -> bytes:
        """Return the new key: the operator's own out of the environment, else a random one."""
        present, place = self.deployment.kek_source(), kek_source(target, self.keyring.folder)
        if not target.startswith(_ENVIRONMENT):
            if target != present.text and place.exists():
                raise KeyringError(f"{target} holds a key already; it would be lost")
            return random_key()
        kek = place.read()
        if kek == self.keyring.keks.current:
            raise KeyringError(
                f"{target} holds the present key; set another variable to the new one, and name it: --to"
            )
        return kek

    async def _reseal(self, dsn: str, kek: bytes | None, target: str) -> int:
        async with open_pool(dsn, 2) as pool:
            if kek is not None:
                await resealing.change_kek(pool, lambda: self.keyring.keks.begin(kek, target))
            total = 0
            while resealed := await self._pass(pool):  # a second pass finds nothing, or there was a third key
                total += resealed
        return total

    async def _pass(self, pool: Pool) -> int:
        with screen.progress() as progress:
            task = progress.add_task("sealing anew", total=None)
            count = self.keyring.reseal_files() + await resealing.reseal_rounds(pool, self.keyring)
            rows = await resealing.reseal_devices(pool, self.keyring, lambda n: progress.advance(task, n))
            return count + rows

    def _settle(self, target: str, *, began: bool) -> str:
        """Keep the new key where it belongs, and forget the old one, once whoever starts gets the new one."""
        keks, ours = self.keyring.keks, not target.startswith(_ENVIRONMENT)
        before = self.deployment.kek_source().text
        if ours:
            kek_source(target, self.keyring.folder).write(keks.current)
            if target != before:
                config.write_setting(self.deployment.folder, "kek_source", target)
        after = self.deployment.kek_source()
        if (ours or not began) and after.exists() and after.read() == keks.current:
            keks.finish()
            left = (
                "" if after.text == before else f" What {before} holds opens nothing here any more, only old backups."
            )
            return f"the key-encryption key is in {after.text}.{left}"
        return (
            f"old and new key are both valid. Now start the server with {target} as its key-encryption key"
            f" (TACITA_KEK_SOURCE={target}, or its key in TACITA_KEK), and give the same command again."
        )
