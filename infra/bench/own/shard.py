"""The function as a state machine calls it: each batch of keys is a shard of a backlog. S3_CLIENT chooses the client.

A shard needs a plan and a list of its keys, which are written before it, and count for its time as little as two PUTs do.
"""

from __future__ import annotations

import secrets
from typing import TYPE_CHECKING, Any, cast

from infra.bench.samples import BUCKET
from infra.bench.turns import Work, serve

if TYPE_CHECKING:
    from aws_lambda_powertools.utilities.typing import LambdaContext


def prepare() -> Work:
    """Imports the function, which is a part of its start."""
    import msgspec

    from handler.app import build_parts, lambda_handler
    from handler.backlog.files import KeysHead, encode_keys
    from handler.backlog.keeping import GZIP, JSON, create
    from handler.backlog.runs import Order, Places, Plan, Sampled, Shard, Totals
    from handler.deadline import Deadline
    from infra.bench.own.events import Context

    context = cast("LambdaContext", Context())

    def work(keys: list[str]) -> None:
        documents = build_parts().scorer.documents
        store, places, run, results = documents.store, Places(documents.output), secrets.token_hex(8), documents.maker.results
        shard = Shard(run=run, number=1, token=run, bucket=BUCKET, first=keys[0], last=keys[-1], objects=len(keys), bytes=0)
        plan = Plan(
            run=run,
            order=Order(),
            planned_at="2026-11-02T09:30:00+00:00",
            attempt=run,
            results=results,
            totals=Totals(),
            shards=1,
            sampled=Sampled(),
        )
        head = KeysHead(run=run, number=1, bucket=BUCKET)
        create(store, places.plan(run), msgspec.json.encode(plan), JSON, Deadline.after(60))
        create(store, places.keys(shard), encode_keys(head, keys), GZIP, Deadline.after(60))
        answer = cast("dict[str, Any]", lambda_handler(msgspec.to_builtins(shard), context))
        if answer["outcomes"] != {"scored": len(keys)}:
            raise RuntimeError(f"Expected every object to be scored. Received: {answer}.")

    return work


if __name__ == "__main__":
    serve(prepare)
