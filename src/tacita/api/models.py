"""`GET /api/v1/models/latest` and the signed TUF files (contract §6)."""

import re
from typing import Any

import msgspec
from starlette.requests import Request
from starlette.responses import Response

from tacita.api import problems
from tacita.api.door import Door
from tacita.models.deltas.structure import FORMAT as DELTA_FORMAT
from tacita.protocol.answers import LatestModel
from tacita.protocol.ids import model_number
from tacita.store import deltas, registry, releases
from tacita.store.connection import Connection, run_transaction
from tacita.store.deltas import Delta
from tacita.store.registry import Model

_MEGABYTE = 1_000_000
_METADATA_NAME = re.compile(r"(\d+\.)?[a-z]+\.json\Z")
_TARGET_NAME = re.compile(r"[0-9a-f]{64}\.[A-Za-z0-9._+-]{1,128}\Z")
_IMMUTABLE = {"Cache-Control": "public, max-age=31536000, immutable"}
_FRESH = {"Cache-Control": "no-cache"}


async def latest(door: Door, request: Request) -> Response:
    """Answer which model a device should have, and what the evaluation measured of it.

    With `current=<version>`, what is to be downloaded is the delta from that version, where there is one.
    """
    asked = request.query_params.get("current", "")
    current = asked if model_number(asked) else None  # only a version of ours has a delta

    async def read(connection: Connection) -> tuple[Model | None, Delta | None, Any]:
        model = await registry.latest(connection)
        if model is None or model.round is None:
            return model, None, None
        [made_from] = await releases.published(connection, [model.round])
        delta = None if current is None else await deltas.find(connection, model.version, current)
        return model, delta, msgspec.to_builtins(made_from.statement)

    model, delta, statement = await run_transaction(door.pool, read)
    if model is None:
        return problems.json_response({"detail": "No model is published yet"}, 404)
    download: Model | Delta = model if delta is None else delta
    shown = LatestModel(
        version=model.version,
        created_at=model.created_at.isoformat().replace("+00:00", "Z"),
        delta_size_mb=download.size_bytes / _MEGABYTE,
        improvements=model.improvements,
        download_url=str(request.base_url.replace(path=f"/tuf/targets/{download.sha256}.{download.target_name}")),
        size_bytes=download.size_bytes,
        sha256=download.sha256,
        base_version=download.base_version,
        format=model.format if delta is None else DELTA_FORMAT,
        release=statement,
    )
    return problems.json_response(shown, headers=_FRESH)


async def metadata(door: Door, request: Request) -> Response:
    """Answer with a file of TUF metadata; only `timestamp.json` ever changes under its name."""
    name = request.path_params["name"]
    if not _METADATA_NAME.match(name):
        return _missing()
    headers = _FRESH if name == "timestamp.json" else _IMMUTABLE
    return await _blob(door, f"metadata/{name}", "application/json", headers)


async def target(door: Door, request: Request) -> Response:
    """Answer with a target file, named by its digest."""
    name = request.path_params["name"]
    if not _TARGET_NAME.match(name):
        return _missing()
    return await _blob(door, f"targets/{name}", "application/octet-stream", _IMMUTABLE)


def _missing() -> Response:
    return problems.json_response({"detail": "Not found"}, 404)


async def _blob(door: Door, name: str, media_type: str, headers: dict[str, str]) -> Response:
    data = await door.blobs.get_named(name)
    return _missing() if data is None else Response(data, 200, headers, media_type)
