"""The application: which path is answered by which endpoint, and the parts that live as long as a worker does."""

from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from typing import Any

from fastapi import FastAPI
from starlette.requests import Request
from starlette.responses import Response
from starlette.types import Receive, Scope, Send

from tacita.api import enrol, health, models, openapi, problems, releases
from tacita.api.door import Door, answer
from tacita.api.submit import submit
from tacita.api.withdraw import receipt_key, withdraw

Endpoint = Callable[[Door, Request], Awaitable[Response]]
OpenDoor = Callable[[], AbstractAsyncContextManager[Door]]

SUBMIT_PATH = "/api/v1/learning-graphs/submit"
_ROUTES: tuple[tuple[str, str, Endpoint], ...] = (
    ("GET", "/api/v1/keys", enrol.keys),
    ("POST", "/api/v1/devices/enroll", enrol.enrol),
    ("POST", "/api/v1/devices/withdraw", withdraw),
    ("GET", "/api/v1/receipt-key", receipt_key),
    ("GET", "/api/v1/releases/{round}", releases.release),
    ("GET", "/releases/{round}", releases.page),
    ("GET", "/api/v1/models/latest", models.latest),
    ("GET", "/tuf/metadata/{name}", models.metadata),
    ("GET", "/tuf/targets/{name}", models.target),
    ("GET", "/health", health.health),
)


def create_app(open_door: OpenDoor) -> FastAPI:
    """Return the ASGI application.

    Args:
        open_door: opens the shared parts when a worker starts, and closes them when it stops.
    """

    @asynccontextmanager
    async def lifespan(app: FastAPI) -> AsyncIterator[None]:
        async with open_door() as door:
            app.state.door = door
            yield

    # The pages that show the document would load scripts from elsewhere.
    app = FrontDoor(lifespan=lifespan, docs_url=None, redoc_url=None)
    for method, path, endpoint in _ROUTES:
        app.router.add_route(path, _with_door(endpoint), methods=[method])
    return app


class FrontDoor(FastAPI):
    """The application; a submission takes a shorter way than FastAPI's own, which costs as much as its decoding."""

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer one ASGI scope."""
        if scope["type"] != "http" or scope["path"] != SUBMIT_PATH:
            await super().__call__(scope, receive, send)
        elif scope["method"] != "POST":
            await problems.method_not_allowed("POST")(scope, receive, send)
        else:
            door: Door = self.state.door
            response = await answer(door, submit(door, scope, receive))
            await response(scope, receive, send)

    def openapi(self) -> dict[str, Any]:
        """Return the document that `/openapi.json` serves."""
        return openapi.document()


def _with_door(endpoint: Endpoint) -> Callable[[Request], Awaitable[Response]]:
    async def handle(request: Request) -> Response:
        door: Door = request.app.state.door
        return await answer(door, endpoint(door, request))

    return handle
