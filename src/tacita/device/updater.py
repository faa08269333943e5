"""Looking for the latest model, verifying it along the signed chain, and applying it whole or not at all (contract §6).

The first root is trusted on first use unless the caller brings one, as an app does that ships it.
"""

import hashlib
from contextlib import suppress
from pathlib import Path

import httpx
import msgspec

from tacita.device.state import Device
from tacita.device.uploader import ServerAway
from tacita.models import policy_pack
from tacita.models.deltas.applier import apply_delta
from tacita.models.deltas.errors import DeltaRefused
from tacita.models.deltas.structure import FORMAT as DELTA_FORMAT
from tacita.models.trusted_client import TrustedChain, UntrustedModel
from tacita.protocol.answers import LatestModel
from tacita.protocol.ids import model_number

_TIMEOUT_S = 30.0


def look(base_url: str, current: str | None = None) -> LatestModel:
    """Return what the server says is the latest model.

    Args:
        base_url: the server, without a slash at its end.
        current: the version at hand, from which a delta would do.

    Raises:
        ServerAway: it can't be reached, or has none.
    """
    try:
        asked = {} if current is None else {"current": current}
        url = f"{base_url}/api/v1/models/latest"
        answer = httpx.get(url, params=asked, timeout=_TIMEOUT_S, trust_env=False).raise_for_status()
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
    latest = look(base_url, None if device.pack is None else device.model_version)
    if device.pack is not None and model_number(latest.version) <= model_number(device.model_version):
        return False
    if root is None and not (folder / "metadata" / "root.json").exists():
        root = first_root(base_url)
    data = _content(device, latest, TrustedChain(base_url, folder, root), folder)
    try:
        pack = policy_pack.decode_pack(data)
    except policy_pack.PackError as error:
        raise UntrustedModel(f"{latest.version} is signed, but is no policy: {error}") from error
    if pack.version != latest.version:
        raise UntrustedModel(f"the file of {latest.version} holds another version")
    device.pack, device.model_version = data, latest.version
    return True


def _content(device: Device, latest: LatestModel, chain: TrustedChain, folder: Path) -> bytes:
    """Return the latest model's file: by the announced delta where that works, else whole."""
    name = f"{latest.version}.json"
    if latest.format == DELTA_FORMAT and device.pack is not None and latest.base_version == device.model_version:
        with suppress(UntrustedModel, DeltaRefused):  # what a delta can't do, the whole file does
            return _by_delta(device.pack, latest, chain, folder)
    data = chain.fetch(name).read_bytes()
    if latest.format != DELTA_FORMAT and hashlib.sha256(data).hexdigest() != latest.sha256:
        raise UntrustedModel(f"{latest.version} is signed, but is not what the server announced")
    return data


def _by_delta(pack: bytes, latest: LatestModel, chain: TrustedChain, folder: Path) -> bytes:
    delta = chain.fetch(f"{latest.version}.from.{latest.base_version}.delta")
    base, output = folder / "base", folder / "updated"
    base.write_bytes(pack)
    apply_delta(base, delta, chain.describe(f"{latest.version}.json"), output)
    base.unlink()
    return output.read_bytes()
