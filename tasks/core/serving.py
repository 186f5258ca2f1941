"""The process of the project's own Prefect server: `python -m tasks.core.serving <socket>`."""

import asyncio
import gc
import os
import socket
import sys
import threading
import time
from collections.abc import Awaitable, Callable, MutableMapping
from typing import Any

from tasks.core import locks
from tasks.core.home import subfolder

LINGER_S = 5.0  # after the last client has gone
RETRY_AFTER_S = b"0.1"
Message = MutableMapping[str, Any]


def main() -> None:
    """Serve Prefect's API and UI on the socket handed over, until no client is left."""
    gc.disable()  # what is imported stays: to look for garbage meanwhile costs a fifth of the start
    import uvicorn
    from prefect.server.api.server import create_app

    os.umask(0o077)
    wait_for_writers()
    listening = socket.socket(fileno=int(sys.argv[1]))
    app = retry_soon(create_app(final=True))
    gc.freeze()
    gc.enable()
    config = uvicorn.Config(app, log_level="warning", timeout_keep_alive=30)
    server = uvicorn.Server(config)
    for work in (_stop_when_alone, _tidy):
        threading.Thread(target=work, args=(server,), daemon=True).start()
    asyncio.run(server.serve(sockets=[listening]))
    os._exit(0)  # Prefect's services may hold the interpreter for many seconds


def wait_for_writers() -> None:
    """Let SQLite's writers queue: a transaction takes the write lock when it begins.

    Prefect's own read first, and then fail at once where another writes meanwhile: a 503, which its
    client answers by waiting and asking again.
    """
    from prefect.server.database.configurations import AioSqliteConfiguration
    from prefect.server.database.dependencies import set_database_config
    from prefect.settings import PREFECT_API_DATABASE_CONNECTION_URL

    class Queueing(AioSqliteConfiguration):
        def begin_transaction(self, session: Any, with_for_update: bool = False) -> Any:
            return super().begin_transaction(session, with_for_update=True)

    url = PREFECT_API_DATABASE_CONNECTION_URL.value()
    if url.startswith("sqlite"):
        set_database_config(Queueing(connection_url=url))


def retry_soon(app: Callable[..., Awaitable[None]]) -> Callable[..., Awaitable[None]]:
    """Wrap an ASGI app: a 503 (SQLite was busy) says when to come again, else clients wait 2-7
    s.
    """

    async def wrapped(scope: Message, receive: Any, send: Callable[[Message], Awaitable[None]]):
        async def marked(message: Message) -> None:
            if message["type"] == "http.response.start" and message["status"] == 503:
                message["headers"] = [*message["headers"], (b"retry-after", RETRY_AFTER_S)]
            await send(message)

        await app(scope, receive, marked)

    return wrapped


def _stop_when_alone(server: Any) -> None:
    folder = subfolder("locks")
    path, identity = folder / "server-clients", folder.stat().st_ino
    while True:
        time.sleep(1.0)
        try:
            if folder.stat().st_ino != identity:
                os._exit(0)  # the home was removed, and made anew by somebody else
            descriptor = locks.acquire(path, timeout_s=0) if server.started else None
            if descriptor is None:
                continue
            locks.release(descriptor)  # a new client may still come
            time.sleep(LINGER_S)
            alone = locks.acquire(path, timeout_s=0)  # kept until this process has gone
        except OSError:  # the home was removed: nobody can be a client any more
            os._exit(0)
        if alone is not None:
            server.should_exit = True
            time.sleep(3.0)
            os._exit(0)


def _tidy(server: Any) -> None:
    while not server.started:
        time.sleep(0.1)
    from tasks.core.crashes import keep_tidy

    keep_tidy(lambda: server.should_exit)


if __name__ == "__main__":
    main()
