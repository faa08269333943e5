"""A device's side of the signed chain: python-tuf's stock client, with its many errors made one (contract §6.2)."""

from pathlib import Path

from tuf.api.exceptions import DownloadError, RepositoryError
from tuf.ngclient import Updater
from urllib3.exceptions import HTTPError

from tacita.errors import TacitaError


class UntrustedModel(TacitaError):  # noqa: N818 - what the model is
    """The chain or the target does not verify, or can't be fetched; nothing of it is used."""


def fetch_verified(base_url: str, target_path: str, folder: Path, first_root: bytes | None) -> bytes:
    """Follow the chain to a target and return its verified content.

    Args:
        base_url: the server, without a slash at its end.
        target_path: the target's name.
        folder: where this device keeps the metadata it trusts, between calls.
        first_root: the root to begin from; None trusts the one that this folder began from before.

    Raises:
        UntrustedModel: expired, wrongly signed, rolled back, not in the chain, of another digest, or not to be had.
    """
    metadata, targets = folder / "metadata", folder / "targets"
    for place in (metadata, targets):
        place.mkdir(parents=True, exist_ok=True)
    try:
        updater = Updater(
            str(metadata),
            f"{base_url}/tuf/metadata/",
            str(targets),
            f"{base_url}/tuf/targets/",
            bootstrap=first_root,
        )
        updater.refresh()
        target = updater.get_targetinfo(target_path)
        if target is None:
            raise UntrustedModel(f"the signed chain has no {target_path}")
        return Path(updater.find_cached_target(target) or updater.download_target(target)).read_bytes()
    except (RepositoryError, DownloadError, OSError, HTTPError) as error:  # HTTPError: lost in the middle of a body
        raise UntrustedModel(f"{target_path} is not trusted: {error}") from error
