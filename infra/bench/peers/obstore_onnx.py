"""A threaded loop over obstore and ONNX Runtime."""

from __future__ import annotations

from infra.bench.peers.clients import by_obstore
from infra.bench.peers.loop import make_loop
from infra.bench.peers.runtimes import by_onnx
from infra.bench.turns import serve

if __name__ == "__main__":
    serve(lambda: make_loop(*by_obstore(), by_onnx()))
