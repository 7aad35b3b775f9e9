"""Serves a shelf on 127.0.0.1; each answer waits for its delay without holding up any other."""

from __future__ import annotations

import asyncio
import sys
from functools import partial

from infra.bench.stub.shelf import CONTROL, Shelf
from infra.bench.stub.wire import CONTINUE, BadRequest, Reader, Request, Response


class Connection(asyncio.Protocol):
    """One connection, whose requests are answered in their order, since each waits equally long."""

    def __init__(self, shelf: Shelf) -> None:
        self._shelf, self._reader = shelf, Reader()

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Keeps the connection's transport."""
        self._transport: asyncio.Transport = transport  # type: ignore[assignment]  # asyncio's type of a stream is wider

    def data_received(self, data: bytes) -> None:
        """Answers each request that is whole now."""
        try:
            requests = self._reader.feed(data)
        except BadRequest as error:
            self._send(Response(400, {"Connection": "close"}, str(error).encode()))
            self._transport.close()
            return
        if self._reader.wants_continue:
            self._transport.write(CONTINUE)
            self._reader.wants_continue = False
        for request in requests:
            self._answer(request)

    def _answer(self, request: Request) -> None:
        delay_s = self._shelf.delay_s
        response = self._shelf.answer(request)
        if delay_s and not request.path.startswith(CONTROL):
            asyncio.get_running_loop().call_later(delay_s, partial(self._send, response))
        else:
            self._send(response)

    def _send(self, response: Response) -> None:
        if not self._transport.is_closing():
            self._transport.writelines([response.head(), response.body])


async def serve(shelf: Shelf) -> None:
    """Serves `shelf` until standard input ends, and prints the port first."""
    loop = asyncio.get_running_loop()
    server = await loop.create_server(lambda: Connection(shelf), "127.0.0.1", 0, backlog=1000)
    sys.stdout.write(f"{server.sockets[0].getsockname()[1]}\n")
    sys.stdout.flush()
    await loop.run_in_executor(None, sys.stdin.read)  # the end of whoever started the stub ends the stub
    server.close()
