"""Reads and writes objects for the peers: by boto3, and by obstore."""

from __future__ import annotations

import os

from infra.bench.peers.loop import BUCKET, CONCURRENCY, OUTPUT, Get, Put


def by_boto3() -> tuple[Get, Put]:
    """Returns a GET and a conditional PUT by boto3, with a connection for each thread."""
    import boto3  # late, so that a peer of the other client starts without it
    from botocore.config import Config

    client = boto3.client("s3", config=Config(max_pool_connections=CONCURRENCY))

    def get(key: str) -> bytes:
        return bytes(client.get_object(Bucket=BUCKET, Key=key)["Body"].read())

    def put(key: str, content: bytes) -> None:
        client.put_object(Bucket=OUTPUT, Key=key, Body=content, ContentType="application/json", IfNoneMatch="*")

    return get, put


def by_obstore() -> tuple[Get, Put]:
    """Returns a GET and a conditional PUT by obstore, which makes as many connections as it needs."""
    from obstore.store import S3Store

    endpoint = os.environ["AWS_ENDPOINT_URL_S3"]
    source, target = (S3Store(bucket, endpoint=endpoint, client_options={"allow_http": True}) for bucket in (BUCKET, OUTPUT))

    def get(key: str) -> bytes:
        return bytes(source.get(key).bytes())

    def put(key: str, content: bytes) -> None:
        target.put(key, content, mode="create", attributes={"Content-Type": "application/json"})

    return get, put
