"""A device's side of the signed chain: python-tuf's stock client, with its many errors made one (contract §6.2)."""

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from tuf.api.exceptions import DownloadError, RepositoryError
from tuf.api.metadata import TargetFile
from tuf.ngclient import Updater
from urllib3.exceptions import HTTPError

from tacita.errors import TacitaError
from tacita.models.deltas.structure import File


class UntrustedModel(TacitaError):  # noqa: N818 - what the model is
    """The chain or the target does not verify, or can't be fetched; nothing of it is used."""


class TrustedChain:
    """The chain as it is now, followed to its targets' metadata.

    Args:
        base_url: the server, without a slash at its end.
        folder: where this device keeps the metadata it trusts, between calls.
        first_root: the root to begin from; None trusts the one that this folder began from before.

    Raises:
        UntrustedModel: expired, wrongly signed, rolled back, or not to be had.
    """

    def __init__(self, base_url: str, folder: Path, first_root: bytes | None) -> None:
        metadata, targets = folder / "metadata", folder / "targets"
        for place in (metadata, targets):
            place.mkdir(parents=True, exist_ok=True)
        with _untrusted("the chain"):
            self._updater = Updater(
                str(metadata),
                f"{base_url}/tuf/metadata/",
                str(targets),
                f"{base_url}/tuf/targets/",
                bootstrap=first_root,
            )
            self._updater.refresh()

    def _target(self, target_path: str) -> TargetFile:
        target = self._updater.get_targetinfo(target_path)
        if target is None:
            raise UntrustedModel(f"the signed chain has no {target_path}")
        return target

    def describe(self, target_path: str) -> File:
        """Return what a target is signed to be, without downloading it.

        Raises:
            UntrustedModel: it is not in the chain.
        """
        with _untrusted(target_path):
            target = self._target(target_path)
            return File(target.hashes["sha256"], target.length)

    def fetch(self, target_path: str) -> Path:
        """Download a target, unless it is there already, and return where its verified content lies.

        Raises:
            UntrustedModel: it is not in the chain, of another digest or length, or not to be had.
        """
        with _untrusted(target_path):
            target = self._target(target_path)
            return Path(self._updater.find_cached_target(target) or self._updater.download_target(target))


@contextmanager
def _untrusted(what: str) -> Iterator[None]:
    try:
        yield
    except (RepositoryError, DownloadError, OSError, HTTPError) as error:  # HTTPError: lost in the middle of a body
        raise UntrustedModel(f"{what} is not trusted: {error}") from error


def fetch_verified(base_url: str, target_path: str, folder: Path, first_root: bytes | None) -> bytes:
    """Follow the chain to a target and return its verified content; arguments and errors are `TrustedChain`'s."""
    return TrustedChain(base_url, folder, first_root).fetch(target_path).read_bytes()
