"""Makes the store of objects, by the client that the settings choose."""

from __future__ import annotations

import functools
import sys
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING

from handler.errors import MisconfiguredError
from handler.objects import Prefix
from handler.store import Store
from handler.telemetry import logger

if TYPE_CHECKING:
    from mypy_boto3_s3 import S3Client


def make_store(client: str, concurrency: int, environ: Mapping[str, str], inputs: Sequence[Prefix] = ()) -> Store:
    """Makes the store of S3 by the `client` boto3 or obstore, with a connection for each of `concurrency` simultaneous calls.

    `inputs` are the prefixes of the objects whose storage class counts, so that boto3 must describe them. Where obstore was
    chosen but cannot do as boto3 does in this environment, boto3 is used, and the log says why.

    Raises:
        MisconfiguredError: obstore was chosen while moto stands for AWS in this process, and does not stand in its way.
    """
    return _by_obstore(concurrency, environ, inputs) if client == "obstore" else _by_boto3(concurrency)


def _by_boto3(concurrency: int) -> Store:
    from handler.storage import S3Storage, make_client  # late: boto3 takes a quarter of a second and is not always needed

    return S3Storage(make_client(concurrency))


def _by_obstore(concurrency: int, environ: Mapping[str, str], inputs: Sequence[Prefix]) -> Store:
    _require_no_mock()
    from handler.obstore_client import Buckets, Unsuited, connect  # late, as boto3
    from handler.obstore_storage import ObstoreStorage

    def client() -> S3Client:
        from handler.storage import make_client

        return make_client(1)

    try:
        connection = connect(environ, client)
    except Unsuited as error:
        logger.warning("boto3_used", chosen="obstore", reason=str(error))
        return _by_boto3(concurrency)
    return ObstoreStorage(Buckets(connection, concurrency), functools.partial(_by_boto3, concurrency), inputs)


def _require_no_mock() -> None:
    """Requires that moto's `mock_aws` is not active: obstore would reach past it, and call AWS itself."""
    models = sys.modules.get("moto.core.models")
    if models and models.botocore_stubber.enabled:
        raise MisconfiguredError(
            "Expected S3_CLIENT=boto3 while moto's mock_aws is active, which obstore would reach past. Received: "
            "S3_CLIENT=obstore. Choose boto3, or run moto's server and name it in AWS_ENDPOINT_URL."
        )
