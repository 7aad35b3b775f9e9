"""Estimates what it costs to score objects, from a few prices that can be edited. Pure.

The prices are those of us-east-1 in 2026, in dollars: https://aws.amazon.com/s3/pricing/, https://aws.amazon.com/sqs/pricing/,
https://aws.amazon.com/lambda/pricing/ and https://aws.amazon.com/cloudwatch/pricing/. Each is for a million single pictures,
which come by the queue in batches of 100; an archive of many pictures costs more. The whole table is that of `coatcheck
cost`: a test holds the estimate to what it says of a sweep, or up to a tenth more.
"""

from __future__ import annotations

MILLION = 1_000_000

S3_PUT, S3_GET = 5.00, 0.40  # a million calls; HEAD is a GET
SQS = 0.14  # sending, receiving and deleting, ten in a call
LAMBDA = 0.20  # 0.01 million invocations, and 7 ms of 1,769 MB for each picture, where S3 answers in 100 ms
LOGS = 0.05  # 0.09 GB

NEW = 2 * S3_GET + S3_PUT + SQS + LAMBDA + LOGS  # a look for the document, the object, the document
REPLACED = NEW + 3 * S3_GET + S3_PUT  # the document was there: a refused PUT, a look at it, and two at the object

GB_SECOND, GB = 16.67, 1.728  # a million seconds of 1 GB, and the memory of the function in GB
SHARD_CALLS = 2 * 25.0 + 0.20 + 4 * S3_PUT + 6 * S3_GET  # a million shards: a workflow, its task, an invocation, its files


def estimate_dollars(new: int, replaced: int) -> float:
    """Returns about how many dollars it costs to score `new` objects, and `replaced` ones that have a document already."""
    return round((new * NEW + replaced * REPLACED) / MILLION, 2)


def estimate_backlog_dollars(objects: int, shards: int, seconds: float, *, writes_documents: bool) -> float:
    """Returns about how many dollars it costs to score `objects` in `shards`, in `seconds` of workers' time.

    An object is read, and has a document of its own if the backlog `writes_documents`. What planning costs is left out.
    """
    calls = S3_GET + (S3_PUT if writes_documents else 0)
    return round((objects * calls + shards * SHARD_CALLS + seconds * GB_SECOND * GB) / MILLION, 4)
