"""`GET /api/v1/models/latest` and the signed TUF files (contract §6)."""

import re
from typing import Any

import msgspec
from starlette.requests import Request
from starlette.responses import Response, StreamingResponse

from tacita.api import problems
from tacita.api.door import Door
from tacita.models.deltas.structure import FORMAT as DELTA_FORMAT
from tacita.protocol.answers import LatestModel
from tacita.protocol.ids import model_number
from tacita.store import deltas, registry, releases
from tacita.store.blobs import FOREVER, FRESH
from tacita.store.connection import Connection, run_transaction
from tacita.store.deltas import Delta
from tacita.store.registry import Model

_MEGABYTE = 1_000_000
_METADATA_NAME = re.compile(r"(\d+\.)?[a-z]+\.json\Z")
_TARGET_NAME = re.compile(r"[0-9a-f]{64}\.[A-Za-z0-9._+-]{1,128}\Z")
_RANGE = re.compile(r"bytes=(\d{1,18})?-(\d{1,18})?\Z")
_IMMUTABLE = {"Cache-Control": FOREVER}
_FRESH = {"Cache-Control": FRESH}


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
    """Answer with a file of TUF metadata. Of a killed publication's, all but roots may be written again."""
    name = request.path_params["name"]
    data = await door.blobs.get_named(f"metadata/{name}") if _METADATA_NAME.match(name) else None
    if data is None:
        return _missing()
    return Response(data, 200, _IMMUTABLE if name.endswith(".root.json") else _FRESH, "application/json")


async def target(door: Door, request: Request) -> Response:
    """Answer with a target file, named by its digest, or with the range of it that was asked for (RFC 9110 §14)."""
    name = request.path_params["name"]
    path = f"targets/{name}"
    size = await door.blobs.size_named(path) if _TARGET_NAME.match(name) else None
    if size is None:
        return _missing()
    tag = f'"{name[:64]}"'
    asked = request.headers.get("range", "") if request.headers.get("if-range", tag) == tag else ""
    wanted = _range(asked, size)
    start, end = wanted or (0, size)
    if start >= end:
        headers = {"Content-Range": f"bytes */{size}"}
        return problems.json_response({"detail": "The file has no such range"}, 416, headers=headers)
    headers = _IMMUTABLE | {"ETag": tag, "Accept-Ranges": "bytes", "Content-Length": str(end - start)}
    if wanted is not None:
        headers |= {"Content-Range": f"bytes {start}-{end - 1}/{size}"}
    content = door.blobs.stream_named(path, start, end)
    return StreamingResponse(content, 200 if wanted is None else 206, headers, "application/octet-stream")


def _range(asked: str, size: int) -> tuple[int, int] | None:
    """Return from where to before where; None, for everything, of what isn't one range, as the RFC lets a server."""
    found = _RANGE.match(asked)
    if found is None or found.groups() == (None, None):
        return None
    first, last = found.groups()
    if first is None:
        return max(size - int(last), 0), size
    if last is not None and int(last) < int(first):
        return None
    return int(first), size if last is None else min(int(last) + 1, size)


def _missing() -> Response:
    return problems.json_response({"detail": "Not found"}, 404)
