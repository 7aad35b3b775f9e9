"""Serves the embedded cloud: moto's server, with a door before it that takes what moto does not do.

Lambda's invocations reach processes of ours, since moto's Lambda wants Docker. Step Functions reaches moto's interpreter of
state machines, which takes 1.3 s and 150 MB to import, so that this is done at the first request of it.
"""

from __future__ import annotations

import logging
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from functools import lru_cache
from threading import Thread
from typing import Any

from moto.moto_server.werkzeug_app import DomainDispatcherApplication, MotoRequestHandler, create_backend_app
from werkzeug.serving import BaseWSGIServer, make_server

from infra.cloud.functions import Functions
from infra.cloud.workflows import Workflows

_LOOK_S = 0.05  # between two looks whether the server is to stop
_HOSTS = 256  # whose backends are remembered


class _Dispatcher(DomainDispatcherApplication):
    """Finds the backend of a host once, since moto lists its own folder twice for each request, which takes 1.6 ms."""

    def __init__(self) -> None:
        super().__init__(create_backend_app)
        self._find = lru_cache(_HOSTS)(super().get_backend_for_host)

    def get_backend_for_host(self, host: str | None) -> Any:
        return self._find(host)


@dataclass(slots=True)
class Door:
    """What requests reach first: moto alone, until the cloud's own parts are set.

    Attributes:
        functions: Answers Lambda's API.
        workflows: Is started before the first request of Step Functions is answered.
    """

    moto: DomainDispatcherApplication
    functions: Functions | None = None
    workflows: Workflows | None = None

    def __call__(self, environ: dict[str, Any], start_response: Any) -> Any:
        """Answers a request, as WSGI has it."""
        if self.functions and (response := self.functions.answer(environ.get("PATH_INFO", ""), environ)):
            return response(environ, start_response)
        if self.workflows and environ.get("HTTP_X_AMZ_TARGET", "").startswith("AWSStepFunctions."):
            self.workflows.start()
        return self.moto(environ, start_response)


@dataclass(frozen=True, slots=True)
class Serving:
    """A server that runs: its address, and its door."""

    endpoint: str
    door: Door


@contextmanager
def serve(address: str, port: int) -> Iterator[Serving]:
    """Serves moto on a `port` of `address`, which must be free, or 0 for any that is, until the block ends."""
    logging.getLogger("werkzeug").setLevel(logging.WARNING)
    door = Door(_Dispatcher())
    server: BaseWSGIServer = make_server(address, port, door, threaded=True, request_handler=MotoRequestHandler)
    thread = Thread(target=server.serve_forever, args=(_LOOK_S,), daemon=True)
    thread.start()
    try:
        yield Serving(f"http://{address}:{server.port}", door)
    finally:
        server.shutdown()
        thread.join()
        server.server_close()
