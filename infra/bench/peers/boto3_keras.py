"""A threaded loop over boto3 and `keras predict`, in batches."""

from __future__ import annotations

from infra.bench.peers.clients import by_boto3
from infra.bench.peers.loop import make_loop
from infra.bench.peers.runtimes import by_keras
from infra.bench.turns import serve

if __name__ == "__main__":
    serve(lambda: make_loop(*by_boto3(), by_keras()))
