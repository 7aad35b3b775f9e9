"""Answers the part of Lambda's own API that others of the cloud use: Invoke, and GetFunctionConfiguration.

https://docs.aws.amazon.com/lambda/latest/api/API_Invoke.html

Limitations: an asynchronous invocation (`InvocationType: Event`) is made once, where Lambda repeats a failed one twice and then
sends it to the destination; what it answers is dropped. There is no log in the answer, and no limit of concurrency. What else
is asked about the function, such as its aliases and event sources, is answered by an error that says so, since moto would
answer that there is no such thing.
"""

from __future__ import annotations

import json
import re
import threading
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

from werkzeug.wrappers import Request, Response

from infra.cloud.instances import Reply
from infra.cloud.names import ACCOUNT, ALIAS_ARN, FUNCTION, FUNCTION_ARN

MAX_PAYLOAD_BYTES = 6 * 1024 * 1024  # of a synchronous invocation, in each direction
MAX_ASYNC_PAYLOAD_BYTES = 1024 * 1024

_PATH = re.compile(r"/2015-03-31/functions/(?P<name>[^/]+)/(?P<what>invocations|configuration)/?")
_LACKING = re.compile(r"/20[0-9-]+/(functions/(?P<name>[^/]+)/.+|event-source-mappings/?)")
_NAMES = {FUNCTION, f"{FUNCTION}:live", FUNCTION_ARN, ALIAS_ARN, f"{ACCOUNT}:function:{FUNCTION}"}
_NAMES |= {f"{name}:$LATEST" for name in (FUNCTION, FUNCTION_ARN)}


@dataclass(frozen=True, slots=True)
class Functions:
    """The function of the cloud as Lambda's API shows it: what invokes it, and its `configuration`."""

    invoke: Callable[[bytes], Reply]
    configuration: Mapping[str, Any]

    def answer(self, path: str, environ: dict[str, Any]) -> Response | None:
        """Returns the answer to a request of Lambda's API; None if moto is to answer it, as for other functions."""
        match = _PATH.fullmatch(path)
        if match is None or match["name"] not in _NAMES:
            return _lacking(path, environ)
        if match["what"] == "invocations":
            return self._invoked(Request(environ))
        return _json(dict(self.configuration)) if environ["REQUEST_METHOD"] == "GET" else None

    def _invoked(self, request: Request) -> Response:
        event = request.get_data() or b"{}"
        kind = request.headers.get("X-Amz-Invocation-Type", "RequestResponse")
        limit = MAX_ASYNC_PAYLOAD_BYTES if kind == "Event" else MAX_PAYLOAD_BYTES
        if len(event) > limit:
            message = f"Request must be smaller than {limit} bytes for the {kind} operation"
            return _refusal(413, "RequestTooLargeException", message)
        try:
            json.loads(event)
        except ValueError as error:
            message = f"Could not parse request body into json: {error}"
            return _refusal(400, "InvalidRequestContentException", message)
        if kind == "DryRun":
            return Response(status=204)
        if kind == "Event":
            threading.Thread(target=self.invoke, args=(event,), daemon=True).start()
            return Response(status=202)
        return _replied(self.invoke(event))


def _lacking(path: str, environ: dict[str, Any]) -> Response | None:
    """Returns the answer to what the embedded cloud does not have of Lambda's API; None if moto is to answer it."""
    match = _LACKING.fullmatch(path)
    if match is None or (match["name"] or Request(environ).args.get("FunctionName")) not in _NAMES:
        return None
    return _refusal(501, "NotImplementedException", "the embedded cloud has no such part of Lambda")


def _replied(reply: Reply) -> Response:
    if len(reply.payload) > MAX_PAYLOAD_BYTES:
        message = f"Response payload size exceeded maximum allowed payload size ({MAX_PAYLOAD_BYTES} bytes)."
        told = {"errorType": "Function.ResponseSizeTooLarge", "errorMessage": message}
        reply = Reply(json.dumps(told).encode(), is_error=True)
    response = Response(reply.payload, content_type="application/json")
    response.headers["X-Amz-Executed-Version"] = "$LATEST"
    if reply.is_error:
        response.headers["X-Amz-Function-Error"] = "Unhandled"
    return response


def _refusal(status: int, kind: str, message: str) -> Response:
    response = _json({"Type": "User", "Message": message}, status)
    response.headers["x-amzn-ErrorType"] = kind
    return response


def _json(content: dict[str, Any], status: int = 200) -> Response:
    return Response(json.dumps(content), status, content_type="application/json")
