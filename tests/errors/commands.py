"""The errors of the command `coatcheck`: of what was named, of AWS, and of this machine."""

import gzip
import io
import json
import os
import shutil
import socket
import sys
from collections.abc import Callable
from contextlib import redirect_stderr
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import boto3
import msgspec
import numpy as np
import PIL.Image
import pyarrow as pa
import pyarrow.parquet as pq
import typer.main
from botocore.response import StreamingBody
from botocore.stub import Stubber
from moto import mock_aws

from handler.backlog.runs import Order, Places, Plan, Sampled, Totals
from handler.objects import ObjectRef, Prefix
from handler.predictions import Input
from infra import locations, native, package, paths, release
from infra.__main__ import app, main
from infra.backlog.deployed import Deployed
from infra.backlog.executions import Executions
from infra.backlog.planning import plan
from infra.backlog.sources import parse_sources
from infra.cloud import runtime, sam_local
from infra.dashboard.metric_math import evaluate
from infra.dashboard.rendering import rewrite
from infra.doctor.asking import Cloud
from infra.score.sources import parse_line
from infra.show.sheet.command import find_thumbnails
from tests.errors.provoking import Provocation, Scene, one_error

Prepare = Callable[[], object]
Provoke = Callable[[Scene], Exception]

FUNCTION = "arn:aws:lambda:us-east-1:123456789012:function:coatcheck"
MACHINE = "arn:aws:states:us-east-1:123456789012:stateMachine:coatcheck-backlog"
QUEUE = "https://sqs.us-east-1.amazonaws.com/123456789012/"
TEMPLATE = {
    "FunctionArn": FUNCTION,
    "BacklogArn": MACHINE,
    "OutputUri": "s3://results/predictions/",
    "QueueUrl": f"{QUEUE}uploads",
    "DeadLetterQueueUrl": f"{QUEUE}dead-letters",
}


COMMAND = typer.main.get_command(app)


def own_aws() -> Any:
    """Returns the context of an AWS of its own; the session stays, since it takes a quarter of a second to make."""
    return mock_aws(config={"core": {"reset_boto3_session": False}})


def coatcheck(*arguments: str, prepare: Prepare = lambda: None, **environment: str) -> Provoke:
    """Runs `coatcheck` after the files that it reads were made."""

    def provoke(scene: Scene) -> Exception:
        for name, value in environment.items():
            scene.patch.setenv(name, value)
        locations.s3.cache_clear()
        prepare()
        COMMAND.main([*arguments], standalone_mode=False)
        raise AssertionError("no error came")

    return provoke


def told(*arguments: str, prepare: Prepare = lambda: None) -> Provoke:
    """Runs `coatcheck` as its process does, and returns its last line as an error of the class that ended it."""

    def provoke(scene: Scene) -> Exception:
        prepare()
        scene.patch.setattr(sys, "argv", ["coatcheck", *arguments])
        with redirect_stderr(io.StringIO()) as errors:
            try:
                main()
            except SystemExit as end:
                kind = type(end.__context__).__name__
        ended: Exception = type(kind, (Exception,), {})(errors.getvalue().strip().removeprefix("error: "))
        return ended

    return provoke


def in_aws(*arguments: str, prepare: Prepare = lambda: None) -> Provoke:
    """Runs `coatcheck` in an AWS of its own, in which `prepare` has made what is there."""

    def provoke(scene: Scene) -> Exception:
        with own_aws():
            coatcheck(*arguments, prepare=prepare)(scene)
        raise AssertionError("no error came")

    return provoke


def without_credentials(*arguments: str) -> Provoke:
    """Runs `coatcheck` on a machine that knows no credentials of AWS."""

    def provoke(scene: Scene) -> Exception:
        for name in ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY"):
            scene.patch.delenv(name)
        scene.patch.setattr(boto3, "DEFAULT_SESSION", None)  # which remembers credentials
        nowhere = {"AWS_EC2_METADATA_DISABLED": "true", "AWS_CONFIG_FILE": "none", "AWS_SHARED_CREDENTIALS_FILE": "none"}
        return coatcheck(*arguments, **nowhere)(scene)

    return provoke


def calling(work: Callable[[Scene], object]) -> Provoke:
    """Calls a function of a command, for what the command itself reaches only after minutes or on another machine."""

    def provoke(scene: Scene) -> Exception:
        work(scene)
        raise AssertionError("no error came")

    return provoke


def stack(name: str = "coatcheck", **outputs: str) -> Prepare:
    """Returns what makes a stack with some outputs."""

    def prepare() -> None:
        content = {
            "Resources": {"Letters": {"Type": "AWS::SQS::Queue"}},
            "Outputs": {key: {"Value": value} for key, value in outputs.items()},
        }
        boto3.client("cloudformation").create_stack(StackName=name, TemplateBody=json.dumps(content))

    return prepare


def deployed() -> None:
    """Makes a stack that runs backlogs, with its state machine and the bucket of its results."""
    stack(**TEMPLATE)()
    role = "arn:aws:iam::123456789012:role/backlog"
    boto3.client("stepfunctions").create_state_machine(name="coatcheck-backlog", definition="{}", roleArn=role)
    boto3.client("s3").create_bucket(Bucket="results")


def planned(content: bytes | None = None, **order: Any) -> None:
    """Makes a stack in which the run `photos` is planned and was never started."""
    deployed()
    made = Plan(
        run="photos",
        order=Order(**order),
        planned_at="2026-11-30T00:00:00+00:00",
        attempt="a",
        results="0" * 64,
        totals=Totals(),
        shards=0,
        sampled=Sampled(),
    )
    place = Places(Prefix("results", "predictions/")).plan("photos")
    boto3.client("s3").put_object(Bucket=place.bucket, Key=place.key, Body=content or msgspec.json.encode(made))


def asking(service: str, operation: str, ask: Callable[[Deployed], object], **answer: Any) -> Provoke:
    """Asks a deployed stack, one of whose services answers what AWS would, an error or a value."""

    def provoke(scene: Scene) -> Exception:
        client = boto3.client(service)  # type: ignore[call-overload]
        with Stubber(client) as stub:
            if "code" in answer:
                stub.add_client_error(operation, answer["code"], answer["text"])
            else:
                stub.add_response(operation, answer)
            places = Places(Prefix("results", "predictions/"))
            ask(Deployed(Cloud("us-east-1", clients={service: client}), "coatcheck", FUNCTION, MACHINE, places, {}))
        raise AssertionError("no error came")

    return provoke


def planning(**answer: Any) -> Provoke:
    """Has a run planned by a function that answers so."""
    return asking("lambda", "invoke", lambda stack: plan(stack, "photos", Order(), lambda _: None), **answer)


def answered(content: bytes, length: int | None = None, **fields: Any) -> dict[str, Any]:
    """Returns the answer of a function; `length` is what it says that its length is."""
    return {"StatusCode": 200, "Payload": StreamingBody(io.BytesIO(content), length or len(content)), **fields}


def queues() -> None:
    """Makes a queue of uploads and that of its dead letters."""
    sqs = boto3.client("sqs")
    url = sqs.create_queue(QueueName="dead-letters")["QueueUrl"]
    arn = sqs.get_queue_attributes(QueueUrl=url, AttributeNames=["QueueArn"])["Attributes"]["QueueArn"]
    policy = json.dumps({"deadLetterTargetArn": arn, "maxReceiveCount": 3})
    sqs.create_queue(QueueName="uploads", Attributes={"RedrivePolicy": policy})


def write(path: str, content: bytes | str = b"") -> Prepare:
    """Returns what writes a file, with its folder."""

    def prepare() -> None:
        Path(path).parent.mkdir(parents=True, exist_ok=True)
        Path(path).write_bytes(content.encode() if isinstance(content, str) else content)

    return prepare


def folder(path: str) -> Prepare:
    """Returns what makes a folder."""
    return lambda: Path(path).mkdir(parents=True)


def both(*steps: Prepare) -> Prepare:
    """Returns what does several things."""
    return lambda: [step() for step in steps]


def photos(path: str = "photos/coat.png") -> None:
    """Makes a folder with one picture in it."""
    Path(path).parent.mkdir(parents=True, exist_ok=True)
    PIL.Image.new("L", (28, 28)).save(path)


def documents(path: str = "predictions/coat.png.json", key: str = "coat.png", sha256: str = "ab" * 32) -> Prepare:
    """Returns what makes a document of one image."""
    prediction = {
        "image": key.rpartition("/")[2],
        "class_index": 4,
        "class_name": "Coat",
        "confidence": 0.75,
        "probabilities": [0.75, 0.25],
    }
    document = {
        "schema": "coatcheck.predictions/2",
        "input": {"bucket": "photos", "key": key, "etag": "e0", "version_id": None, "size_bytes": 544, "format": "png"},
        "model": {"name": "my-model", "version": "1.0.0", "sha256": sha256},
        "summary": {"images": 1, "rejected": 0, "mean_confidence": 0.75, "by_class": {"Coat": 1}},
        "predictions": [prediction],
        "rejected": [],
    }
    return write(path, json.dumps(document))


def listed(name: str, content: bytes | str, *others: Prepare) -> Provoke:
    """Reads a list as `coatcheck backlog` does once it has found the stack."""

    def provoke(scene: Scene) -> Exception:
        both(write(name, content), *others)()
        list(parse_sources([name], is_all=False).entries())
        raise AssertionError("no error came")

    return provoke


def parquet(**columns: list[Any]) -> bytes:
    """Returns a table as Parquet."""
    content = io.BytesIO()
    pq.write_table(pa.table(columns), content)
    return content.getvalue()


def inventory(*, names: str = "Bucket, Key", kind: str = "CSV", key: str = "data/1.csv.gz") -> str:
    """Returns the manifest of an S3 Inventory."""
    return json.dumps({"fileFormat": kind, "fileSchema": names, "files": [{"key": key}]})


def closed_input(*arguments: str, prepare: Prepare = lambda: None) -> Provoke:
    """Runs `coatcheck` with a standard input that is closed."""

    def provoke(scene: Scene) -> Exception:
        scene.patch.setattr(sys, "stdin", None)
        return in_aws(*arguments, prepare=prepare)(scene)

    return provoke


def taken_port(scene: Scene) -> Exception:
    from infra.cloud.embedded import start_cloud

    with socket.socket() as other:
        other.bind(("127.0.0.1", 0))
        other.listen()
        port = other.getsockname()[1]
        try:
            with start_cloud(port=port):
                raise AssertionError("no error came")
        except Exception as error:  # noqa: BLE001  # it is judged by who asked for it
            return type(error)(str(error).replace(str(port), "4566"))


def as_wheel(scene: Scene) -> Exception:
    scene.patch.setattr(paths, "IS_CHECKOUT", False)
    return coatcheck("bench")(scene)


def on_path(scene: Scene, **programs: str) -> None:
    """Makes a PATH of programs of the shell alone."""
    for name, program in programs.items():
        write(f"bin/{name}", f"#!/bin/sh\n{program}\n")()
        Path("bin", name).chmod(0o755)
    scene.patch.setenv("PATH", str(scene.folder / "bin"))


def without_docker(scene: Scene) -> Exception:
    on_path(scene)
    return coatcheck("sam-local")(scene)


def with_docker_that_fails(scene: Scene) -> Exception:
    on_path(scene, docker='echo "permission denied while trying to connect to the Docker daemon" >&2; exit 1')
    return coatcheck("sam-local")(scene)


def without_build(scene: Scene) -> None:
    scene.patch.setattr(sam_local, "BUILD", Path(".aws-sam/build"))
    sam_local.write_template({})


def without_sam(scene: Scene) -> None:
    sam_local.Sam(Path("nowhere/sam"), Path("t"), package.Architecture.arm64, {}).invoke(Path("event.json"))


def on_windows(scene: Scene) -> None:
    scene.patch.setattr(runtime.platform, "system", lambda: "Windows")
    scene.patch.setattr(runtime.platform, "machine", lambda: "AMD64")
    runtime.architecture()


def without_emulator(scene: Scene) -> None:
    on_path(scene)
    scene.patch.setattr(runtime, "ROOT", scene.folder)
    scene.patch.setattr(runtime.platform, "machine", lambda: "x86_64")
    runtime.find_binary()


def refused_letters(scene: Scene) -> Exception:
    client = boto3.client("sqs")
    with Stubber(client) as stub:
        stub.add_client_error("get_queue_attributes", "AccessDenied", "no identity-based policy allows the action")
        from infra.redrive.places import Places as Queues

        Queues(Cloud("us-east-1", clients={"sqs": client}), f"{QUEUE}dead-letters", f"{QUEUE}uploads").begin()
    raise AssertionError("no error came")


def refused_stack(scene: Scene) -> Exception:
    from infra.doctor.deployment import find_stack

    client = boto3.client("cloudformation")
    with Stubber(client) as stub:
        stub.add_client_error("describe_stacks", "AccessDenied", "no identity-based policy allows the action")
        find_stack(Cloud("us-east-1", clients={"cloudformation": client}), "coatcheck")
    raise AssertionError("no error came")


def unshowable(**changes: Any) -> Provoke:
    """Finds the thumbnail of an image whose object is not what was scored any more."""

    def provoke(scene: Scene) -> Exception:
        photos()
        source = Input("photos", "coat.png", "e0", None, 1, "png")
        thumbnails = find_thumbnails(Path("predictions"), "photos", locations.read_manifest(None))
        assert thumbnails
        list(thumbnails(msgspec.structs.replace(source, **changes), frozenset({"coat.png"})))
        raise AssertionError("no error came")

    return provoke


def stored(**put: Any) -> Provoke:
    """Finds the thumbnail of an object in S3 that was put in there by `put`, and scored as another one or before."""

    def provoke(_scene: Scene) -> Exception:
        with own_aws():
            locations.s3.cache_clear()
            s3 = boto3.client("s3")
            s3.create_bucket(Bucket="shop")
            etag = s3.put_object(Bucket="shop", Key="coat.png", Body=b"1", **put)["ETag"].strip('"')
            thumbnails = find_thumbnails(Prefix("results", ""), None, locations.read_manifest(None))
            assert thumbnails
            list(thumbnails(Input("shop", "coat.png", etag if put else "e0", None, 1, "png"), frozenset({"coat.png"})))
        raise AssertionError("no error came")

    return provoke


def licence(**fields: Any) -> Provoke:
    from infra.supply.licences import licence_of

    class Metadata(dict[str, Any]):
        json = fields

    return calling(lambda _: licence_of(Metadata(Name="some-library")))  # type: ignore[arg-type]


DIGEST = json.loads((locations.BUNDLED_ARTIFACT / "manifest.json").read_bytes())["model"]["sha256"]


def failed(name: str, text: str) -> dict[str, Any]:
    """Returns the answer of a function that has failed."""
    return answered(json.dumps({"errorType": name, "errorMessage": text}).encode(), FunctionError="Unhandled")


def unwritable(scene: Scene) -> None:
    from infra.show import whole

    scene.patch.setattr(whole.os, "access", lambda *_: False)  # of whoever is no administrator
    whole.require_writable(Path("page.html"))


def broken_document(_scene: Scene) -> None:
    from infra.show.documents import Document

    list(Document("predictions/coat.png.json", b'{"schema": "coatcheck.predictions/2"}').rows())


def inner_output(_scene: Scene) -> None:
    from infra.show.documents import read_documents

    write("predictions/old/_coatcheck/shards/0/x.jsonl")()
    for document in read_documents(Path("predictions"), locations.s3):
        list(document.rows())


def many_folders(scene: Scene) -> None:
    from infra.show import parquet
    from infra.show.formats import Partition
    from infra.show.tables import parse_shape, write_table
    from tests.infra.show.rows import predicted

    scene.patch.setattr(parquet, "MAX_PARTITIONS", 1)
    rows = (predicted(class_name=name) for name in ("Coat", "Dress"))
    write_table(rows, Path("table"), parse_shape(Path("table"), None, Partition.CLASS))


def unreadable(scene: Scene) -> None:
    write("photos/notes.txt", "to do")()
    unshowable(key="notes.txt", size_bytes=5)(scene)


def empty_drawing(_scene: Scene) -> None:
    from infra.explain.drawing import Sheet

    Sheet(()).save(Path("sheet.png"))


def own_prices(_scene: Scene) -> None:
    from infra.cost.prices import load_prices

    load_prices(Path("prices.toml"))


def broken_prices(_scene: Scene) -> None:
    from infra.cost.prices import load_prices

    write("prices.toml", "s3_put: 5.4")()
    load_prices(Path("prices.toml"))


def odd_prices(_scene: Scene) -> None:
    from infra.cost.prices import load_prices

    write("prices.toml", 's3_put_dollars_per_million = "5.4"\ns4_put_dollars_per_million = 1')()
    load_prices(Path("prices.toml"))


def vanished_list(_scene: Scene) -> None:
    from infra.backlog.lists import read_list

    list(read_list(Path("list.txt")))


def other_list(_scene: Scene) -> None:
    from infra.backlog.asked import examine, write_asked
    from infra.backlog.entries import Entry
    from infra.stores.memory import MemoryStore

    store, places = MemoryStore(), Places(Prefix("results", "predictions/"))
    for entries in ([Entry("shop", "1.png")], [Entry("shop", "2.png")]):
        write_asked(store, places, "photos", entries, examine(entries, lambda _: None))


def no_mix(_scene: Scene) -> None:
    from infra.dashboard.drift import training_mix

    training_mix(msgspec.structs.replace(locations.read_manifest(None), metrics_by_class=()))


def no_wheel(_scene: Scene) -> None:
    package.install_wheels(Path("out"), Path("requirements.txt"), package.Architecture.arm64, "3.13")


def old_image(_scene: Scene) -> None:
    write("package/pillow/_imaging.so", b"\x7fELF\x02\x01\x01" + bytes(11) + b"\xb7\0" + bytes(64))()
    native.require_loadable(Path("package"), "x86_64")


def without_ministack(_scene: Scene) -> None:
    from infra.cloud.ministack import serve

    with serve(Path(".venv-ministack/bin/python")):
        pass


def results(_scene: Scene) -> None:
    from infra.bench.results import load_results

    write("results.json", "{}")()
    load_results(Path("results.json"))


def times(_scene: Scene) -> None:
    from infra.cost.times import load_times

    write("times.json", "{}")()
    load_times(Path("times.json"))


def measured(_scene: Scene) -> None:
    from infra.scale.measured import load_measured

    write("measured.json", "{}")()
    load_measured(Path("measured.json"))


def no_series(_scene: Scene) -> None:
    from infra.bench.results import load_results
    from infra.cost.times import Client, load_times
    from infra.scale.instance import read_costs

    read_costs(msgspec.structs.replace(load_results(), series=()), load_times(), Client.boto3)


def no_parameter(_scene: Scene) -> None:
    from infra.scale.deployment import read_deployment

    write("template.yaml", paths.TEMPLATE.read_text().replace("BatchSize: 100", ""))()
    write("machine.json", (paths.ROOT / "infra/backlog/machine.asl.json").read_bytes())()
    read_deployment(Path("template.yaml"), Path("machine.json"))


def predicted(name: str, probability: float = 0.75) -> Any:
    """Returns the document of one image."""
    from handler.predictions import ModelName, Prediction, PredictionDocument, Summary

    row = Prediction(image=name, class_index=0, class_name="Coat", confidence=probability, probabilities=[probability])
    source = Input("photos", name, "e0", None, 1, "png")
    return PredictionDocument(source, ModelName("m", "1", "0" * 64), Summary(1, 0, probability, {"Coat": 1}), [row], [])


def rejected_sample(_scene: Scene) -> None:
    from handler.predictions import ModelName, Problem, RejectionDocument
    from infra.demo import require_scored

    problem = Problem("UnreadableImage", "Expected a whole PNG. Received: a truncated one.")
    rejection = RejectionDocument(Input("photos", "a.png", "e0", None, 1, "png"), ModelName("m", "1", "0" * 64), problem)
    require_scored({"a.png": rejection}, locations.read_manifest(None))


def wrong_samples(_scene: Scene) -> None:
    from infra.demo import PACKED, require_right

    require_right({PACKED: predicted(PACKED), "a.png": predicted("a.png")}, {"a.png": "Dress"})


def other_packed(_scene: Scene) -> None:
    from infra.demo import PACKED, require_right

    require_right({PACKED: predicted(PACKED, 0.5), "a.png": predicted("a.png")}, {"a.png": "Coat"})


def no_libraries(_scene: Scene) -> None:
    from infra.bench.contenders import site_packages

    site_packages(Path(".venv-peers/bin/python"))


def broken_cloud(scene: Scene) -> None:
    from infra.cloud import living

    for name, value in {"INPUT_URIS": "s3://shop/", "OUTPUT_URI": "s3://results/", "MODEL_URI": "my-model"}.items():
        scene.patch.setenv(name, value)
    shutil.copytree(locations.BUNDLED_ARTIFACT, "my-model")
    write("my-model/manifest.json", "{}")()
    living._arrivals(SimpleNamespace())  # type: ignore[arg-type]  # which is looked at after the model


def missing_document(_scene: Scene) -> None:
    from infra import demo

    with own_aws():
        s3 = boto3.client("s3")
        s3.create_bucket(Bucket="results")
        demo._collect(SimpleNamespace(s3=s3, output_bucket="results"), "predictions/a.png.json")  # type: ignore[arg-type]


def left_out(_scene: Scene) -> None:
    from infra.scale import measure

    measure._require(99, 100)


def unbuilt(scene: Scene) -> None:
    from infra.cloud import rehearsal

    scene.patch.setattr(rehearsal, "BUILD", Path(".aws-sam/build"))
    rehearsal._package(scene.folder, is_built=True)


def without_zensical(scene: Scene) -> None:
    from infra.site import building

    scene.patch.setattr(building, "ZENSICAL", Path(".venv-docs/bin/zensical"))
    building.check(scene.folder)


def silent_peer(_scene: Scene) -> None:
    from infra.bench.contenders import Contender, Running

    running = Running(Contender("a peer", "boto3", "peer", Path("false"), libraries=Path("libraries")), "http://127.0.0.1:9")
    try:
        running.take_turn([])
    finally:
        running.end()


def contested_note(scene: Scene) -> None:
    """Has other writers win every attempt to note where a folder lies."""
    from handler.store import WriteResult
    from infra.score import worker
    from infra.score.folders import Folders
    from infra.stores.memory import MemoryStore

    class Contested(MemoryStore):
        def put(self, *_: object, **__: object) -> WriteResult:
            return WriteResult.CONFLICT

    scene.patch.setattr(worker, "s3", Contested)
    job = worker.Job(Prefix("results", "predictions/"), Path("artifact"), locations.read_limits())
    with locations.own_errors():
        Folders(job, sleep=lambda _: None).require_alone(Path("/home/you/photos"))


def unscored(_scene: Scene) -> None:
    from infra.bench.function import make_scorer, score
    from infra.stores.files import FileStore

    score(make_scorer(FileStore({})), [ObjectRef("in-bucket", "packed")])


def without_library(scene: Scene) -> Exception:
    scene.patch.setitem(sys.modules, "pyarrow", None)
    scene.patch.delitem(sys.modules, "infra.show.parquet", raising=False)
    return told("table", "predictions", prepare=documents())(scene)


ROWS: tuple[Provocation, ...] = (
    Provocation(
        "UsageError",
        "the name of a command is misspelt",
        "List the commands, by `coatcheck --help`.",
        told("scor", "photos"),
    ),
    Provocation(
        "NoSuchOption",
        "the name of an option is misspelt",
        "List the options, by --help after the command.",
        told("score", "photos", "--output", "here"),
    ),
    Provocation(
        "MissingParameter",
        "nothing was named that the command could work on",
        "Name it, as the example in the command's help does.",
        told("score"),
    ),
    Provocation(
        "BadParameter",
        "the value of an option is of another kind, or outside of its range",
        "Give a value as the help of the option says.",
        told("score", "photos", "--processes", "0"),
    ),
    Provocation(
        "FileExistsError",
        "a file or folder cannot be read or written: it lies below a file, may not be touched, or the disk is full",
        "Change that on your machine, or take another place.",
        told("table", "predictions", "--out", "file/t.csv", prepare=both(documents(), write("file"))),
    ),
    Provocation(
        "ModuleNotFoundError",
        "the package was installed without the extra that the command needs",
        "Install that extra too.",
        without_library,
    ),
    Provocation(
        "WrongSource",
        "the folder or file to score is not there, or its name is misspelt",
        "Check the path; it is seen from the folder that the command runs in.",
        coatcheck("score", "phtos"),
    ),
    Provocation(
        "WrongSource",
        "an address in S3 has a wrong form",
        "Write `s3://`, the name of the bucket, a slash, and the key; a prefix ends in a slash.",
        coatcheck("score", "s3:///coat.png"),
    ),
    Provocation(
        "WrongSource",
        "the object is not in the bucket, or a prefix was given without its slash",
        "Look into the bucket, by `aws s3 ls`; of a prefix, give the slash too.",
        in_aws("score", "s3://shop/photos", prepare=lambda: boto3.client("s3").create_bucket(Bucket="shop")),
    ),
    Provocation(
        "InfraError", "the bucket does not exist", "Check the name of the bucket.", in_aws("score", "s3://shop/photos/")
    ),
    Provocation(
        "InfraError",
        "this machine has no credentials of AWS",
        "Run `aws configure`, or `aws sso login`, and name the profile in AWS_PROFILE.",
        without_credentials("score", "s3://shop/coat.png"),
    ),
    Provocation("WrongSource", "the root of the file system was named", "Name a folder in it.", coatcheck("score", "/")),
    Provocation(
        "WrongSource",
        "a file was said to be in a folder that it only is linked into",
        "Its path leaves the folder by `..` or a link: name it by the path that it really has.",
        coatcheck("score", "photos/./../other.png", prepare=both(photos, lambda: photos("other.png"))),
    ),
    Provocation(
        "WrongSource",
        "the name of a file is not UTF-8, as of an old archive",
        "Give it another name.",
        coatcheck("score", "f\udcfcnf.png", prepare=lambda: photos("f\udcfcnf.png")),
    ),
    Provocation(
        "WrongSource",
        "the documents belong into the folder that is to be scored",
        "Name an --out beside the folder.",
        coatcheck("score", "predictions/raw", prepare=lambda: photos("predictions/raw/coat.png")),
    ),
    Provocation(
        "WrongSource",
        "two folders of the same name were given",
        "Score the folder above both.",
        coatcheck(
            "score", "a/photos", "b/photos", prepare=both(lambda: photos("a/photos/1.png"), lambda: photos("b/photos/2.png"))
        ),
    ),
    Provocation(
        "WrongSource",
        "a folder has the name of the bucket in which its documents belong, or of one that is scored in the same run",
        "Name an --out elsewhere, or score each by itself.",
        coatcheck("score", "photos", "--out", "s3://photos/predictions/", prepare=photos),
    ),
    Provocation(
        "WrongSource",
        "two folders hold a file of the same path, whose documents would be one",
        "Score the folder above both.",
        coatcheck("score", "a", "b", prepare=both(lambda: photos("a/1.png"), lambda: photos("b/1.png"))),
    ),
    Provocation(
        "WrongUse",
        "--out is a prefix of S3 without its slash",
        "Write the slash.",
        coatcheck("score", "photos", "--out", "s3://results/predictions", prepare=photos),
    ),
    Provocation(
        "WrongUse",
        "--out names a file",
        "Name a folder.",
        coatcheck("score", "photos", "--out", "predictions", prepare=both(photos, write("predictions"))),
    ),
    Provocation(
        "WrongUse",
        "the same file was given for two results",
        "Give each another name.",
        coatcheck("score", "photos", "--page", "out", "--failed", "out", prepare=photos),
    ),
    Provocation(
        "WrongUse",
        "a result belongs below something that is a file",
        "Name another place.",
        coatcheck("score", "photos", "--page", "file/out.html", prepare=both(photos, write("file"))),
    ),
    Provocation(
        "WrongUse",
        "a result has the name of a folder",
        "Give it another name.",
        coatcheck("score", "photos", "--page", "~/pages", prepare=both(photos, folder("pages")), HOME="."),
    ),
    Provocation(
        "WrongUse",
        "the folder of a result may not be written to",
        "Name a place of your own, or change who may write there.",
        calling(unwritable),
    ),
    Provocation(
        "WrongUse",
        "--shard is no part of a whole",
        "Write the number of the part, a slash, and the number of parts.",
        coatcheck("score", "photos", "--shard", "5/4", prepare=photos),
    ),
    Provocation(
        "WrongUse",
        "a list was asked for with -, and the standard input is closed",
        "Pipe a list into the command, or name a file of one.",
        closed_input("score", "-"),
    ),
    Provocation(
        "WrongSource",
        "`backlog` was asked for a list with -, and the standard input is closed",
        "Pipe a list into the command, or name a file of one.",
        closed_input("backlog", "-", prepare=deployed),
    ),
    Provocation(
        "WrongUse",
        "a limit in the environment is no number",
        "Correct the variable, or unset it.",
        coatcheck("score", "photos", prepare=photos, MAX_OBJECT_BYTES="many"),
    ),
    Provocation(
        "InfraError",
        "--artifact names a folder without a model",
        "Name the folder that `python -m training` wrote, or leave it out.",
        coatcheck("score", "photos", "--artifact", "my-model", prepare=photos),
    ),
    Provocation(
        "WrongUse",
        "the suffix of --out is that of no table",
        "Choose a suffix, or a format by --format.",
        coatcheck("table", "predictions", "--out", "table.xlsx", prepare=documents()),
    ),
    Provocation(
        "WrongUse",
        "a table was asked for on the standard output without its format",
        "Add --format csv.",
        coatcheck("table", "predictions", "--out", "-", prepare=documents()),
    ),
    Provocation(
        "WrongUse",
        "--partition-by was given for a single file",
        "Name a folder with --out, or leave --partition-by out.",
        coatcheck("table", "predictions", "--out", "t.csv", "--partition-by", "class", prepare=documents()),
    ),
    Provocation(
        "WrongUse",
        "Parquet was asked for on the standard output",
        "Give the table a place, such as t.parquet.",
        coatcheck("table", "predictions", "--out", "-", "--format", "parquet", prepare=documents()),
    ),
    Provocation(
        "WrongUse",
        "the folder of the documents is not there",
        "Name the folder that `coatcheck score` wrote to, `predictions` by default.",
        coatcheck("table", "predictons"),
    ),
    Provocation(
        "InfraError",
        "the folder of the documents holds none",
        "Score something first, or name another folder.",
        coatcheck("table", "predictions", prepare=folder("predictions")),
    ),
    Provocation(
        "WrongUse",
        "the table belongs among the documents, by a name like theirs",
        "Write it beside the folder: there, a later command would take it for a document.",
        coatcheck("table", "predictions", "--out", "predictions/table.jsonl", prepare=documents()),
    ),
    Provocation(
        "WrongUse",
        "--out is a folder, and a file belongs there",
        "Give a file name.",
        coatcheck("table", "predictions", "--out", "t.csv", prepare=both(documents(), folder("t.csv"))),
    ),
    Provocation(
        "WrongUse",
        "--out of a divided table is there already",
        "Delete it, or choose another name.",
        coatcheck("table", "predictions", "--out", "t", "--partition-by", "date", prepare=both(documents(), write("t/x"))),
    ),
    Provocation(
        "WrongUse",
        "the rows of all models were named",
        "Name the folder of one model in it.",
        coatcheck("table", "out/_coatcheck/shards", prepare=folder("out/_coatcheck/shards")),
    ),
    Provocation(
        "BrokenDocument", "a document was cut off, or edited", "Delete it and score its object again.", calling(broken_document)
    ),
    Provocation(
        "BrokenDocument", "a place holds an output within an output", "Name the inner one apart.", calling(inner_output)
    ),
    Provocation(
        "InfraError",
        "a table of classes was divided into too many folders",
        "Divide it by the date, or not at all.",
        calling(many_folders),
    ),
    Provocation("Unshowable", "an image of a sheet was deleted", "Nothing; its frame stays empty.", unshowable(key="gone.png")),
    Provocation(
        "Unshowable",
        "an image of a sheet was replaced since it was scored",
        "Score it again, and make the sheet anew.",
        lambda scene: one_error(lambda: unshowable(size_bytes=2)(scene), lambda: stored()(scene)),
    ),
    Provocation(
        "Unshowable",
        "an image of a sheet was moved to an archive of S3",
        "Restore it, and make the sheet anew.",
        stored(StorageClass="GLACIER"),
    ),
    Provocation("Unshowable", "an image of a sheet is no image", "Nothing; its frame stays empty.", calling(unreadable)),
    Provocation(
        "WrongUse",
        "a page was asked for of a table",
        "Give the folder of documents as B.",
        coatcheck("compare", "predictions", "b.csv", "--page", "p.html", prepare=both(documents(), write("b.csv"))),
    ),
    Provocation(
        "WrongUse",
        "--map was given without --labels",
        "Add --labels, or leave --map out.",
        coatcheck("compare", "predictions", "predictions", "--map", "pants=Trouser", prepare=documents()),
    ),
    Provocation(
        "InfraError",
        "the two sets have no image in common",
        "Compare sets of the same images.",
        coatcheck("compare", "a", "b", prepare=both(documents("a/1.json", "1.png"), documents("b/2.json", "2.png"))),
    ),
    Provocation(
        "InfraError",
        "a file named like a table is none",
        "Give a table of `coatcheck table`, or the documents.",
        coatcheck("compare", "a.csv", "b", prepare=both(write("a.csv", "x,y\n1,2\n"), documents("b/2.json"))),
    ),
    Provocation(
        "WrongUse", "the labels are not there", "Check the path of --labels.", coatcheck("evaluate", "--labels", "labels.csv")
    ),
    Provocation(
        "WrongUse",
        "a folder of --labels is named after no class of the model",
        "Rename the folder, or say what it means by --map.",
        coatcheck("evaluate", "--labels", "photos", prepare=lambda: photos("photos/hats/1.png")),
    ),
    Provocation(
        "WrongUse",
        "images lie beside the folders of --labels",
        "Move them into the folders of their classes.",
        coatcheck("evaluate", "--labels", "photos", prepare=photos),
    ),
    Provocation(
        "WrongUse",
        "the file of --labels has no column for the class",
        "Name the columns in the first line.",
        coatcheck("evaluate", "--labels", "l.csv", prepare=write("l.csv", "object,kind\n1.png,Coat\n")),
    ),
    Provocation(
        "WrongUse",
        "the file of --labels is in another encoding, as some spreadsheets write it",
        'Choose "CSV UTF-8" where you save it.',
        coatcheck("evaluate", "--labels", "l.csv", prepare=write("l.csv", b"\xff\xfe")),
    ),
    Provocation(
        "WrongUse",
        "the file of --labels is far too large to be one",
        "Name the CSV of labels.",
        coatcheck("evaluate", "--labels", "l.csv", prepare=both(write("l.csv"), lambda: os.truncate("l.csv", 2**31))),
    ),
    Provocation(
        "InfraError",
        "the labels name no image",
        "Label some images.",
        coatcheck("evaluate", "--labels", "l.csv", prepare=write("l.csv", "object,class_name\n")),
    ),
    Provocation(
        "WrongUse",
        "--map has no equals sign",
        "Write the word, an equals sign, and the class.",
        coatcheck("evaluate", "--labels", "l.csv", "--map", "pants"),
    ),
    Provocation(
        "WrongUse",
        "--map names no class of the model",
        "Write a class as the model names it.",
        coatcheck("evaluate", "--labels", "l.csv", "--map", "pants=Trousers!"),
    ),
    Provocation(
        "InfraError",
        "the documents are those of another model",
        "Name the artifact that made them.",
        coatcheck(
            "evaluate",
            "predictions",
            "--labels",
            "l.csv",
            prepare=both(documents(), write("l.csv", "object,class_name\ncoat.png,Coat\n")),
        ),
    ),
    Provocation(
        "InfraError",
        "no label is that of an image in the documents",
        "Name images by their paths in the folder that was scored.",
        coatcheck(
            "evaluate",
            "predictions",
            "--labels",
            "l.csv",
            prepare=both(documents(), write("l.csv", "object,class_name\nhat.png,Coat\n")),
        ),
    ),
    Provocation(
        "InfraError",
        "a label is that of two images, which have the same file name",
        "Write the path before the name.",
        coatcheck(
            "evaluate",
            "predictions",
            "--labels",
            "l.csv",
            prepare=both(
                documents("predictions/a.json", "a/1.png", DIGEST),
                documents("predictions/b.json", "b/1.png", DIGEST),
                write("l.csv", "object,class_name\n1.png,Coat\n"),
            ),
        ),
    ),
    Provocation(
        "WrongUse",
        "--artifact names a folder without a manifest",
        "Name the folder that `python -m training` wrote, or leave it out.",
        coatcheck("sheet", "predictions", "--artifact", "my-model", prepare=documents()),
    ),
    Provocation(
        "WrongUse",
        "--artifact names a folder whose manifest is broken",
        "Copy the artifact again, or leave --artifact out.",
        coatcheck(
            "sheet", "predictions", "--artifact", "my-model", prepare=both(documents(), write("my-model/manifest.json", "{"))
        ),
    ),
    Provocation(
        "InfraError",
        "nothing of what is to be explained can be opened",
        "Check what was named.",
        coatcheck("explain", "empty", prepare=folder("empty")),
    ),
    Provocation(
        "InfraError",
        "--artifact of `explain` holds a broken model",
        "Copy the artifact again, or leave it out.",
        coatcheck(
            "explain",
            "photos",
            "--artifact",
            "my-model",
            prepare=both(
                photos, lambda: shutil.copytree(locations.BUNDLED_ARTIFACT, "my-model"), write("my-model/model.tflite", "x")
            ),
        ),
    ),
    Provocation(
        "InfraError",
        "--out of `explain` was given for objects without an image",
        "Leave --out out, or name images.",
        calling(empty_drawing),
    ),
    Provocation("WrongUse", "--route names no route", "Choose one of those.", coatcheck("cost", "--route", "carrier-pigeon")),
    Provocation(
        "WrongUse",
        "--batch was given for a route without a queue",
        "Name the route `queue`, or no batch.",
        coatcheck("cost", "--route", "direct", "--batch", "10"),
    ),
    Provocation(
        "WrongUse",
        "the file of --prices is not there",
        "Name the file that holds your own prices.",
        calling(own_prices),
    ),
    Provocation(
        "WrongUse",
        "the file of --prices is no TOML",
        "Write lines such as `s3_put_dollars_per_million = 5.4`.",
        calling(broken_prices),
    ),
    Provocation(
        "WrongUse",
        "the file of --prices has a name or a value that is none",
        "Correct or remove the lines that the message quotes.",
        calling(odd_prices),
    ),
    Provocation(
        "WrongUse",
        "there is no stack of the name in this region",
        "Check --stack and --region, by `aws cloudformation describe-stacks`.",
        in_aws("doctor", "--stack", "coatchek"),
    ),
    Provocation(
        "WrongUse",
        "the stack was not made of template.yaml",
        "Name the stack of Coatcheck.",
        in_aws("doctor", "--stack", "shop", prepare=stack("shop", Bucket="shop")),
    ),
    Provocation(
        "InfraError",
        "the function of the stack was deleted",
        "Deploy the stack again.",
        in_aws("doctor", "--stack", "coatcheck", prepare=stack(**TEMPLATE)),
    ),
    Provocation(
        "InfraError", "you may not look at the stack", "Ask whoever manages the account for the permission.", refused_stack
    ),
    Provocation(
        "InfraError",
        "this machine has no credentials of AWS, as `doctor`, `redrive` and `backlog` say it",
        "Run `aws configure`, or `aws sso login`, and name the profile in AWS_PROFILE.",
        without_credentials("redrive"),
    ),
    Provocation(
        "InfraError",
        "no region is set",
        "Name it by --region, or in AWS_DEFAULT_REGION.",
        coatcheck("backlog", "--all", prepare=lambda: os.environ.pop("AWS_DEFAULT_REGION"), AWS_CONFIG_FILE="none"),
    ),
    Provocation(
        "InfraError",
        "nobody answers at the endpoint, as without a network or with a wrong AWS_ENDPOINT_URL",
        "Check the network, the proxy, and the variable.",
        coatcheck("redrive", AWS_ENDPOINT_URL="http://127.0.0.1:9"),
    ),
    Provocation(
        "WrongUse",
        "`redrive` was given one queue of the two, or a stack besides",
        "Give the stack alone, or both queues.",
        coatcheck("redrive", "--queue", QUEUE + "dead-letters"),
    ),
    Provocation(
        "WrongUse",
        "`redrive` was given the same queue twice",
        "Give the two queues of the stack, as its outputs name them.",
        coatcheck("redrive", "--queue", QUEUE + "uploads", "--to", QUEUE + "uploads"),
    ),
    Provocation(
        "WrongUse",
        "the stack has no queue, as one of an old version",
        "Deploy it again from this version.",
        in_aws("redrive", prepare=stack(FunctionArn=FUNCTION)),
    ),
    Provocation(
        "WrongUse",
        "the two queues were mistaken for each other",
        "Give them the other way round.",
        in_aws("redrive", "--queue", QUEUE + "uploads", "--to", QUEUE + "dead-letters", prepare=queues),
    ),
    Provocation(
        "InfraError",
        "the queue is not there",
        "Check its address, by `aws sqs list-queues`.",
        in_aws("redrive", "--queue", QUEUE + "dead-letters", "--to", QUEUE + "uploads"),
    ),
    Provocation(
        "InfraError", "you may not look at the queue", "Ask whoever manages the account for the permission.", refused_letters
    ),
    Provocation(
        "WrongUse",
        "--only is empty, as from a variable that is not set",
        "Give a word, or leave --only out.",
        coatcheck("redrive", "--only", ""),
    ),
    Provocation(
        "WrongUse",
        "--model was given together with --documents",
        "Leave one of the two out.",
        coatcheck("backlog", "--all", "--model", "my-model", "--documents"),
    ),
    Provocation(
        "WrongUse",
        "--run has characters that no name may have",
        "Use letters, digits, dots and dashes.",
        coatcheck("backlog", "--all", "--run", "my run"),
    ),
    Provocation(
        "WrongSource",
        "a source and --all were given",
        "Leave one of the two out.",
        coatcheck("backlog", "s3://shop/a/", "--all"),
    ),
    Provocation("WrongSource", "nothing to score was named", "Name a prefix, or a list.", coatcheck("backlog")),
    Provocation(
        "WrongSource",
        "two prefixes were named",
        "Give the command once for each.",
        coatcheck("backlog", "s3://shop/a/", "s3://shop/b/"),
    ),
    Provocation(
        "WrongSource",
        "a prefix and a list were named",
        "Start one run for the prefix, and another for the list.",
        coatcheck("backlog", "s3://shop/a/", "list.txt", prepare=write("list.txt")),
    ),
    Provocation(
        "WrongSource",
        "the address of a backlog has a wrong form",
        "Write `s3://`, the name of the bucket, and the prefix with a slash.",
        coatcheck("backlog", "s3://"),
    ),
    Provocation(
        "WrongSource",
        "a folder of this machine was named",
        "Upload it by `aws s3 sync`, or use `coatcheck score`.",
        coatcheck("backlog", "photos", prepare=photos),
    ),
    Provocation(
        "WrongSource",
        "the file of a list is not there",
        "Check the path, or write the address of a prefix.",
        coatcheck("backlog", "list.txt"),
    ),
    Provocation("WrongSource", "the list was deleted while the command began", "Write it again.", calling(vanished_list)),
    Provocation(
        "WrongSource",
        "a list in S3 is not there",
        "Look into the bucket; of a prefix, give the slash too.",
        in_aws("backlog", "s3://results/list.txt", prepare=deployed),
    ),
    Provocation(
        "WrongUse",
        "a list is empty",
        "Write an address on each line.",
        in_aws("backlog", "list.txt", prepare=both(deployed, write("list.txt"))),
    ),
    Provocation(
        "WrongSource",
        "a line of a list is no address",
        "Write s3://, the bucket, a slash, and the key on each line.",
        listed("list.txt", "s3://shop/1.png\nphotos/2.png\n"),
    ),
    Provocation(
        "WrongSource", "a line of a list names a bucket without a key", "Write the key too.", listed("list.txt", "s3://shop\n")
    ),
    Provocation(
        "WrongSource",
        "a line of a list has a key that no object can have",
        "Take the line out.",
        listed("list.csv", "bucket,key\nshop,\n"),
    ),
    Provocation(
        "WrongSource",
        "a key in a list is longer than S3 allows",
        "Take the line out.",
        listed("list.txt", f"s3://shop/{'k' * 1025}\n"),
    ),
    Provocation(
        "WrongSource",
        "a key in a list is not UTF-8",
        "Save the list as UTF-8.",
        listed("list.txt", b"s3://shop/\xfcber.png\n"),
    ),
    Provocation(
        "WrongSource",
        "a row of a table has fewer columns than its first line",
        "Complete the row.",
        listed("list.csv", "size,bucket,key\n1,shop\n"),
    ),
    Provocation(
        "WrongSource",
        "a column of a table holds numbers where keys belong",
        "Write keys as texts.",
        listed("list.parquet", parquet(bucket=["shop"], key=[1])),
    ),
    Provocation(
        "WrongSource",
        "a key of an S3 Inventory or of S3 Batch Operations is not form-encoded",
        "Take the file that S3 wrote, unchanged.",
        listed("list.csv", "shop,%FF.png\n"),
    ),
    Provocation(
        "WrongSource",
        "a table has other columns",
        "Name its columns bucket and key, or uri.",
        listed("list.csv", "name\na.png\n"),
    ),
    Provocation(
        "WrongSource",
        "a Parquet file has other columns",
        "Name its columns bucket and key, or uri.",
        listed("list.parquet", parquet(name=["a.png"], size=[1])),
    ),
    Provocation(
        "WrongSource", "a CSV has a quote that is never closed", "Close it.", listed("list.csv", 'bucket,key\nshop,"a.png\n')
    ),
    Provocation("WrongSource", "a Parquet file is not whole", "Copy it again.", listed("list.parquet", b"PAR1")),
    Provocation(
        "WrongSource",
        "a file named as CSV has a line without an end",
        "Name a list of another kind by another suffix.",
        listed("list.csv", "k" * 2**17),
    ),
    Provocation(
        "WrongSource",
        "a JSON file is no manifest of an S3 Inventory",
        "Name the file manifest.json of a report.",
        listed("list.json", "{}"),
    ),
    Provocation(
        "WrongSource",
        "an S3 Inventory is written as ORC",
        "Choose another format in the bucket's settings.",
        listed("manifest.json", inventory(kind="ORC")),
    ),
    Provocation(
        "WrongSource",
        "an S3 Inventory tells no keys",
        "Take an inventory as S3 writes it.",
        listed("manifest.json", inventory(names="Bucket, Size"), write("1.csv.gz", gzip.compress(b"", mtime=0))),
    ),
    Provocation(
        "WrongSource",
        "a file of an S3 Inventory is missing beside its manifest",
        "Copy the whole report.",
        listed("manifest.json", inventory()),
    ),
    Provocation(
        "WrongSource",
        "a JSON file is far larger than any manifest",
        "Name the file manifest.json of a report.",
        listed("manifest.json", b"", lambda: os.truncate("manifest.json", 2**26 + 1)),
    ),
    Provocation(
        "WrongSource",
        "a packed list is not whole",
        "Copy it again.",
        listed("list.txt.gz", gzip.compress(b"s3://shop/1.png\n" * 9, mtime=0)[:-9]),
    ),
    Provocation(
        "WrongUse",
        "the stack runs no backlogs",
        "Deploy it with that parameter.",
        in_aws("backlog", "--all", prepare=stack(FunctionArn=FUNCTION)),
    ),
    Provocation(
        "WrongUse",
        "the stack has no output OutputUri, as one of an old version",
        "Deploy it again from this version.",
        in_aws("backlog", "--all", prepare=stack(FunctionArn=FUNCTION, BacklogArn=MACHINE)),
    ),
    Provocation(
        "InfraError",
        "the function of the stack is gone",
        "Deploy it from this version, by `sam deploy`.",
        in_aws("backlog", "--all", "--run", "photos", prepare=deployed),
    ),
    Provocation(
        "InfraError",
        "you may not invoke the function",
        "Ask whoever manages the account for the permission.",
        planning(code="AccessDeniedException", text="not authorized to perform: lambda:InvokeFunction"),
    ),
    Provocation(
        "InfraError",
        "the connection broke while the function answered",
        "Run the command again.",
        planning(**answered(b"{}", 9)),
    ),
    Provocation(
        "InfraError",
        "the function is of another version than the command",
        "Deploy the version that you have installed.",
        planning(**answered(b"[]")),
    ),
    Provocation(
        "InfraError",
        "the function says that it has planned, and gives no plan",
        "Deploy the version that you have installed.",
        planning(**answered(b'{"is_planned": true}')),
    ),
    Provocation(
        "WrongUse",
        "the prefix is outside of what the function may read",
        "Name another prefix.",
        planning(**failed("UnacceptedObject", "Expected a prefix in INPUT_URIS. Received: s3://shop/other/.")),
    ),
    Provocation(
        "Stale",
        "the run was planned for the model that was deployed before",
        "Start a run of another name.",
        planning(**failed("StaleRun", "Expected a run of this model. Received: photos.")),
    ),
    Provocation(
        "InfraError",
        "the function of an old version knows no backlogs",
        "Deploy this version.",
        planning(**failed("UnrecognisedEvent", "Expected an event of a known source. Received: job, run.")),
    ),
    Provocation(
        "InfraError",
        "the state machine is gone",
        "Deploy it from this version, by `sam deploy`.",
        in_aws("backlog", "show", prepare=stack(**TEMPLATE)),
    ),
    Provocation(
        "InfraError",
        "you may not list the runs",
        "Ask whoever manages the account for the permission.",
        asking(
            "stepfunctions",
            "list_executions",
            lambda stack: Executions(stack).recent(),
            code="AccessDeniedException",
            text="not authorized to perform: states:ListExecutions",
        ),
    ),
    Provocation("WrongUse", "no run has the name", "Look the name up.", in_aws("backlog", "show", "photos", prepare=deployed)),
    Provocation(
        "WrongUse",
        "the name of a run has characters that none has",
        "Copy the name from the list of the runs.",
        in_aws("backlog", "show", "my run", prepare=deployed),
    ),
    Provocation(
        "WrongUse",
        "the run was planned and never started",
        "Give the command that planned it again, without --plan.",
        in_aws("backlog", "show", "photos", prepare=planned),
    ),
    Provocation(
        "WrongUse",
        "no run is there to be stopped, or several are",
        "Name the run.",
        in_aws("backlog", "stop", prepare=deployed),
    ),
    Provocation(
        "InfraError",
        "the plan of the run was written by another version, or changed",
        "Choose another name by --run.",
        in_aws("backlog", "--all", "--run", "photos", prepare=lambda: planned(b"{}")),
    ),
    Provocation(
        "WrongUse",
        "a run of the name was planned for something else",
        "Choose another name by --run.",
        in_aws("backlog", "s3://shop/a/", "--run", "photos", prepare=planned),
    ),
    Provocation(
        "WrongUse", "a run of the name was asked for another list", "Choose another name by --run.", calling(other_list)
    ),
    Provocation(
        "WrongUse",
        "--artifact of `cloud` is no folder",
        "Name a folder, such as that which `python -m training` wrote.",
        coatcheck("cloud", "--artifact", "my-model"),
    ),
    Provocation("InfraError", "another program has the port", "Name another --port, or leave it out.", taken_port),
    Provocation(
        "InfraError",
        "MODEL_URI of the demo is no folder",
        "Correct the variable, or unset it.",
        coatcheck("demo", MODEL_URI="my-model"),
    ),
    Provocation(
        "InfraError",
        "MODEL_URI of the demo names a folder without a model",
        "Name the folder that `python -m training` wrote.",
        coatcheck("demo", prepare=folder("my-model"), MODEL_URI="my-model"),
    ),
    Provocation(
        "InfraError",
        "a command of the repository was given where only the package is installed",
        "Clone the repository, and run it there.",
        as_wheel,
    ),
    Provocation(
        "WrongUse",
        "the classes of the deployed model are more than an alarm can watch",
        "Deploy without the alarm of drift.",
        calling(no_mix),
    ),
    Provocation(
        "InfraError",
        "--glibcxx is no version",
        "Write numbers with dots between them.",
        coatcheck("package", "out", "--glibcxx", "new"),
    ),
    Provocation(
        "InfraError",
        "pip has no wheel of a library for the processor, or is not connected",
        "Read what pip has printed above: check the network, or build for the other processor.",
        calling(no_wheel),
    ),
    Provocation(
        "InfraError",
        "the image of Lambda is too old for a library of the package",
        "Build for the other processor.",
        calling(old_image),
    ),
    Provocation("InfraError", "Docker is not installed", "Install Docker, or use the other command.", without_docker),
    Provocation(
        "InfraError", "Docker does not run, or may not be used", "Start Docker, or join its group.", with_docker_that_fails
    ),
    Provocation("InfraError", "`sam-local` was called before the package was built", "Build it first.", calling(without_build)),
    Provocation("InfraError", "the SAM CLI is not installed", "Build the package, which installs it.", calling(without_sam)),
    Provocation(
        "InfraError", "`make emulate` was called on another system than Linux", "Use Linux, or Docker.", calling(on_windows)
    ),
    Provocation(
        "InfraError",
        "AWS's emulator of Lambda is not installed",
        "Build the package, which installs it.",
        calling(without_emulator),
    ),
    Provocation(
        "InfraError",
        "the Python of PYTHON does not start",
        "Name another.",
        calling(lambda _: runtime.install_runtime_client("python4")),
    ),
    Provocation(
        "InfraError", "ministack is not installed", "Run the command that the message names.", calling(without_ministack)
    ),
    Provocation(
        "InfraError",
        "a release was tagged by another version",
        "Tag the commit by its version.",
        calling(lambda _: release.notes("v2.0.0", "1.0.0", "")),
    ),
    Provocation(
        "InfraError",
        "the change log tells nothing of a release",
        "Write its section.",
        calling(lambda _: release.notes("v1.0.0", "1.0.0", "## 0.9.0")),
    ),
    Provocation(
        "InfraError",
        "a library of the package has a licence that nobody has agreed to",
        "Choose another library, or agree to the licence.",
        licence(license="AGPL-3.0-only"),
    ),
    Provocation(
        "InfraError",
        "a file of results is not that of the benchmark",
        "Measure again.",
        calling(results),
    ),
    Provocation("InfraError", "a file of measured times is not that of the benchmark", "Measure again.", calling(times)),
    Provocation("InfraError", "a file of measured runs is none", "Measure again.", calling(measured)),
    Provocation(
        "InfraError",
        "another process writes the same note on a folder at the same moments, or the store refuses every conditional write so",
        "If it is always so, `coatcheck doctor --probe` tells whether the store keeps conditions.",
        calling(contested_note),
    ),
    Provocation(
        "WrongSource",
        "a line of a list for `score` is a prefix",
        "Give the prefix on the command line, besides the list.",
        calling(lambda _: parse_line("s3://shop/", Path.cwd())),
    ),
    Provocation(
        "InfraError",
        "the expression of a graph gives one number",
        "Write an expression of the series.",
        calling(lambda _: evaluate("1", {}, 60)),
    ),
    Provocation(
        "InfraError",
        "the expression of a graph has an operator that is not known here",
        "Write it with those that infra/dashboard/metric_math.py knows, or teach it that one.",
        calling(lambda _: evaluate("a % a", {"a": np.ones(2)}, 60)),
    ),
    Provocation(
        "InfraError",
        "the expression of a graph has a function that is not known here",
        "Write it with those that infra/dashboard/metric_math.py knows, or teach it that one.",
        calling(lambda _: evaluate("ANOMALY(a)", {"a": np.ones(2)}, 60)),
    ),
    Provocation(
        "InfraError",
        "a template has no place for the dashboard",
        "Take the lines from template.yaml.",
        calling(lambda _: rewrite("Resources:", "")),
    ),
    Provocation(
        "InfraError",
        "a series that the simulation needs is missing among the results of the benchmark",
        "Measure on a machine where every contender takes part.",
        calling(no_series),
    ),
    Provocation(
        "InfraError",
        "a parameter was taken out of the template that the simulation reads",
        "Change the file that the message names together with the template.",
        calling(no_parameter),
    ),
    Provocation(
        "InfraError",
        "a sample of the demo was rejected, as by a changed handler",
        "Look at what the change does to that sample, by `coatcheck explain`.",
        calling(rejected_sample),
    ),
    Provocation(
        "InfraError",
        "the bundled model is wrong about the samples of the demo, as after an unfinished training",
        "Train it to the end, or take it from the repository again.",
        calling(wrong_samples),
    ),
    Provocation(
        "InfraError",
        "a batch of images has other predictions than the same images alone, as by a changed model",
        "Export the model again, from layers that look at each image alone.",
        calling(other_packed),
    ),
    Provocation(
        "InfraError",
        "a peer of the benchmark is not installed, or twice",
        "Install the peers, which the command of make does first.",
        calling(no_libraries),
    ),
    Provocation(
        "InfraError",
        "a module of the package cannot be compiled by the deployed Python",
        "Mend it; the message of the compiler names the line.",
        calling(lambda _: package._compile(Path("out"), "false")),
    ),
    Provocation(
        "InfraError",
        "--artifact of `cloud` holds a broken model",
        "Copy the artifact again, or leave it out.",
        calling(broken_cloud),
    ),
    Provocation(
        "InfraError",
        "a document of the demo is missing, as by a changed handler",
        "Look for the reason in the lines above.",
        calling(missing_document),
    ),
    Provocation(
        "InfraError",
        "a measured run has left objects out",
        "Measure again on a machine that does nothing else.",
        calling(left_out),
    ),
    Provocation(
        "InfraError",
        "`rehearse` was called before the package was built",
        "Call it by make, which builds the package first.",
        calling(unbuilt),
    ),
    Provocation(
        "InfraError",
        "a peer of the benchmark cannot run, as one whose library is missing",
        "Install the peers again: remove .venv-peers, and call `make bench`.",
        calling(silent_peer),
    ),
    Provocation(
        "InfraError",
        "an object of the benchmark was not scored, as by a changed handler",
        "Look at what the change does to that object, by `coatcheck explain`.",
        calling(unscored),
    ),
    Provocation(
        "InfraError",
        "`python -m infra.site` was called before Zensical was installed",
        "Call it by make, which installs it first.",
        calling(without_zensical),
    ),
)
