"""The function as Lambda calls it: each batch of keys is one event of SQS. S3_CLIENT chooses the client."""

from __future__ import annotations

from typing import TYPE_CHECKING, cast

from infra.bench.turns import Work, serve

if TYPE_CHECKING:
    from aws_lambda_powertools.utilities.typing import LambdaContext

BUCKET = "in-bucket"


def prepare() -> Work:
    """Imports the function, which is a part of its start."""
    import handler.app
    from infra.bench.own.events import Context, sqs_event

    context = cast("LambdaContext", Context())

    def work(keys: list[str]) -> None:
        answer = handler.app.lambda_handler(sqs_event(BUCKET, keys), context)
        if answer != {"batchItemFailures": []}:
            raise RuntimeError(f"Expected every object to be scored. Received: {answer}.")

    return work


if __name__ == "__main__":
    serve(prepare)
