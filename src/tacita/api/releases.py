"""What each release guarantees: `GET /releases/{round}` for people, `GET /api/v1/releases/{round}` for machines."""

import base64
import hashlib
import re
from datetime import UTC, datetime

import msgspec
from jinja2 import Environment, PackageLoader, StrictUndefined
from starlette.requests import Request
from starlette.responses import Response

from tacita.api import problems
from tacita.api.door import Door
from tacita.privacy.release import Statement
from tacita.privacy.statement import figures, plain_words, users_statement
from tacita.store import releases
from tacita.store.connection import run_transaction
from tacita.store.releases import Published

_ROUND = re.compile(r"[1-9][0-9]{0,8}\Z")
_PAGES = Environment(loader=PackageLoader("tacita.api"), autoescape=True, undefined=StrictUndefined, trim_blocks=True)
_STYLE = _PAGES.get_template("page.css").render()
_STYLE_HASH = base64.b64encode(hashlib.sha256(_STYLE.encode()).digest()).decode()
_HEADERS = {
    "Cache-Control": "public, max-age=3600",
    "Content-Security-Policy": (
        f"default-src 'none'; style-src 'sha256-{_STYLE_HASH}'; base-uri 'none'; form-action 'none';"
        " frame-ancestors 'none'"
    ),
    "Referrer-Policy": "no-referrer",
    "X-Content-Type-Options": "nosniff",
}


class ShownRelease(msgspec.Struct, frozen=True):
    """A release's statement; `words` says it in plain ones."""

    round: int
    digest: str
    released_at: datetime
    statement: Statement
    words: list[str]


async def release(door: Door, request: Request) -> Response:
    """Answer with a release's statement as JSON, or 404."""
    found = await _found(door, request)
    if found is None:
        return problems.json_response({"detail": "Not found"}, 404)
    words = plain_words(found.statement)
    return problems.json_response(
        ShownRelease(found.statement.round, found.digest, found.released_at, found.statement, words), headers=_HEADERS
    )


async def page(door: Door, request: Request) -> Response:
    """Answer with a page about a release that people can read, without login, script or anything from elsewhere."""
    found = await _found(door, request)
    if found is None:
        return problems.json_response({"detail": "Not found"}, 404)
    shown = _PAGES.get_template("release.html").render(
        release=found,
        released_at=found.released_at.astimezone(UTC),
        style=_STYLE,
        words=plain_words(found.statement),
        figures=[*figures(found.statement), ("digest of the release", found.digest)],
        statement=users_statement(),
    )
    return Response(shown, 200, _HEADERS, "text/html")


async def _found(door: Door, request: Request) -> Published | None:
    name = request.path_params["round"]
    if not _ROUND.match(name):
        return None
    found = await run_transaction(door.pool, lambda connection: releases.published(connection, [int(name)]))
    return found[0] if found else None
