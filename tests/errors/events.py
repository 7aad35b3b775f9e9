"""The errors of messages and events, which are not understood, or name objects that may not be read."""

import json

from handler.triggers import parse_event
from tests.errors.function import PNG, Function, objects
from tests.errors.provoking import Provocation, one_error


def asking(*events, until=None):
    """Has events parsed, each of which has the same problem, up to the text `until`."""

    def problem(event):
        return next(message.problem for message in parse_event(event).messages if message.problem)

    return lambda scene: one_error(*(lambda event=event: problem(event) for event in events), until=until)


def by_queue(body):
    record = {"eventSource": "aws:sqs", "messageId": "1", "body": body if isinstance(body, str) else json.dumps(body)}
    return {"Records": [record]}


def by_s3(**changes):
    entity = {"bucket": {"name": "photos"}, "object": {"key": "uploads/coat.png"}}
    record = {"eventSource": "aws:s3", "eventName": "ObjectCreated:Put", "s3": entity}
    return {"Records": [record | changes]}


def by_s3_of(bucket, key):
    return by_s3(s3={"bucket": {"name": bucket}, "object": {"key": key}})


def by_eventbridge(detail_type, detail):
    return {"id": "1", "source": "aws.s3", "detail-type": detail_type, "detail": detail}


def by_cloudtrail(**detail):
    return by_eventbridge("AWS API Call via CloudTrail", detail)


def by_batch_operations(*tasks, version="1.0"):
    return {"invocationSchemaVersion": version, "invocationId": "1", "tasks": list(tasks)}


def by_map(*items, **batch_input):
    return {"Items": list(items), "BatchInput": batch_input}


def in_envelopes(event, count):
    for _ in range(count):
        event = {"Type": "Notification", "Message": json.dumps(event)}
    return event


def failing(event, **variables):
    """Has the function do what an event asks for, and returns the error that the log tells of."""
    return lambda scene: Function(scene, **variables).error_of(event)


def invoking(event):
    """Has the function do what an event asks for, and raises the error with which the invocation ends."""
    return lambda scene: Function(scene).invoke(event)


def another_bucket_s_document(scene):
    function = Function(scene, INPUT_URIS="s3://photos/,s3://more-photos/")
    function.s3.create_bucket(Bucket="more-photos")
    for bucket in ("photos", "more-photos"):
        function.put("coat.png", PNG, bucket)
    function.invoke(objects("coat.png", bucket="photos"))
    return function.error_of(objects("coat.png", bucket="more-photos"))


WHICH = (
    Provocation(
        "UnacceptedObject",
        "an event names an object that does not lie where the settings allow reading",
        "Upload it under one of the prefixes, or add its prefix to INPUT_URIS and to the role's permissions.",
        failing(objects("elsewhere/coat.png")),
    ),
    Provocation(
        "UnacceptedObject",
        "a sweep or a run was asked for a prefix that does not lie where the settings allow reading",
        "Ask for a prefix that lies there, or add this one to INPUT_URIS and to the role's permissions.",
        failing({"job": "sweep", "prefix": "s3://photos/elsewhere/"}),
    ),
    Provocation(
        "UnacceptedObject",
        "a key is so long that OUTPUT_URI, the key and `.json` together exceed what S3 allows",
        "A shorter name of a folder suffices.",
        failing(objects("uploads/coat.png"), OUTPUT_URI=f"s3://results/{'predictions/' * 84}"),
    ),
    Provocation(
        "UnacceptedObject",
        "a key begins with the name of the folder in which the function keeps its own marks",
        "Any other name of that folder will do.",
        failing(objects("_coatcheck/coat.png"), INPUT_URIS="s3://photos/"),
    ),
    Provocation(
        "UnacceptedObject",
        "two buckets of inputs share one output, and both have an object of this key",
        "Deploy a stack for each bucket, or give the buckets' keys different beginnings.",
        another_bucket_s_document,
    ),
)

MESSAGES = (
    Provocation(
        "UnrecognisedEvent",
        "the function was invoked with another event, such as a test event of the console, or that of an unknown source",
        "`events/` has an example of the events of each source.",
        asking({"key1": "value1", "key2": "value2"}),
    ),
    Provocation(
        "UnrecognisedEvent",
        "a state machine waits for a task token, which nobody would send back",
        "Change the resource of the state; nothing else changes.",
        asking({"objects": ["s3://photos/coat.png"], "TaskToken": "AAAA"}),
    ),
    Provocation(
        "UnrecognisedEvent",
        "an event with `objects` holds none, or a field that is not known",
        "Name one object or more, and look for a misspelt field.",
        asking({"objects": [], "unless_done": True}),
    ),
    Provocation(
        "UnreadableMessage",
        "an address of an object is not one of S3",
        "Local paths and https:// are not read; `coatcheck score` scores local files.",
        asking({"objects": ["photos/coat.png"]}, by_map("photos/coat.png")),
    ),
    Provocation(
        "UnreadableMessage",
        "a message names an empty bucket, or a key that is empty or longer than S3 allows",
        "Whoever makes the message has left it out, or put something else in its place.",
        asking(by_s3_of("photos", "")),
    ),
    Provocation(
        "UnreadableMessage",
        "a key holds half of a character, as some programs leave it when they cut text",
        "No object of S3 has such a key: cut names between whole characters.",
        asking(by_s3_of("photos", "coat-\ud83d.png")),
    ),
    Provocation(
        "UnreadableMessage",
        "a key is percent-encoded, but not from UTF-8",
        "Encode it as S3 does: `urllib.parse.quote_plus(key)`.",
        asking(by_s3_of("photos", "caf%E9.png")),
    ),
    Provocation(
        "UnreadableMessage",
        "a message of the queue is text that somebody wrote by hand, or that another program sends",
        "Find who sends to the queue: it is for uploads and sweeps alone.",
        asking(by_queue("please score coat.png")),
    ),
    Provocation(
        "UnreadableMessage",
        "a message of the queue is JSON, but no object",
        'The least message is {"objects": ["s3://bucket/key"]}.',
        asking(by_queue("[1, 2]")),
    ),
    Provocation(
        "UnreadableMessage",
        "a message of the queue is an event of a source that queues do not carry",
        "Find who sends to the queue, and have it send one of those named.",
        asking(by_queue({"detail": {}, "source": "my.app"})),
    ),
    Provocation(
        "UnreadableMessage",
        "an event was put into envelopes again and again, as by a queue that feeds the topic which feeds it",
        "Look for the loop, or redrive the original message (`coatcheck redrive`).",
        asking(by_queue(in_envelopes(objects("coat.png"), 9))),
    ),
    Provocation(
        "UnreadableMessage",
        "a record of a topic lacks its message",
        "Have SNS deliver it, and not a program that imitates it.",
        asking({"Records": [{"EventSource": "aws:sns", "Sns": {}}]}),
    ),
    Provocation(
        "UnrecognisedEvent",
        "a program that imitates SQS leaves out what every message has",
        "Take `events/sqs-s3-upload.json` for a pattern.",
        asking({"Records": [{"eventSource": "aws:sqs", "body": "{}"}]}),
    ),
    Provocation(
        "UnrecognisedEvent",
        "a program that imitates SQS sends messages with empty ids, whose failure could not be reported",
        "Number the messages.",
        asking({"Records": [{"eventSource": "aws:sqs", "messageId": "", "body": "{}"}]}),
    ),
)

SOURCES = (
    Provocation(
        "UnreadableMessage",
        "a record of an S3 notification lacks its bucket or key, or has them as something else than text",
        "Take `events/s3-upload.json` for a pattern.",
        asking(by_s3(s3={"bucket": {"name": "photos"}})),
    ),
    Provocation(
        "UnreadableMessage",
        "S3, or a store that imitates it, sends notifications of a later form",
        "Look for a newer release of Coatcheck; until then, a sweep finds the uploads.",
        asking(by_s3(eventVersion="3.0")),
    ),
    Provocation(
        "UnreadableMessage",
        "an S3 notification tells of something that is not known, which could be an upload",
        "Subscribe to s3:ObjectCreated:* alone.",
        asking(by_s3(eventName="ObjectInvented:Put")),
    ),
    Provocation(
        "UnreadableMessage",
        "a rule of EventBridge sends events of S3 that are not known, which could be uploads",
        'Have the rule match {"detail-type": ["Object Created"]} alone.',
        asking(by_eventbridge("Object Invented", {})),
    ),
    Provocation(
        "UnreadableMessage",
        "an event of EventBridge lacks its bucket or key, often since a rule has an input transformer",
        "Have the rule send the matched event whole.",
        asking(by_eventbridge("Object Created", {"bucket": "photos"})),
    ),
    Provocation(
        "UnreadableMessage",
        "CloudTrail reports a call that is not known, which could have made an object",
        "Have the rule match the names of calls that make objects.",
        asking(by_cloudtrail(eventSource="s3.amazonaws.com", eventName="InventObject")),
    ),
    Provocation(
        "UnreadableMessage",
        "CloudTrail reports a call of another service",
        'Have the rule match {"detail": {"eventSource": ["s3.amazonaws.com"]}}.',
        asking(by_cloudtrail(eventSource="s3express.amazonaws.com", eventName="PutObject")),
    ),
    Provocation(
        "UnreadableMessage",
        "an event of CloudTrail lacks the call or its parameters, often since a rule has an input transformer",
        "Have the rule send the matched event whole.",
        asking(by_cloudtrail(eventSource="s3.amazonaws.com", eventName="PutObject", requestParameters={"bucketName": "b"})),
    ),
    Provocation(
        "UnreadableMessage",
        "the input of a schedule has a field that is misspelt or of a wrong type",
        "A field that is not known is refused, since without it the sweep could be of everything.",
        asking({"job": "sweep", "\ud83d": ""}, {"job": "sweep", "prefx": "s3://photos/uploads/"}, until="Received"),
    ),
    Provocation(
        "UnreadableMessage",
        "the input of a schedule names a prefix that is none",
        "Leave it out to have all of INPUT_URIS swept.",
        asking({"job": "sweep", "prefix": "s3://photos/uploads"}),
    ),
    Provocation(
        "UnreadableMessage",
        "a sweep is to begin after a key, but of no prefix",
        "Leave `after` to the function, which hands it on to itself.",
        asking({"job": "sweep", "after": "uploads/coat.png"}),
    ),
    Provocation(
        "UnrecognisedEvent",
        "a Distributed Map sent a batch without items",
        "Look at the ItemReader, and at the state's `Payload`, which is to pass `Items` on.",
        asking(by_map()),
    ),
    Provocation(
        "UnrecognisedEvent",
        "the `BatchInput` of a Distributed Map has a field of a wrong type",
        "`events/map-inventory-batch.json` is one in full.",
        asking({"Items": ["s3://photos/coat.png"], "BatchInput": {"bucket": 5}}),
    ),
    Provocation(
        "UnrecognisedEvent",
        "the `BatchInput` of a Distributed Map tolerates a share of failures that is no percentage",
        "5 means 5 %.",
        asking(by_map("s3://photos/coat.png", tolerated_failure_percentage=500)),
    ),
    Provocation(
        "UnreadableMessage",
        "an item of a Distributed Map has no key, or no bucket is known",
        'Name the columns of a CSV Key and Bucket, or give {"BatchInput": {"bucket": "…"}}.',
        asking(by_map({"path": "coat.png"})),
    ),
    Provocation(
        "UnrecognisedEvent",
        "a program that imitates S3 Batch Operations leaves out what every invocation has",
        "Take `events/batch-operations-1.json` for a pattern.",
        asking(by_batch_operations({"s3Key": "coat.png"})),
    ),
    Provocation(
        "UnrecognisedEvent",
        "a job of S3 Batch Operations uses a schema of invocations that is not known",
        "Choose one of these when you create the job.",
        asking(by_batch_operations({"taskId": "1"}, version="9.0")),
    ),
    Provocation(
        "UnrecognisedEvent",
        "a program that imitates S3 Batch Operations sends no tasks",
        "Send one at least.",
        asking(by_batch_operations()),
    ),
    Provocation(
        "UnreadableMessage",
        "a task of S3 Batch Operations names no key",
        "Look at the manifest of the job.",
        asking(by_batch_operations({"taskId": "1", "s3Bucket": "photos"})),
    ),
    Provocation(
        "UnreadableMessage",
        "a task of S3 Batch Operations names no bucket",
        "Look at the manifest of the job.",
        asking(by_batch_operations({"taskId": "1", "s3Key": "coat.png"})),
    ),
    Provocation(
        "UnrecognisedEvent",
        "a state machine asks for a task of a backlog in a way that is not known, as one of another release does",
        "Both are in one template: deploy it whole.",
        lambda scene: Function(scene).invoke({"job": "shard", "run": "spring"}),
    ),
    Provocation(
        "UnrecognisedEvent",
        "a run with a model of its own was to write documents",
        "The rows of the run hold the same predictions.",
        lambda scene: Function(scene).invoke({"job": "plan", "run": "spring", "model": "0" * 64, "documents": True}),
    ),
)

ANSWERS = (
    Provocation(
        "InvocationFailed",
        "an object of an event failed, so that the event must come again whole",
        "Look up the error in brackets on this page.",
        invoking(objects("elsewhere/coat.png")),
    ),
    Provocation(
        "InvocationFailed",
        "more items of a Distributed Map failed than its `BatchInput` tolerates",
        "Look up the error in brackets on this page, or raise `tolerated_failure_percentage`.",
        invoking(by_map("s3://photos/elsewhere/coat.png")),
    ),
)

ROWS = WHICH + MESSAGES + SOURCES + ANSWERS
