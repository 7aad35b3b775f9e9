"""Names the routes on which objects come to the function, and every call of each that AWS charges for. Pure.

To add a route, add a `Route` to `ROUTES`. The calls that the function itself makes, which are the steps with an `operation`,
are held to the function by `tests/infra/cost/test_counted_calls.py`. The others are AWS's own, as AWS documents them.
"""

from __future__ import annotations

from handler.backlog.collecting import MAX_SAMPLED
from handler.backlog.grouping import MAX_OBJECTS
from infra.cost.steps import Per, Route, Step, shard_objects

_SCORE = (
    Step("the function reads the object", "s3_get_dollars_per_million", Per.OBJECT, operation="GetObject"),
    Step("the function writes its document", "s3_put_dollars_per_million", Per.OBJECT, operation="PutObject"),
)
_INVOKE = Step("Lambda invokes the function", "lambda_dollars_per_million", Per.INVOCATION)
_TELL_QUEUE = Step("a message is sent to the queue", "sqs_dollars_per_million", Per.OBJECT)
_TAKE = (
    Step("Lambda receives messages", "sqs_dollars_per_million", Per.RECEIVE),
    Step("Lambda deletes messages", "sqs_dollars_per_million", Per.RECEIVE),
    _INVOKE,
)
_TELL_EVENTBRIDGE = Step("S3 tells EventBridge", "eventbridge_dollars_per_million", Per.OBJECT)
# What sweeps find and lists name is passed over if it has its document by then.
_LOOK = Step("the function looks for a document", "s3_get_dollars_per_million", Per.OBJECT, operation="HeadObject")
_SEND = Step("the function sends messages", "sqs_dollars_per_million", Per.TEN, operation="SendMessageBatch")
_SWEEP = (
    Step("the scheduler starts a sweep", "scheduler_dollars_per_million", Per.RUN),
    Step("Lambda invokes the sweep", "lambda_dollars_per_million", Per.RUN),
    Step("the sweep asks how long the queue is", "sqs_dollars_per_million", Per.RUN, operation="GetQueueAttributes"),
    Step("the sweep looks at its marks", "s3_get_dollars_per_million", Per.RUN, 4, operation="HeadObject"),
    Step("the sweep notes that it is done", "s3_put_dollars_per_million", Per.RUN, operation="PutObject"),
    Step("the sweep lists the inputs", "s3_list_dollars_per_million", Per.PAGE, operation="ListObjectsV2"),
    Step("the sweep lists no shards", "s3_list_dollars_per_million", Per.RUN, operation="ListObjectsV2"),
)
_PLAN = (
    Step("a run is begun, and takes its steps", "step_functions_dollars_per_million", Per.RUN, 7),
    Step("Lambda invokes the function to plan and to sum up", "lambda_dollars_per_million", Per.RUN, 2),
    Step("the plan lists the inputs", "s3_list_dollars_per_million", Per.PAGE, operation="ListObjectsV2"),
    Step(
        "the plan lists documents, shards, and its parts", "s3_list_dollars_per_million", Per.RUN, 3, operation="ListObjectsV2"
    ),
    Step("the plan looks at marks", "s3_get_dollars_per_million", Per.RUN, 2, operation="HeadObject"),
    Step("the plan reads its own files", "s3_get_dollars_per_million", Per.RUN, 4, operation="GetObject"),
    Step("the plan counts the images in some objects", "s3_get_dollars_per_million", Per.RUN, MAX_SAMPLED, "GetObject"),
    Step("the plan writes its own files", "s3_put_dollars_per_million", Per.RUN, 4, operation="PutObject"),
    Step("the plan writes the keys of a shard", "s3_put_dollars_per_million", Per.INVOCATION, operation="PutObject"),
    Step("Step Functions reads the list of shards", "s3_get_dollars_per_million", Per.RUN),
)
_SHARD = (
    Step("a workflow is begun, and its task", "step_functions_dollars_per_million", Per.INVOCATION, 2),
    _INVOKE,
    Step("the function reads plan, index, keys and note", "s3_get_dollars_per_million", Per.INVOCATION, 4, "GetObject"),
    Step("the function looks for a note", "s3_get_dollars_per_million", Per.INVOCATION, operation="HeadObject"),
    Step("the function reads the object", "s3_get_dollars_per_million", Per.OBJECT, operation="GetObject"),
    Step("the function writes a note, rows, their index", "s3_put_dollars_per_million", Per.INVOCATION, 3, "PutObject"),
)
_SUM_UP = (
    Step("Step Functions writes its results, in two files", "s3_put_dollars_per_million", Per.RUN, 2),
    Step("the summary reads the plan and the list of shards", "s3_get_dollars_per_million", Per.RUN, 2, operation="GetObject"),
    Step("the summary reads each index", "s3_get_dollars_per_million", Per.INVOCATION, operation="GetObject"),
    Step("the summary looks for earlier ones", "s3_get_dollars_per_million", Per.RUN, 2, operation="HeadObject"),
    Step("the summary is written", "s3_put_dollars_per_million", Per.RUN, operation="PutObject"),
)

QUEUE = Route(
    name="queue",
    told="S3 tells the queue of each upload, and Lambda takes batches from there. `UploadTrigger=queue`, the default.",
    steps=(_TELL_QUEUE, *_TAKE, *_SCORE),
)
ROUTES = (
    QUEUE,
    Route(
        name="packed",
        told="The same, with 1,000 images in each object: a zip, a tar, an array or an IDX file.",
        steps=QUEUE.steps,
        images_per_object=1000,
    ),
    Route(
        name="direct",
        told="S3 invokes the function for each upload. `UploadTrigger=direct`.",
        steps=(_INVOKE, *_SCORE),
        batch=1,
    ),
    Route(
        name="eventbridge",
        told="S3 tells EventBridge, whose rule invokes the function for each upload. `UploadTrigger=eventbridge`.",
        steps=(_TELL_EVENTBRIDGE, _INVOKE, *_SCORE),
        batch=1,
    ),
    Route(
        name="eventbridge-queue",
        told="S3 tells EventBridge, whose rule tells the queue. `UploadTrigger=queue` with `ExistingInputBucket`.",
        steps=(_TELL_EVENTBRIDGE, *QUEUE.steps),
    ),
    Route(
        name="sns",
        told="S3 tells a topic of SNS, which invokes the function for each upload.",
        steps=(Step("S3 tells the topic", "sns_dollars_per_million", Per.OBJECT), _INVOKE, *_SCORE),
        batch=1,
    ),
    Route(
        name="sweep",
        told="A sweep of `SweepSchedule` finds that no object has a document yet, and sends all of them to the queue.",
        steps=(
            *_SWEEP,
            Step("the sweep lists no documents", "s3_list_dollars_per_million", Per.RUN, operation="ListObjectsV2"),
            _SEND,
            *_TAKE,
            _LOOK,
            *_SCORE,
        ),
        finds=True,
    ),
    Route(
        name="sweep-idle",
        told="A sweep finds by its two listings that each object has its document, and does nothing.",
        steps=(
            *_SWEEP,
            Step("the sweep lists the documents", "s3_list_dollars_per_million", Per.PAGE, operation="ListObjectsV2"),
        ),
        finds=True,
        scores=False,
    ),
    Route(
        name="list",
        told="Lists of objects are uploaded, each as long as it may be; the function sends what they name to the queue.",
        steps=(
            Step("a list's message is sent, received and deleted", "sqs_dollars_per_million", Per.LIST, 3),
            Step("Lambda invokes the function with a list", "lambda_dollars_per_million", Per.LIST),
            Step("the function reads a list", "s3_get_dollars_per_million", Per.LIST, operation="GetObject"),
            Step("the function looks for its document", "s3_get_dollars_per_million", Per.LIST, operation="HeadObject"),
            Step("the function writes its document", "s3_put_dollars_per_million", Per.LIST, operation="PutObject"),
            _SEND,
            *_TAKE,
            _LOOK,
            *_SCORE,
        ),
        finds=True,
    ),
    Route(
        name="batch-operations",
        told="A job of S3 Batch Operations invokes the function for each object of its manifest.",
        steps=(
            Step("a job is made", "batch_operations_dollars_per_job", Per.RUN),
            Step("the job takes an object", "batch_operations_dollars_per_million", Per.OBJECT),
            _INVOKE,
            *_SCORE,
        ),
        batch=1,
    ),
    Route(
        name="distributed-map",
        told="A Distributed Map of Step Functions runs a standard workflow of one task for each hundred objects.",
        steps=(
            Step("the map lists the objects", "s3_list_dollars_per_million", Per.PAGE),
            Step("a workflow is begun, and its task", "step_functions_dollars_per_million", Per.INVOCATION, 2),
            _INVOKE,
            *_SCORE,
        ),
        batch=100,
    ),
    Route(
        name="backlog",
        told="A run of `coatcheck backlog` scores objects that are there already, in shards, and writes rows. `Backlogs=on`.",
        steps=(*_PLAN, *_SHARD, *_SUM_UP),
        batch=MAX_OBJECTS,
        finds=True,
        writes_rows=True,
    ),
    Route(
        name="backlog-packed",
        told="The same, with 1,000 images in each object, each of 784 bytes; a shard of them is full by its bytes.",
        steps=(*_PLAN, *_SHARD, *_SUM_UP),
        batch=shard_objects(1000 * 784),
        images_per_object=1000,
        finds=True,
        writes_rows=True,
    ),
)
