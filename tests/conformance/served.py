"""The real application served over loopback HTTP in this process, with one thing broken on its way in or out."""

import json
import threading
import time
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import asynccontextmanager, contextmanager
from dataclasses import dataclass, field
from typing import Any

import uvicorn
from fastapi import FastAPI
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from tacita.api.app import create_app
from tacita.api.door import Door
from tacita.cli.parts import open_door
from tacita.config import Deployment


@dataclass
class Exchange:
    """One request and its answer, as a mutation sees them."""

    path: str
    body: bytes
    status: int = 0
    headers: dict[str, str] = field(default_factory=dict)
    content: bytes = b""

    def json(self) -> Any:
        return json.loads(self.content)


Mutation = Callable[[Exchange], None]


def untouched(_exchange: Exchange) -> None:
    pass


@dataclass
class Mutant:
    """An ASGI application around another, with a mutation of what comes in and of what goes out."""

    app: ASGIApp
    coming: Mutation = untouched
    going: Mutation = untouched

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http" or (self.coming is untouched and self.going is untouched):
            await self.app(scope, receive, send)
            return
        exchange = Exchange(scope["path"], await _read(receive))
        self.coming(exchange)
        rest = [(name, value) for name, value in scope["headers"] if name != b"content-length"]
        length = (b"content-length", str(len(exchange.body)).encode())

        bodies = [exchange.body]

        async def coming() -> Message:
            if not bodies:
                return await receive()  # who streams an answer waits here for the sender to go
            return {"type": "http.request", "body": bodies.pop(), "more_body": False}

        async def going(message: Message) -> None:
            if message["type"] == "http.response.start":
                exchange.status = message["status"]
                exchange.headers = {name.decode(): value.decode() for name, value in message["headers"]}
                return
            exchange.content += message.get("body", b"")
            if not message.get("more_body", False):
                self.going(exchange)
                await _answer(exchange, send)

        await self.app({**scope, "headers": [*rest, length]}, coming, going)


async def _read(receive: Receive) -> bytes:
    body = bytearray()
    while True:
        message = await receive()
        body += message.get("body", b"")
        if not message.get("more_body", False):
            return bytes(body)


async def _answer(exchange: Exchange, send: Send) -> None:
    headers = exchange.headers | {"content-length": str(len(exchange.content))}
    pairs = [(name.encode(), value.encode()) for name, value in headers.items()]
    await send({"type": "http.response.start", "status": exchange.status, "headers": pairs})
    await send({"type": "http.response.body", "body": exchange.content})


@contextmanager
def serving(deployment: Deployment, dsn: str) -> Iterator[tuple[str, Mutant]]:
    """Serve a deployment from a thread; yield its URL and the place for a mutation."""

    @asynccontextmanager
    async def opened() -> AsyncIterator[Door]:
        async with open_door(deployment, dsn) as door:
            yield door

    app: FastAPI = create_app(opened)
    mutant = Mutant(app)
    server = uvicorn.Server(uvicorn.Config(mutant, port=0, log_level="warning", access_log=False))
    thread = threading.Thread(target=server.run)
    thread.start()
    try:
        while not server.started:
            assert thread.is_alive()
            time.sleep(0.01)
        port = server.servers[0].sockets[0].getsockname()[1]
        yield f"http://127.0.0.1:{port}", mutant
    finally:
        server.should_exit = True
        thread.join()
