"""States what AWS limits, and what it does not publish and is therefore assumed. Pure.

Each number that AWS publishes was looked up on 2026-11-29, at the address beside it.
"""

from __future__ import annotations

import msgspec


class Limits(msgspec.Struct, frozen=True, kw_only=True):
    """The limits of one AWS account in one region: what AWS publishes first, then what is assumed.

    Published:
        account_concurrency: invocations at the same time, of all functions of an account. It can be raised on request.
            https://docs.aws.amazon.com/lambda/latest/dg/gettingstarted-limits.html
        new_environments: environments that a function may be given at once, and again in each ten seconds.
            https://docs.aws.amazon.com/lambda/latest/dg/scaling-behavior.html
        pollers_at_start: batches that Lambda takes of a queue at the same time, when messages come.
        pollers_per_minute: how many more it takes after each minute, if messages are left. It was 60 until November 2023:
            https://aws.amazon.com/blogs/compute/introducing-faster-polling-scale-up-for-aws-lambda-functions-configured-with-amazon-sqs/
            https://docs.aws.amazon.com/lambda/latest/dg/services-sqs-scaling.html
        max_pollers: how many it takes at most. The page above has said 1,000 and 1,250.
        receive_messages: messages of one call of SQS.
        gets_per_second, puts_per_second: requests of one partition of a bucket that S3 answers at least.
            https://docs.aws.amazon.com/AmazonS3/latest/userguide/optimizing-performance.html
        map_concurrency: workflows that a Distributed Map runs at the same time.
            https://docs.aws.amazon.com/step-functions/latest/dg/state-map-distributed.html
        page_objects: keys of one page of a listing.

    Assumed:
        partitions: partitions that S3 has made of the prefix of the inputs, and of that of the documents. A new prefix has one.
        split_s: seconds of refused requests after which S3 has doubled the partitions. AWS says "gradually", and its support 30
            to 60 minutes: the longer.
        s3_s: seconds in which S3 answers a GET or a PUT, which is the delay at which the times were measured.
        list_s: seconds that a page of a listing takes, with its keys read.
        notify_s: seconds after which a notification of S3 is in the queue.
        receive_s: seconds of a call by which Lambda receives messages. It makes one after the other here.
        workflow_s: seconds that Step Functions takes to begin and to end the workflow of a shard.
        workflows_per_second: workflows that a Distributed Map begins each second; AWS publishes that of StartExecution alone.
        environment_s: seconds in which Lambda prepares an environment, before the process of the function starts in it.
    """

    account_concurrency: int = 1_000
    new_environments: int = 1_000
    pollers_at_start: int = 5
    pollers_per_minute: int = 300
    max_pollers: int = 1_250
    receive_messages: int = 10
    gets_per_second: float = 5_500.0
    puts_per_second: float = 3_500.0
    map_concurrency: int = 10_000
    page_objects: int = 1_000

    partitions: int = 1
    split_s: float = 3_600.0
    s3_s: float = 0.030
    list_s: float = 0.200
    notify_s: float = 1.0
    receive_s: float = 0.010
    workflow_s: float = 0.200
    workflows_per_second: float = 300.0
    environment_s: float = 0.200


LIMITS = Limits()
