"""The servers that tacita is measured beside, each a process: `python -m bench.peers nothing|naive [DSN]`.

Both run under the same uvicorn, event loop, parser and limits as tacita does.
"""

import socket
import sys

import uvicorn
from starlette.responses import Response
from starlette.types import Receive, Scope, Send

from bench import naive
from tacita.api.app import SUBMIT_PATH, FrontDoor
from tacita.api.door import read_body
from tacita.cli.patience import KEEP_ALIVE_S, PatientProtocol

_ANSWER = b'{"status":"accepted","next_model_version":"granite-3b-v2","message":"Graph received and validated"}'


class Nothing(FrontDoor):
    """tacita's application with an empty walk in: it reads the body and answers."""

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer one ASGI scope."""
        if scope["type"] == "http" and scope["path"] == SUBMIT_PATH:
            await read_body(scope, receive)
            await Response(_ANSWER, 200, None, "application/json")(scope, receive, send)
        else:
            await super().__call__(scope, receive, send)


if __name__ == "__main__":
    app = Nothing() if sys.argv[1] == "nothing" else naive.create_app(sys.argv[2])
    listener = socket.create_server(("127.0.0.1", 0), backlog=2_048)
    print(f"ready http://127.0.0.1:{listener.getsockname()[1]}", flush=True)
    settings = uvicorn.Config(
        app,
        access_log=False,
        log_level="warning",
        server_header=False,
        http=PatientProtocol,
        ws="none",
        timeout_keep_alive=KEEP_ALIVE_S,
    )
    uvicorn.Server(settings).run(sockets=[listener])
