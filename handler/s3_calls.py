"""Calls of S3: each ends by a deadline, botocore's errors leave as `StorageUnavailable`, and bodies are read block by block."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from concurrent.futures import Future
from contextlib import contextmanager, suppress
from typing import TYPE_CHECKING, Any, TypeVar

from botocore.exceptions import BotoCoreError, ClientError
from urllib3.exceptions import HTTPError

from handler.aws import MAX_CALL_S, NoAnswer, call_by
from handler.deadline import Deadline
from handler.errors import OutOfTime, StorageUnavailable
from handler.objects import ObjectRef, Prefix
from handler.s3_answers import BLOCK_BYTES, unavailable

if TYPE_CHECKING:
    from botocore.response import StreamingBody
    from mypy_boto3_s3.type_defs import GetObjectOutputTypeDef

T = TypeVar("T")


class BodyBlocks:
    """The blocks of a body that botocore reads, each of which arrives by the deadline and in `MAX_CALL_S`."""

    def __init__(self, ref: ObjectRef, body: StreamingBody, deadline: Deadline) -> None:
        self._ref = ref
        self._body = body
        self._deadline = deadline
        self._was_given_up = False

    def read(self) -> bytes:
        """Reads a block, as `handler.s3_answers.Blocks` documents; botocore verifies the length and some checksums."""
        return call("GetObject", self._ref, self._deadline, lambda: read_block(self._body), self._abort)

    def close(self) -> None:
        """Closes the connection, unless a read was given up, which closes it when it ends."""
        if not self._was_given_up:
            self._body.close()

    def _abort(self, reading: Future[bytes]) -> None:
        self._was_given_up = True
        abort(self._body, reading)


def read_first_block(
    get: Callable[[], GetObjectOutputTypeDef], ref: ObjectRef, deadline: Deadline
) -> tuple[GetObjectOutputTypeDef, bytes]:
    """Opens an object by `get`, and returns the response with the first block of its body.

    Raises:
        StorageUnavailable: S3 refused, failed or broke off, or the block did not arrive within `MAX_CALL_S`.
        OutOfTime: the block did not arrive by `deadline`; the connection is closed.
    """
    bodies: list[StreamingBody] = []  # the body, from the moment at which there is one to abort

    def read() -> tuple[GetObjectOutputTypeDef, bytes]:
        response = get()
        bodies.append(response["Body"])
        if deadline.is_over:
            response["Body"].close()
            raise OutOfTime(f"Expected GetObject of {ref} to be answered by the deadline. Received: the answer after it.")
        return response, read_block(response["Body"])

    def abort_bodies(reading: Future[tuple[GetObjectOutputTypeDef, bytes]]) -> None:
        for body in bodies:
            abort(body, reading)

    return call("GetObject", ref, deadline, read, abort_bodies)


def abort(body: StreamingBody, reading: Future[Any]) -> None:
    """Aborts a read of `body` in which another thread is waiting; closing the body here would wait for that thread."""
    reading.add_done_callback(lambda _: body.close())
    with suppress(OSError, RuntimeError):  # the body was read to its end, or its connection broke, in this very moment
        body._raw_stream.shutdown()  # type: ignore[attr-defined]  # noqa: SLF001  # urllib3's method, which botocore does not offer


def read_block(body: StreamingBody) -> bytes:
    """Reads `BLOCK_BYTES` bytes, fewer only if they are the last ones.

    The end of the body is then reached, where botocore verifies it. Reading inside of botocore's `with` would skip these
    checks.
    """
    parts, missing = [], BLOCK_BYTES
    while missing and (part := body.read(missing)):
        parts.append(part)
        missing -= len(part)
    return b"".join(parts)


def call(
    operation: str,
    ref: ObjectRef | Prefix,
    deadline: Deadline,
    function: Callable[[], T],
    when_late: Callable[[Future[T]], None] | None = None,
    max_s: float = MAX_CALL_S,
) -> T:
    """Returns what `function` returns, if it ends by `deadline`; `operation` and `ref` say in errors what it does.

    Raises:
        StorageUnavailable: S3 refused, failed or broke off, or did not answer within `max_s` seconds.
        OutOfTime: the call was not begun, or did not end by `deadline`; `when_late` lets go of what it holds.
    """
    with _translated(operation, ref):
        return call_by(deadline, f"{operation} of {ref}", function, when_late, max_s)


def require_fields(operation: str, ref: ObjectRef | Prefix, response: Mapping[str, Any], *names: str) -> None:
    """Requires that an answer of S3 has the fields that every real answer has.

    Raises:
        StorageUnavailable: a field is missing, so the answer does not say that S3 has done what it was asked for.
    """
    missing = [name for name in names if name not in response]
    if missing:
        error = f"expected an answer with {', '.join(names)}; received one without {', '.join(missing)}"
        raise StorageUnavailable(f"S3 failed {operation} of {ref}: {error}.", operation=operation, code="IncompleteAnswer")


@contextmanager
def _translated(operation: str, ref: ObjectRef | Prefix) -> Iterator[None]:
    try:
        yield
    except ClientError as error:
        code = error.response["Error"]["Code"]
        may_be_gone = operation in {"GetObject", "HeadObject"} and code in {"AccessDenied", "403"}
        hint = " Without s3:ListBucket, S3 answers so for an object that is gone." if may_be_gone else ""
        raise unavailable(operation, ref, code, error, hint) from error
    except (BotoCoreError, HTTPError, NoAnswer) as error:  # HTTPError where botocore passes it on, as for a broken TLS record
        raise unavailable(operation, ref, type(error).__name__, error) from error
