"""Nothing of a graph survives in the database or on the disk: plant canaries, dump everything, look for them."""

import asyncio
import base64
import json
import os
import random
import uuid
from pathlib import Path
from typing import Any

import httpx
import pytest
from tests.adversary import dump
from tests.graphs import graph
from tests.serving import served

from tacita import config
from tacita.cli.init import make_deployment
from tacita.clock import system_clock
from tacita.crypto.envelope import encode_base64, seal, sign
from tacita.device.state import Device
from tacita.device.uploader import RefusedByServer, Uploader
from tacita.protocol.dates import apple_seconds

DEVICES = 3
CANARY_APP = "9.9.9-canary"


def _graph(device: Device, seed: int) -> dict[str, Any]:
    made = graph(seed, 10, device.id_hash, system_clock())
    for node in made["nodes"]:
        node["wordCount"] = 7331
        node["confidence"] = 0.73317331
        node["responseTime"] = 1234.567891
    return made


def _body(device: Device, plain: dict[str, Any], **changes: Any) -> bytes:
    sealed = seal(device.key, json.dumps(plain).encode())
    body = {
        "deviceIdHash": device.id_hash,
        "appVersion": CANARY_APP,
        "modelVersion": "granite-3b-v1",
        "encryptedData": encode_base64(sealed),
        "signature": sign(device.key, sealed),
        "timestamp": apple_seconds(system_clock()),
    }
    return json.dumps(body | changes).encode()


async def _plant(url: str) -> list[str]:
    """Submit graphs and one that is refused; return the planted node ids."""
    ids: list[str] = []
    async with httpx.AsyncClient(base_url=url, timeout=30, trust_env=False) as http:
        for seed in range(DEVICES):
            uploader, device = Uploader(http, random.Random(seed)), Device.new(system_clock())
            await uploader.enrol(device)
            plain = _graph(device, seed)
            ids += [node["id"] for node in plain["nodes"]]
            await uploader.submit(_body(device, plain))
            refused = _graph(device, seed + 100) | {"secret": "canary in the coal mine"}
            ids += [node["id"] for node in refused["nodes"]]
            with pytest.raises(RefusedByServer):
                await uploader.submit(_body(device, refused))
    return ids


def _disk(folder: Path) -> bytes:
    return b"".join(path.read_bytes() for path in sorted(folder.rglob("*")) if path.is_file())


def _traces(ids: list[str]) -> list[bytes]:
    """Return every form in which a node could have been kept: its id's texts and bytes, and its planted values."""
    values = [b"0.7333", b"73317331", b"1234.567891", b"coal mine", b"queryType", b"userEmotionBucket"]
    for text in ids:
        raw = uuid.UUID(text).bytes
        values += [text.encode(), text.lower().encode(), raw, raw.hex().encode(), base64.b64encode(raw)[:21]]
    return values


@pytest.mark.skipif(os.name != "posix", reason="reads the server's own files")
def test_no_plaintext_node_survives_in_the_database_or_on_the_disk(tmp_path: Path) -> None:
    folder = tmp_path / "deployment"
    make_deployment(folder, round_size=100)
    with served(folder) as url:
        ids = asyncio.run(_plant(url))
        with config.load(folder).database() as database:
            dumped = dump(database.dsn)

    disk = _disk(folder)

    assert CANARY_APP.encode() in dumped, "the search must be able to find what is kept"
    assert CANARY_APP.encode() in disk, "the search must be able to find what is kept"
    assert [trace for trace in _traces(ids) if trace in dumped or trace in disk] == []
