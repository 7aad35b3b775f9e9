"""The bare client: one GET and one conditional PUT with metadata for each key, and nothing in between.

This is what no function that reads and writes S3 by this client can do without. S3_CLIENT chooses the client, and as many
threads make calls as the function's do.
"""

from __future__ import annotations

import io
import os
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor

from handler.settings import load_settings
from infra.bench.samples import BUCKET, OUTPUT
from infra.bench.turns import Work, serve

DOCUMENT = b"." * 700  # about the length of a document of one image
METADATA = {"coatcheck-input-etag": "0" * 32, "coatcheck-maker": "a" * 64, "coatcheck-outcome": "scored"}
TYPE = "application/json"


def prepare() -> Work:
    """Connects by the client that the environment names."""
    settings = load_settings(os.environ)
    concurrency = settings.s3_concurrency
    copy = _by_obstore() if os.environ.get("S3_CLIENT") == "obstore" else _by_boto3(concurrency)
    pool = ThreadPoolExecutor(concurrency)

    def work(keys: list[str]) -> None:
        for _ in pool.map(copy, keys):
            pass

    return work


def _by_boto3(concurrency: int) -> Callable[[str], None]:
    from handler.storage import make_client

    client = make_client(concurrency)

    def copy(key: str) -> None:
        client.get_object(Bucket=BUCKET, Key=key)["Body"].read()
        client.put_object(
            Bucket=OUTPUT, Key=f"{key}.json", Body=io.BytesIO(DOCUMENT), ContentType=TYPE, Metadata=METADATA, IfNoneMatch="*"
        )

    return copy


def _by_obstore() -> Callable[[str], None]:
    from obstore.store import S3Store

    endpoint = os.environ["AWS_ENDPOINT_URL_S3"]
    source, target = (S3Store(bucket, endpoint=endpoint, client_options={"allow_http": True}) for bucket in (BUCKET, OUTPUT))

    def copy(key: str) -> None:
        source.get(key).bytes()
        target.put(f"{key}.json", DOCUMENT, mode="create", attributes={"Content-Type": TYPE, **METADATA})

    return copy


if __name__ == "__main__":
    serve(prepare)
