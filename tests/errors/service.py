"""The errors of the function itself: its settings, its model, what it calls, its time, and runs over a backlog."""

import gzip
import hashlib
import json
import os
import shutil
import time
from contextlib import closing
from functools import partial

import flatbuffers
import msgspec
from ai_edge_litert import schema_py_generated as schema

import handler.backlog.rows
import handler.s3_calls
from handler.app import build_parts
from handler.backlog.files import KeysHead, encode_keys
from handler.backlog.runs import Places, Position, Shard
from handler.backlog.surviving import Note
from handler.contract import MANIFEST_FILE, MODEL_FILE, golden_images, parse_manifest
from handler.deadline import Deadline
from handler.model import BUNDLED_ARTIFACT, Classifier
from handler.objects import ObjectRef, Prefix
from handler.s3_answers import BLOCK_BYTES
from handler.stores import make_store
from tests.errors.function import INPUT, OUTPUT, PNG, Function, answer, objects, refusal
from tests.errors.provoking import Provocation, one_error
from tests.handler.test_obstore_storage import LARGE, md5, recording

COAT = objects("uploads/coat.png")
OUT_OF_RESERVE_MS = 5_000  # less than DEADLINE_RESERVE_MS
OUT_OF_TIME_MS = 500  # less than what the answer needs


def starting(**variables):
    """Starts the function with some settings."""
    return lambda scene: Function(scene, **variables).invoke(COAT)


def with_artifact(content=None, text=None, **changes):
    """Starts the function with another artifact than the bundled one: of another model, or with another manifest."""

    def provoke(scene):
        made = content() if callable(content) else content
        return Function(scene, MODEL_URI=artifact(scene, made, text, **changes)).invoke(COAT)

    return provoke


def artifact(scene, content=None, text=None, **changes):
    """Makes an artifact, and returns its folder; the manifest vouches for the model, whose `content` may be another one."""
    folder = scene.folder / "model"
    shutil.copytree(BUNDLED_ARTIFACT, folder, dirs_exist_ok=True)
    manifest = json.loads((folder / MANIFEST_FILE).read_bytes())
    if content is not None:
        (folder / MODEL_FILE).write_bytes(content)
        manifest["model"] |= {"sha256": hashlib.sha256(content).hexdigest(), "size_bytes": len(content)}
    for name, value in changes.items():
        manifest[name] = value(manifest[name])
    (folder / MANIFEST_FILE).write_bytes(json.dumps(manifest).encode() if text is None else text)
    return folder.name


def bundled_model():
    return (BUNDLED_ARTIFACT / MODEL_FILE).read_bytes()


def of_an_unknown_operation():
    """The bundled model, the first operation of which is one that LiteRT does not have."""
    model = schema.ModelT.InitFromObj(schema.Model.GetRootAs(bundled_model(), 0))
    first = model.operatorCodes[model.subgraphs[0].operators[0].opcodeIndex]
    first.builtinCode, first.deprecatedBuiltinCode, first.customCode = schema.BuiltinOperator.CUSTOM, 32, "FlexMyOperation"
    builder = flatbuffers.Builder()
    builder.Finish(model.Pack(builder), file_identifier=b"TFL3")
    return bytes(builder.Output())


def with_logits(scene):
    """Starts the function with the bundled model without its softmax, and with a golden batch as this model scores it."""
    model = schema.ModelT.InitFromObj(schema.Model.GetRootAs(bundled_model(), 0))
    (graph,), (signature,) = model.subgraphs, model.signatureDefs
    at = next(
        at
        for at, operator in enumerate(graph.operators)
        if model.operatorCodes[operator.opcodeIndex].builtinCode == schema.BuiltinOperator.SOFTMAX
    )
    softmax = graph.operators.pop(at)
    (logits,), (probabilities,) = softmax.inputs, softmax.outputs
    graph.outputs = [logits if output == probabilities else output for output in graph.outputs]
    for output in signature.outputs:
        output.tensorIndex = logits if output.tensorIndex == probabilities else output.tensorIndex
    builder = flatbuffers.Builder()
    builder.Finish(model.Pack(builder), file_identifier=b"TFL3")
    content = bytes(builder.Output())
    images = golden_images(parse_manifest((BUNDLED_ARTIFACT / MANIFEST_FILE).read_bytes()))
    said = Classifier(content).classify(images).probabilities.tolist()
    return with_artifact(content, golden=lambda golden: golden | {"probabilities": said})(scene)


def with_coat(scene, **variables):
    """The function with a picture to score."""
    function = Function(scene, **variables)
    function.put("uploads/coat.png", PNG)
    return function


def is_document(request):
    return "_coatcheck" not in request.url


def refused(operation, status, code):
    """Has S3 refuse an operation."""

    def provoke(scene):
        function = with_coat(scene)
        function.when(f"s3.{operation}", lambda _: refusal(status, code))
        return function.error_of(COAT)

    return provoke


def through(client, answer):
    """Has a client of S3 read an object of several blocks from a server that gives an `answer(request, client of the request)`.

    Of a request, the first part is its method, the second its path, and the third its headers.
    """

    def provoke(scene):
        recorder, endpoint = scene.enter(recording())
        scene.patch.setenv("AWS_ENDPOINT_URL_S3", endpoint)
        recorder.respond = lambda request, _: answer(request, "obstore" if request[2]["User-Agent"] == "coatcheck" else "boto3")
        deadline = Deadline.after(60)
        with closing(
            make_store(client, 1, os.environ).open(ObjectRef(INPUT, "uploads/coat.png"), deadline=deadline).body
        ) as body:
            return body.read()

    return provoke


def breaking_off(request, client):
    """All of an object is announced, and half of it sent; obstore asks for the first block by itself, which is sent."""
    is_first = request[2].get("Range") == f"bytes=0-{BLOCK_BYTES - 1}"
    return 200, {"ETag": '"1-2"', "Content-Length": str(len(LARGE))}, LARGE if is_first else LARGE[: len(LARGE) // 2]


def different_bytes(request, client):
    """Bytes that have not the MD5 of their ETag, and are others whenever they are read."""
    return 200, {"ETag": f'"{md5(b"")}"'}, LARGE if client == "obstore" else LARGE[::-1]


def changed_meanwhile(request, client):
    """Bytes that have not the MD5 of their ETag, which is another one when they are read again."""
    if client == "boto3":
        return 412, {}, b"<Error><Code>PreconditionFailed</Code></Error>"
    return different_bytes(request, client)


def failing_sweep(scene):
    function = with_coat(scene)
    function.when("s3.GetObject", lambda _: refusal(403, "AccessDenied"))
    return function.errors_of({"job": "sweep"})[1]


def forbidden_listing(scene):
    function = with_coat(scene)
    function.when("s3.ListObjectsV2", lambda request: refusal(403, "AccessDenied") if "uploads" in request.url else None)
    return function.error_of({"job": "sweep"})


def hanging(scene):
    function = with_coat(scene)
    scene.patch.setattr(handler.s3_calls.call, "__defaults__", (None, 0.1))  # seconds, in place of 20
    function.when("s3.GetObject", lambda _: time.sleep(0.5))
    return function.error_of(COAT)


def without_an_etag(scene):
    function = with_coat(scene)
    function.when("s3.PutObject", lambda _: answer(200, b""))
    return function.error_of(COAT)


def always_written_by_others(scene):
    function = with_coat(scene)
    function.when("s3.PutObject", lambda request: refusal(409, "ConditionalRequestConflict") if is_document(request) else None)
    return function.error_of(COAT)


def changing_while_replaced(scene):
    function = with_coat(scene)
    function.invoke(COAT)
    function.deploy(MODEL_URI=artifact(scene, version=lambda _: "9.9.9"))

    def upload_again(request):
        if is_document(request) and "If-Match" in request.headers:
            function.put("uploads/coat.png", PNG + b"again")

    function.when("s3.PutObject", upload_again)
    return function.error_of(COAT)


def two_versions_at_once(scene):
    function = with_coat(scene)
    function.when("s3.PutObject", lambda request: None if is_document(request) else refusal(412, "PreconditionFailed"))
    return function.error_of(COAT)


def refused_by_the_queue(scene):
    function = with_coat(scene).with_queue()
    function.deploy(QUEUE_URL="https://sqs.us-east-1.amazonaws.com/123456789012/gone")
    return function.error_of({"job": "sweep"})


def answered_by_the_queue(operation, told):
    """Has the queue answer an operation, in JSON."""

    def provoke(scene):
        function = with_coat(scene).with_queue()
        function.when(f"sqs.{operation}", lambda _: answer(200, json.dumps(told).encode()))
        return function.error_of({"job": "sweep"})

    return provoke


def late(scene):
    return with_coat(scene).error_of(COAT, remaining_ms=OUT_OF_RESERVE_MS)


def not_begun(scene):
    return with_coat(scene).error_of({"job": "sweep"}, remaining_ms=OUT_OF_TIME_MS)


def not_answered(scene):
    function = with_coat(scene)

    def hang(_):
        function.wait(1)
        time.sleep(1)

    function.when("s3.GetObject", hang)
    return function.error_of(COAT, remaining_ms=10_500)


def answered_too_late(scene):
    function = with_coat(scene)
    function.when("s3.GetObject", lambda _: function.wait(51))
    return function.error_of(COAT)


def no_time_for_another_attempt(scene):
    function = with_coat(scene)

    def conflict(request):
        if is_document(request):
            function.wait(58.99)
            return refusal(409, "ConditionalRequestConflict")
        return None

    function.when("s3.PutObject", conflict)
    return function.error_of(COAT)


def list_of_too_many(scene):
    function = Function(scene).with_queue()
    lines = [json.dumps({"key": f"uploads/{number}.png"}) for number in range(101)]
    function.put("uploads/all.jsonl", "\n".join(lines).encode())
    waits = iter([51])
    function.when("sqs.SendMessageBatch", lambda _: function.wait(next(waits, 0)))
    return function.error_of(objects("uploads/all.jsonl"))


def sweep_without_a_queue(scene):
    function = with_coat(scene, INPUT_URIS=f"s3://{INPUT}/uploads/,s3://{INPUT}/more/")
    function.when("s3.PutObject", lambda request: function.wait(51) if is_document(request) else None)
    return function.error_of({"job": "sweep"})


def scored_list(*keys, key="uploads/all.jsonl", lists=0, has_queue=True):
    """Has the function score a list."""

    def provoke(scene):
        function = Function(scene).with_queue() if has_queue else Function(scene)
        function.put(key, "\n".join(json.dumps({"key": one}) for one in keys).encode())
        return function.error_of({**objects(key), "lists": lists})

    return provoke


def too_large(scene):
    return with_coat(scene, MAX_OBJECT_BYTES="100").error_of(COAT)


def archived(scene):
    function = Function(scene)
    function.put("uploads/coat.png", PNG, StorageClass="GLACIER")
    return function.error_of(COAT)


PLACES = Places(Prefix(OUTPUT, "predictions/"))
AT = {"attempt": "20261130T000000Z-00000000", "planned_at": "2026-11-30T00:00:00+00:00", "parts": 0}
PLAN = {"job": "plan", "run": "spring", "state": AT}
PLANNING = PLAN | {"state": AT | {"parts": 1}}
POSITION = msgspec.convert(AT, Position)
SUMMARISE = {"job": "summarise", "run": "spring"}
TOKEN = "0" * 16


def keep(function, ref, content, **metadata):
    function.put(ref.key, content, ref.bucket, Metadata=metadata)


def content_of(function, ref):
    return function.s3.get_object(Bucket=ref.bucket, Key=ref.key)["Body"].read()


def with_run(scene, coats=1, **order):
    """The function with a run over a backlog that it has planned, and the first shard of the run, whose token is no chance."""
    function = with_coat(scene)
    for number in range(1, coats):
        function.put(f"uploads/coat-{number}.png", PNG)
    told = PLAN | order
    while not told.get("is_planned"):
        told = function.invoke(told)
    shard = msgspec.json.decode(content_of(function, ObjectRef(told["bucket"], told["shards_key"])), type=list[Shard])[0]
    own = msgspec.structs.replace(shard, token=TOKEN)
    keep(function, PLACES.keys(own), content_of(function, PLACES.keys(shard)))
    return function, own


def do(function, shard, **context):
    return function.error_of(msgspec.to_builtins(shard), **context)


def results():
    return build_parts().scorer.documents.maker.results


def replaced(place, content=b"put here by hand", event=None, **metadata):
    """Replaces one of the files of a run before its shard is done, or another event comes."""

    def provoke(scene):
        function, shard = with_run(scene)
        keep(function, place(shard), content, **metadata)
        return function.error_of(event or msgspec.to_builtins(shard))

    return provoke


def with_rows(content, keys):
    """Has the rows of a shard be there, which are those of some keys, before the shard is done."""
    digest = hashlib.sha256(msgspec.json.encode(keys)).hexdigest()
    return replaced(lambda shard: PLACES.rows(results(), shard.run, shard.number), content, keys=digest)


def listed(content):
    """Has a run planned over the objects that a file names."""

    def provoke(scene):
        function = with_coat(scene)
        function.put(f"{PLACES.asked('spring').prefix}0000001.jsonl.gz", content, OUTPUT)
        return function.error_of(PLAN | {"listed": True})

    return provoke


def answering_writes(place, status, code):
    """Has S3 answer writes of some files of a run so, while the run is planned and its shard is done."""

    def provoke(scene):
        function, shard = with_run(scene)
        function.when("s3.PutObject", lambda request: refusal(status, code) if place in request.url else None)
        is_planning = place in {"plan.json", "parts/", "sampling"}
        return function.error_of({**PLAN, "run": "summer"} if is_planning else msgspec.to_builtins(shard))

    return provoke


def overtaken(place):
    return answering_writes(place, 409, "ConditionalRequestConflict")


def broken_part(scene):
    function = Function(scene)
    function.put(f"{PLACES.parts('spring', POSITION).prefix}0000001.json", b"?", OUTPUT)
    return function.error_of(PLANNING)


def shard_of_another_model(scene):
    function, shard = with_run(scene)
    function.deploy(MODEL_URI=artifact(scene, version=lambda _: "9.9.9"))
    return do(function, shard)


def plan_of_another_model(scene):
    function = with_coat(scene)
    function.when("s3.ListObjectsV2", lambda _: function.wait(2))
    told = function.invoke(PLAN | {"max_seconds": 1})
    function.deploy(MODEL_URI=artifact(scene, version=lambda _: "9.9.9"))
    return function.error_of(told)


def shard_without_keys(scene):
    function, shard = with_run(scene)
    return do(function, msgspec.structs.replace(shard, token="1" * 16))


def shard_with_other_keys(scene):
    function, shard = with_run(scene)
    other = msgspec.structs.replace(shard, number=2)
    keep(function, PLACES.keys(other), content_of(function, PLACES.keys(shard)))
    return do(function, other)


def shard_of_an_earlier_run(scene):
    function, shard = with_run(scene)
    function.invoke(msgspec.to_builtins(shard))
    later = msgspec.structs.replace(shard, token="1" * 16)
    head = KeysHead(run=shard.run, number=shard.number, bucket=shard.bucket)
    keep(function, PLACES.keys(later), encode_keys(head, ["uploads/another.png"]))
    return do(function, later)


def failing_shard(scene):
    function, shard = with_run(scene)
    function.when("s3.GetObject", lambda request: refusal(403, "AccessDenied") if "coat.png" in request.url else None)
    return function.errors_of(msgspec.to_builtins(shard), remaining_ms=10_100)[-1]  # too little time for a second try


def too_many_rows(scene):
    scene.patch.setattr(handler.backlog.rows, "MAX_ROWS_BYTES", 1000)
    function, shard = with_run(scene, coats=2, model=brought(Function(scene)))
    keep(function, PLACES.note(shard), msgspec.json.encode(Note(killed=2)))  # so that objects come in order
    return do(function, shard)


def killer(scene):
    function, shard = with_run(scene, coats=2)
    keep(function, PLACES.note(shard), msgspec.json.encode(Note(killed=2, killers=[0])))
    return do(function, shard)


def brought(function, digest=None):
    """Brings the bundled model for a run, and returns the digest of its manifest."""
    files = {name: (BUNDLED_ARTIFACT / name).read_bytes() for name in (MANIFEST_FILE, MODEL_FILE)}
    digest = digest or hashlib.sha256(files[MANIFEST_FILE]).hexdigest()
    for name, content in files.items():
        function.put(f"{PLACES.model(digest).prefix}{name}", content, OUTPUT)
    return digest


def another_model_than_its_digest_says(scene):
    function = Function(scene)
    return function.invoke(PLAN | {"model": brought(function, "0" * 64)})


ABOUT_OBJECTS = (
    Provocation(
        "ArchivedObject",
        "an object lies in Glacier, or in an archive tier of Intelligent-Tiering",
        "`aws s3api restore-object` restores one; S3 Batch Operations restores many.",
        archived,
    ),
    Provocation(
        "ObjectTooLarge",
        "an object has more bytes than are allowed",
        "Cut it into several objects, or raise MAX_OBJECT_BYTES.",
        too_large,
    ),
    Provocation(
        "UnreadableList",
        "a list was uploaded to a function without a queue, which alone could do the work that the list asks for",
        "The template makes the queue and sets the variable; without a list, each upload is scored anyway.",
        scored_list("uploads/coat.png", has_queue=False),
    ),
    Provocation(
        "UnreadableList",
        "a list names no object that the settings allow to be read, or a table of two columns was taken for a list",
        "Compare its names with INPUT_URIS.",
        scored_list("elsewhere/coat.png"),
    ),
    Provocation(
        "UnreadableList",
        "a list was written with its own name as its only entry, as by listing a folder into a file of that folder",
        "Look at how the list is made.",
        scored_list("uploads/all.jsonl"),
    ),
    Provocation(
        "UnreadableList",
        "a list names a list, which names a list, and so on",
        "Join the lists to one.",
        scored_list("uploads/coat.png", lists=3),
    ),
)

SETTINGS = (
    Provocation(
        "BadSettings",
        "the function was deployed without its variables, or they were deleted",
        "Deploy the template, which sets them, or set them by hand.",
        starting(OUTPUT_URI="", INPUT_URIS=""),
    ),
    Provocation(
        "BadSettings",
        "an address is not that of a prefix",
        "The slash at the end matters: without it, `uploads` would include `uploads-old`.",
        starting(INPUT_URIS="s3://photos/uploads"),
    ),
    Provocation(
        "BadSettings",
        "OUTPUT_URI has a comma in it",
        "Only INPUT_URIS may name several.",
        starting(OUTPUT_URI="s3://results/a/,s3://results/b/"),
    ),
    Provocation(
        "BadSettings",
        "documents would be written where inputs are read, and be taken for inputs themselves",
        "Choose a prefix beside that of the inputs, or another bucket.",
        starting(OUTPUT_URI="s3://photos/uploads/predictions/"),
    ),
    Provocation(
        "BadSettings",
        "a queue is named by its ARN or its name",
        "`aws sqs get-queue-url` tells the URL.",
        starting(QUEUE_URL="arn:aws:sqs:us-east-1:123456789012:uploads"),
    ),
    Provocation(
        "BadSettings",
        "numbers are written with units or separators, are zero, or are larger than can be honoured",
        "Each setting's unit stands in its name: MAX_OBJECT_BYTES=67108864 is 64 MiB.",
        starting(MAX_OBJECT_BYTES="64 MiB", S3_CONCURRENCY="1000"),
    ),
    Provocation(
        "BadSettings",
        "a setting has none of its possible values",
        "Look for a misspelling.",
        starting(RESULT_FORMAT="csv"),
    ),
    Provocation(
        "MisconfiguredError",
        "a test uses moto's `mock_aws` together with the faster client, which it does not stand in for",
        "`moto_server` gives the endpoint.",
        starting(S3_CLIENT="obstore"),
    ),
)

MODEL = (
    Provocation(
        "BadArtifact",
        "MODEL_URI leads to a folder or prefix without an artifact",
        "Check MODEL_URI, and that the role may read it (the template's parameter ModelUri sees to both).",
        starting(MODEL_URI="s3://photos/models/v2/"),
    ),
    Provocation(
        "BadArtifact",
        "the manifest was edited by hand, broke off, or is of another release",
        "Deploy the release that made the artifact, or a later one.",
        lambda scene: one_error(
            partial(with_artifact(text=b'{"schema": "coatcheck.artifact/1", "dataset": {"a": ' + b"[" * 5000), scene),
            partial(with_artifact(text=b'{"schema": "coatcheck.artifact/9"}'), scene),
            until="Received",
        ),
    ),
    Provocation(
        "BadArtifact",
        "the model and the manifest are of different trainings, or a copy broke off",
        "`sha256sum model.tflite` tells whether the copy is whole: the manifest holds its digest.",
        with_artifact(model=lambda manifest: manifest | {"size_bytes": 5}),
    ),
    Provocation(
        "BadArtifact",
        "the file of the model is damaged, or no LiteRT model",
        "`python -m training adopt` makes an artifact of a Keras model.",
        with_artifact(content=b"nonsense"),
    ),
    Provocation(
        "BadArtifact",
        "a model was made with other outputs than the function reads",
        "Make the artifact by `python -m training adopt`, which names them.",
        with_artifact(content=bundled_model().replace(b"familiarity", b"familiarly_")),
    ),
    Provocation(
        "BadArtifact",
        "a model needs operations that LiteRT does not have, such as TensorFlow's own (Flex)",
        "Build the network of other layers; `python -m training adopt` says which of them need such operations.",
        with_artifact(content=of_an_unknown_operation),
    ),
    Provocation(
        "BadArtifact",
        "the example images in the manifest were cut",
        "A manifest is not for editing: it vouches for the model.",
        with_artifact(golden=lambda golden: golden | {"images": "AAAA"}),
    ),
    Provocation(
        "BadArtifact",
        "a model ends in logits, and the artifact was not made by this project's export",
        "The classes of a model exclude each other: one that ends in a sigmoid is trained anew with a softmax.",
        with_logits,
    ),
    Provocation(
        "BadArtifact",
        "a run over a backlog brought a model, but other files than its own lie in that place",
        "`coatcheck backlog start --model` copies them rightly.",
        another_model_than_its_digest_says,
    ),
)

STORES = (
    Provocation(
        "StorageUnavailable",
        "the function may not read an object, or it is gone and the function may not list the bucket either",
        "Look at the role's s3:GetObject and s3:ListBucket, at the bucket's policy, and at that of its key of KMS.",
        refused("GetObject", 403, "AccessDenied"),
    ),
    Provocation(
        "StorageUnavailable",
        "the function may not write documents",
        "Look at the role's s3:PutObject for OUTPUT_URI; `coatcheck doctor` does.",
        refused("PutObject", 403, "AccessDenied"),
    ),
    Provocation(
        "StorageUnavailable",
        "the function may not list a bucket that it was to sweep",
        "Look at the role's s3:ListBucket for this prefix; `coatcheck doctor` does.",
        forbidden_listing,
    ),
    Provocation(
        "StorageUnavailable",
        "an answer of S3 broke off, or its bytes were not those that were stored",
        "Nothing, if it is rare: the event comes again. If it is always so, look at what lies between the function and S3.",
        lambda scene: one_error(
            partial(through("obstore", breaking_off), scene),
            partial(through("obstore", different_bytes), scene),
            partial(through("boto3", breaking_off), scene),
            until="coat.png: ",
        ),
    ),
    Provocation(
        "ObjectChanged",
        "an object was uploaded anew while it was read by the client obstore, and had to be read once more",
        "Nothing: the newer upload has an event of its own.",
        through("obstore", changed_meanwhile),
    ),
    Provocation(
        "StorageUnavailable",
        "S3 was asked and did not answer in 20 s (a minute for a write)",
        "Nothing, if it is rare. If it is always so, and you have put the function into a VPC, that has no way to S3.",
        hanging,
    ),
    Provocation(
        "StorageUnavailable",
        "a store that imitates S3 leaves out of its answer what S3 always says",
        "Report it to the store's makers; the function cannot know whether the write was done.",
        without_an_etag,
    ),
    Provocation(
        "ConcurrentWrites",
        "others wrote the same document at each of several attempts",
        "Nothing: the event comes again. If it is always so, look for a second function with this OUTPUT_URI.",
        always_written_by_others,
    ),
    Provocation(
        "ConcurrentWrites",
        "an object was uploaded anew at the very moment at which its document was replaced",
        "Nothing: the newer upload has an event of its own.",
        changing_while_replaced,
    ),
    Provocation(
        "ConcurrentWrites",
        "two versions of the function with different models or limits write to one output, and replace each other's mark",
        "Let aliases and stacks have outputs of their own.",
        two_versions_at_once,
    ),
    Provocation(
        "QueueUnavailable",
        "the queue does not exist, or the function may not use it",
        "Look at QUEUE_URL, and at the role's permissions for this queue.",
        refused_by_the_queue,
    ),
    Provocation(
        "QueueUnavailable",
        "the queue took only some of the messages of a list or a sweep",
        "Nothing, if it is rare: what is sent twice is scored once. The code is SQS's own.",
        answered_by_the_queue(
            "SendMessageBatch", {"Failed": [{"Id": "0", "Code": "InvalidMessageContents", "SenderFault": True}]}
        ),
    ),
    Provocation(
        "QueueUnavailable",
        "a queue that imitates SQS does not tell how many messages wait",
        "Report it to the queue's makers; sweeps need the number.",
        answered_by_the_queue("GetQueueAttributes", {"Attributes": {}}),
    ),
)

TIME = (
    Provocation(
        "InvocationFailed",
        "a sweep of a function without a queue scored objects by itself, and some of them failed",
        "Look up the error of the object on this page; the next sweep finds the object again.",
        failing_sweep,
    ),
    Provocation(
        "OutOfTime",
        "an object's turn came when too little of the invocation's time was left",
        "Nothing, if it is scored later. If it never is: smaller objects, or a smaller `BatchSize` in template.yaml.",
        late,
    ),
    Provocation(
        "OutOfTime",
        "S3 or SQS was still working when the invocation's time was over",
        "Nothing, if it is rare; otherwise smaller objects, or a smaller `BatchSize` in template.yaml.",
        not_answered,
    ),
    Provocation(
        "OutOfTime",
        "a call of S3 or SQS was due when the invocation's time was over",
        "Nothing, if it is rare; otherwise smaller objects, or a smaller `BatchSize` in template.yaml.",
        not_begun,
    ),
    Provocation(
        "OutOfTime",
        "S3 answered when the time for reading was over",
        "Nothing, if it is rare; otherwise smaller objects, or a smaller `BatchSize` in template.yaml.",
        answered_too_late,
    ),
    Provocation(
        "OutOfTime",
        "another writer was at the same document when the invocation's time was nearly over",
        "Nothing: the event comes again, and finds the other's document.",
        no_time_for_another_attempt,
    ),
    Provocation(
        "OutOfTime",
        "a list names more objects than can be sent in one invocation",
        "Lists of some 10,000 lines are sent within seconds.",
        list_of_too_many,
    ),
    Provocation(
        "OutOfTime",
        "a sweep of a function without a queue found more than it could score in one invocation",
        "The template makes the queue and sets the variable.",
        sweep_without_a_queue,
    ),
)

BACKLOG = (
    Provocation(
        "StaleRun",
        "a run was summed up, or went on, that was never planned",
        "Look for a misspelt name; `coatcheck backlog start` plans and starts a run.",
        lambda scene: Function(scene).invoke({"job": "summarise", "run": "spring"}),
    ),
    Provocation(
        "StaleRun",
        "the function was deployed with another model or other thresholds while a run was under way",
        "The new run leaves out what has an answer by the new model.",
        shard_of_another_model,
    ),
    Provocation(
        "StaleRun",
        "the function was deployed with another model or other inputs while a run was being planned",
        "Start the state machine once more, by another name.",
        plan_of_another_model,
    ),
    Provocation(
        "StaleRun",
        "files under `_coatcheck/runs/` were deleted while a run was being planned, by hand or by a lifecycle rule",
        "Leave `_coatcheck/` out of lifecycle rules.",
        lambda scene: Function(scene).invoke(PLANNING),
    ),
    Provocation(
        "StaleRun",
        "the lists of keys of a run were deleted before it was done, by hand or by a lifecycle rule",
        "Leave `_coatcheck/` out of lifecycle rules.",
        shard_without_keys,
    ),
    Provocation(
        "StaleRun",
        "the lists of keys of a run were copied or renamed",
        "Start a run of another name, by --run, and leave what lies under `_coatcheck/` alone.",
        shard_with_other_keys,
    ),
    Provocation(
        "StaleRun",
        "files under `_coatcheck/runs/` were deleted, by hand or by a lifecycle rule, and the name of their run was used again",
        "Start the state machine once more, by another name; the rows of the earlier run stay as they are.",
        shard_of_an_earlier_run,
    ),
    Provocation(
        "UnacceptedObject",
        "a run was asked for a prefix that is none",
        "Without a prefix, the run is over all of INPUT_URIS.",
        lambda scene: Function(scene).invoke({"job": "plan", "run": "spring", "prefix": "s3://photos/uploads"}),
    ),
    Provocation(
        "InvocationFailed",
        "more than 10 % of a shard's objects failed, or all of them",
        "Look up the error of the example on this page; Step Functions repeats the shard.",
        failing_shard,
    ),
    Provocation(
        "OutOfRoom",
        "the rows of a shard need more room than the function has, since its objects hold very many images",
        "Nothing with the deployed model; with `--model`, run what failed once more.",
        too_many_rows,
    ),
    Provocation(
        "ProcessKilled",
        "an object used up the memory, or crashed a decoder, whenever it was scored",
        "Score it by itself (`coatcheck score`), or raise the function's memory; then run what failed once more.",
        killer,
    ),
    *(
        Provocation(
            "StorageUnavailable",
            f"{what} under `_coatcheck/` was damaged or replaced",
            remedy,
            provoke,
        )
        for what, remedy, provoke in (
            (
                "the plan of a run",
                "What this run has scored stays, and the new one leaves it out.",
                replaced(lambda _: PLACES.plan("spring"), event=SUMMARISE),
            ),
            (
                "the list of the shards of a run",
                "The summary needs it; what this run has scored stays, and the new one leaves it out.",
                replaced(lambda _: PLACES.shards("spring", AT["attempt"]), event=SUMMARISE),
            ),
            (
                "a part of an unfinished plan",
                "Step Functions does so in a new execution; leave what lies under `_coatcheck/` alone.",
                broken_part,
            ),
            (
                "the list of the keys of a shard",
                "A new run makes its own, and leaves out what this one has scored.",
                replaced(PLACES.keys),
            ),
            (
                "the index of a shard",
                "Delete the index, and nothing else: the rows stay.",
                replaced(lambda shard: PLACES.index(results(), shard.run, shard.number)),
            ),
            (
                "a list of objects that a run was asked for",
                "Start a run of another name by `coatcheck backlog start --list`.",
                listed(gzip.compress(b'["photos","uploads/coat.png"]')[:-8]),
            ),
            (
                "a line of a list of objects that a run was asked for",
                "Look at how the list was made; `coatcheck backlog start --list` makes such files itself.",
                listed(gzip.compress(b'["photos"]\n')),
            ),
            (
                "the note of the attempts at a shard",
                "Without it, the next attempt takes itself for the first.",
                replaced(PLACES.note),
            ),
            ("a file of rows", "Then the shard is scored anew.", with_rows(b"?", ["uploads/coat.png"])),
            (
                "the place of a shard's rows, by rows of other objects,",
                "Then the shard is scored anew, as a task of Step Functions or by hand.",
                with_rows(b"", ["uploads/bag.png"]),
            ),
        )
    ),
    Provocation(
        "StorageUnavailable",
        "the plan of a run was deleted as soon as it was written, by hand or by a rule",
        "Look for what deletes under `_coatcheck/`.",
        answering_writes("plan.json", 412, "PreconditionFailed"),
    ),
    Provocation(
        "StorageUnavailable",
        "a part of a plan was deleted as soon as it was written, by hand or by a rule",
        "Look for what deletes under `_coatcheck/`.",
        answering_writes("parts/", 412, "PreconditionFailed"),
    ),
    Provocation(
        "ConcurrentWrites",
        "the index of a shard was deleted as soon as it was written, by hand or by a rule",
        "Look for what deletes under `_coatcheck/`.",
        answering_writes("covered/", 412, "PreconditionFailed"),
    ),
    Provocation(
        "ConcurrentWrites",
        "several workers wrote the same file of a run at each of several attempts",
        "Nothing: Step Functions repeats the task.",
        lambda scene: one_error(
            *(partial(overtaken(what), scene) for what in ("sampling", "shards/", "attempts/")), until=" s3:"
        ),
    ),
)

ROWS = ABOUT_OBJECTS + SETTINGS + MODEL + STORES + TIME + BACKLOG
