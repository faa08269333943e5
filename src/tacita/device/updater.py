"""Looking for the latest model, verifying it along the signed chain, and applying it whole or not at all (contract §6).

The first root is trusted on first use unless the caller brings one, as an app does that ships it.
"""

import hashlib
from pathlib import Path

import httpx
import msgspec

from tacita.device.state import Device
from tacita.device.uploader import ServerAway
from tacita.models import policy_pack
from tacita.models.trusted_client import UntrustedModel, fetch_verified
from tacita.protocol.answers import LatestModel
from tacita.protocol.ids import model_number

_TIMEOUT_S = 30.0


def look(base_url: str) -> LatestModel:
    """Return what the server says is the latest model.

    Raises:
        ServerAway: it can't be reached, or has none.
    """
    try:
        answer = httpx.get(f"{base_url}/api/v1/models/latest", timeout=_TIMEOUT_S, trust_env=False).raise_for_status()
        return msgspec.json.decode(answer.content, type=LatestModel)
    except (httpx.HTTPError, msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
        raise ServerAway(f"{base_url} does not say which model is the latest: {type(error).__name__}") from error


def first_root(base_url: str) -> bytes:
    """Return the server's first root, to be trusted on first use.

    Raises:
        ServerAway: it can't be reached, or has none.
    """
    try:
        url = f"{base_url}/tuf/metadata/1.root.json"
        return httpx.get(url, timeout=_TIMEOUT_S, trust_env=False).raise_for_status().content
    except httpx.HTTPError as error:
        raise ServerAway(f"{base_url} does not give its root: {type(error).__name__}") from error


def update(device: Device, base_url: str, folder: Path, root: bytes | None = None) -> bool:
    """Bring the device to the latest model; return whether there was a newer one.

    Which model is the latest is not signed, so an older one than the device's is never applied: a server that wants
    old weights back publishes them under a new version.

    Args:
        device: its pack and version change only after everything is verified.
        base_url: the server, without a slash at its end.
        folder: where the device keeps its trusted metadata.
        root: the first root, else trusted on first use.

    Raises:
        ServerAway: the server can't be reached.
        UntrustedModel: the chain, the digest or the pack's version doesn't fit.
    """
    latest = look(base_url)
    if device.pack is not None and model_number(latest.version) <= model_number(device.model_version):
        return False
    if root is None and not (folder / "metadata" / "root.json").exists():
        root = first_root(base_url)
    data = fetch_verified(base_url, f"{latest.version}.json", folder, root)
    if hashlib.sha256(data).hexdigest() != latest.sha256:
        raise UntrustedModel(f"{latest.version} is signed, but is not what the server announced")
    try:
        pack = policy_pack.decode_pack(data)
    except policy_pack.PackError as error:
        raise UntrustedModel(f"{latest.version} is signed, but is no policy: {error}") from error
    if pack.version != latest.version:
        raise UntrustedModel(f"the file of {latest.version} holds another version")
    device.pack, device.model_version = data, latest.version
    return True
