"""Which model is the latest, its file, and the signed chain that leads to it (contract §6)."""

import hashlib
import tempfile
from pathlib import Path

import msgspec

from tacita.device.conformance.check import Check
from tacita.device.conformance.probe import Broken, Probe, require, shown
from tacita.models.trusted_client import UntrustedModel, fetch_verified
from tacita.protocol.answers import LatestModel

LATEST = "/api/v1/models/latest"
_MEGABYTE = 1_000_000


def _latest(probe: Probe, query: str = "") -> LatestModel:
    answer = probe.get(f"{LATEST}{query}")
    require(answer.status_code == 200, f"no latest model: {shown(answer)}")
    try:
        return msgspec.json.decode(answer.content, type=LatestModel)
    except msgspec.DecodeError as error:
        raise Broken(f"not the answer that contract §6.1 describes: {error}") from None


def _described(probe: Probe) -> None:
    model = _latest(probe)
    megabytes = model.size_bytes / _MEGABYTE
    require(
        abs(model.delta_size_mb - megabytes) <= 0.01 + megabytes / 100 or model.base_version is not None,
        f"delta_size_mb is {model.delta_size_mb}, but the whole file has {model.size_bytes} bytes",
    )


def _file(probe: Probe) -> None:
    model = _latest(probe)
    answer = probe.get(model.download_url)
    require(answer.status_code == 200, f"the model can't be downloaded: {answer.status_code}")
    size = len(answer.content)
    require(size == model.size_bytes, f"size_bytes is {model.size_bytes}, the download has {size}")
    digest = hashlib.sha256(answer.content).hexdigest()
    require(digest == model.sha256, f"sha256 is {model.sha256}, the download's is {digest}")


def _queries(probe: Probe) -> None:
    version = _latest(probe).version
    _latest(probe, f"?current={version}&device={probe.stranger().device}")


def _chain(probe: Probe) -> None:
    model = _latest(probe)
    root = probe.get("/tuf/metadata/1.root.json")
    require(root.status_code == 200, f"the chain has no first root: {root.status_code}")
    with tempfile.TemporaryDirectory(prefix="tacita-conformance-") as folder:
        try:
            data = fetch_verified(probe.base_url, f"{model.version}.json", Path(folder), root.content)
        except UntrustedModel as error:
            raise Broken(f"a stock TUF client does not follow the chain: {error}") from None
    digest = hashlib.sha256(data).hexdigest()
    require(digest == model.sha256, "the chain leads to another file than the one that is announced")


CHECKS: tuple[Check, ...] = (
    Check("6.1", "the latest model is described", _described),
    Check("6.1", "its file is what was announced", _file),
    Check("6.1", "a current version and a device may be named", _queries),
    Check("6.2", "a stock TUF client follows the chain to it", _chain),
)
