"""Uploads the sample images to the embedded cloud, lets the queue bring them to the function, and shows the predictions.

    coatcheck demo       8 s once installed; `make demo` installs what it needs first

MODEL_URI shows another artifact. If its classes are not those of the samples, predictions are shown without the true classes;
if its images are of another size, the packed array of 28x28 images is rejected, and shown as rejected. Copies of all documents
are left under .demo/, in the same layout as in the output bucket, with a table and a page of them.
"""

from __future__ import annotations

import csv
import os
import shutil
from collections.abc import Iterator
from pathlib import Path

import msgspec
from rich.console import Console
from rich.table import Table
from rich.text import Text

from handler.contract import MANIFEST_FILE, Manifest, parse_manifest
from handler.errors import BadArtifact
from handler.model import BUNDLED_ARTIFACT
from handler.predictions import Prediction, PredictionDocument, RejectionDocument
from infra.cloud.attached import attach
from infra.cloud.embedded import Cloud, clear_aws_environment, start_cloud
from infra.cloud.event_source import EventSource
from infra.errors import InfraError
from infra.locations import load_artifact, read_limits, s3
from infra.paths import IMAGES
from infra.printable import printable
from infra.show.documents import Row, read_documents
from infra.show.sheet.thumbnails import ObjectThumbnails
from infra.show.sheet.writing import write_sheet
from infra.show.tables import write_table

COPIES = Path(".demo")
TABLE, PAGE = COPIES / "predictions.csv", COPIES / "predictions.html"
PACKED = "packed-idx3-ubyte.gz"
PACKED_SHAPE = (28, 28, 1)  # of the images in it, whose model must take images of this shape
SHOWN = 12  # lines of the table
MIN_ACCURACY = 0.8  # on the samples; a working model reaches well over 90%, a broken one about 10%

Documents = dict[str, PredictionDocument | RejectionDocument]  # by the name of the sample


def run() -> None:
    """Runs the demo on an embedded cloud and prints what it does.

    Raises:
        InfraError: the artifact is missing or broken, a message is left over, a document is missing or broken, a sample was
            rejected that the model takes, or too many predictions of the bundled model are wrong.
    """
    artifact = os.environ.get("MODEL_URI") or None
    manifest = read_manifest(artifact)
    shutil.rmtree(COPIES, ignore_errors=True)
    console = Console(width=max(100, Console().width))
    with (IMAGES / "labels.csv").open(encoding="utf-8", newline="") as file:
        truth = {row["image"]: row["class_name"] for row in csv.DictReader(file)}
    clear_aws_environment()
    with start_cloud() as cloud:
        documents = score(cloud, [*truth, PACKED], console)
        write_views(manifest)
    known = truth if set(truth.values()) <= set(manifest.classes) else {}
    show(documents, list(truth), known, console)
    require_scored(documents, manifest)
    if artifact is None:
        require_right(documents, truth)


def read_manifest(artifact: str | None) -> Manifest:
    """Returns the manifest of the bundled artifact, or of the one in the folder `artifact`, whose model is checked as well.

    Raises:
        InfraError: `artifact` is no folder, or the artifact in it is broken.
    """
    if artifact is None:
        return parse_manifest((BUNDLED_ARTIFACT / MANIFEST_FILE).read_bytes())
    if not Path(artifact).is_dir():
        raise InfraError(
            f"Expected the folder of an artifact in MODEL_URI. Received: {artifact!r}, which is no folder here; correct "
            "or unset it."
        )
    try:
        return load_artifact(Path(artifact)).manifest
    except BadArtifact as error:
        raise InfraError(f"MODEL_URI={artifact}: {error}") from error


def score(cloud: Cloud, images: list[str], console: Console) -> Documents:
    """Uploads images, lets the function take every message from the queue, and returns the document of each image by name.

    Raises:
        InfraError: a message is left over, or a document is missing or does not follow its schema.
    """
    for name in images:
        cloud.s3.upload_file(str(IMAGES / name), cloud.input_bucket, f"uploads/{name}")
    console.print(f"uploaded {len(images)} objects to s3://{cloud.input_bucket}/uploads/")
    function = attach(cloud)
    console.print(f"model: {os.environ.get('MODEL_URI') or 'the bundled one'}", highlight=False, markup=False)
    deliveries = EventSource(cloud, function, cloud.batch_messages).drain()
    messages = sum(len(delivery.event["Records"]) for delivery in deliveries)
    console.print(f"the queue brought {messages} messages to the function, in {len(deliveries)} invocations")
    for delivery in deliveries:
        if delivery.returned:
            reason = f": {delivery.error!r}" if delivery.error else "."
            raise InfraError(f"Expected every message to be finished. Received: {len(delivery.returned)} that were not{reason}")
    return {name: _collect(cloud, f"predictions/uploads/{name}.json") for name in images}


def write_views(manifest: Manifest) -> None:
    """Writes a table and a page of the documents, whose images are still in the cloud.

    Raises:
        InfraError: a document is broken.
    """

    def rows() -> Iterator[Row]:
        return (row for document in read_documents(COPIES / "predictions", s3) for row in document.rows())

    write_table(rows(), TABLE)
    write_sheet(rows(), ObjectThumbnails(s3, None, manifest.input, read_limits()), PAGE, "The demo", manifest=manifest)


def show(documents: Documents, images: list[str], truth: dict[str, str], console: Console) -> None:
    """Prints some predictions, with the true classes if `truth` names them, what was rejected, and where the documents are."""
    chosen = choose(documents, images, truth)
    title = f"{len(chosen)} of the {len(images)} images, the wrong and unsure ones first"
    table = Table("image", "prediction", "confidence", *(["true class"] if truth else []), title=title)
    for name in chosen:
        prediction, confidence = _cells(documents[name])
        style = "" if truth.get(name) == prediction else "red"
        true = [Text(printable(truth[name]), style)] if truth else []
        table.add_row(Text(printable(name)), Text(printable(prediction)), confidence, *true)
    console.print(table)
    for name, document in documents.items():
        if isinstance(document, RejectionDocument):
            console.print(printable(f"rejected {name}: {document.error.name}"), highlight=False, soft_wrap=True, markup=False)
    console.print(f"{len(documents)} documents; {_summary(documents, images, truth)}")
    for kind, place in (("documents", COPIES / "predictions"), ("table", TABLE), ("page", PAGE)):
        console.print(f"{kind}: {place}", highlight=False, soft_wrap=True)


def choose(documents: Documents, images: list[str], truth: dict[str, str]) -> list[str]:
    """Returns up to `SHOWN` of the images: a quarter wrong, a quarter unsure, as far as there are such, and then the others."""
    rows = {name: row for name in images for row in _rows(documents[name])}
    wrong = [name for name, row in rows.items() if truth and row.class_name != truth[name]]
    unsure = [name for name, row in rows.items() if row.unsure is True and name not in wrong]
    chosen = dict.fromkeys([*_apart(wrong, SHOWN // 4), *_apart(unsure, SHOWN // 4)])
    others = [name for name in images if name not in wrong and name not in unsure] or images
    return [*chosen, *_apart([name for name in others if name not in chosen], SHOWN - len(chosen))]


def _apart(names: list[str], count: int) -> list[str]:
    """Returns up to `count` names, evenly apart in their order, which is that of the classes."""
    count = min(count, len(names))
    return [names[place * len(names) // count] for place in range(count)]


def require_scored(documents: Documents, manifest: Manifest) -> None:
    """Requires that only the packed images were rejected, and only if the model takes images of another size.

    Raises:
        InfraError: another sample was rejected.
    """
    expected = {PACKED} if manifest.input.as_tuple != PACKED_SHAPE else set()
    for name, document in documents.items():
        if isinstance(document, RejectionDocument) and name not in expected:
            raise InfraError(f"Expected a prediction for {name}. Received: {document.error.name}: {document.error.message}")


def require_right(documents: Documents, truth: dict[str, str]) -> None:
    """Requires of the bundled model that it is right on most samples, and gives packed images the same predictions.

    Raises:
        InfraError: the packed images have other predictions than the single ones, or far too many predictions are wrong.
    """
    packed = _rows(documents[PACKED])
    single = [row for name in truth for row in _rows(documents[name])]
    if [row.probabilities for row in packed] != [row.probabilities for row in single]:
        raise InfraError("Expected packed images to have the predictions of the same images alone. Received: others.")
    right = _count_right(documents, truth)
    if right < MIN_ACCURACY * len(truth):
        raise InfraError(
            f"Expected at least {MIN_ACCURACY:.0%} of the images right. Received: {right} of {len(truth)}; train on."
        )


def _rows(document: PredictionDocument | RejectionDocument) -> list[Prediction]:
    return [] if isinstance(document, RejectionDocument) else document.predictions


def _count_right(documents: Documents, truth: dict[str, str]) -> int:
    return sum(row.class_name == truth[name] for name in truth for row in _rows(documents[name]))


def _cells(document: PredictionDocument | RejectionDocument) -> tuple[str, str]:
    """Returns the prediction and its confidence, or the reason why there is none."""
    if isinstance(document, RejectionDocument):
        return f"rejected: {document.error.name}", ""
    row = document.predictions[0]
    return row.class_name, f"{row.confidence:.3f}{' (unsure)' if row.unsure is True else ''}"


def _summary(documents: Documents, images: list[str], truth: dict[str, str]) -> str:
    rows = [row for name in images for row in _rows(documents[name])]
    unsure = f"{sum(row.unsure is True for row in rows)} marked unsure"
    rejected = sum(isinstance(document, RejectionDocument) for document in documents.values())
    rest = f"{unsure}, {rejected} rejected" if rejected else unsure
    if truth:
        return f"{_count_right(documents, truth)} of {len(images)} images right, {rest}"
    return f"{len(rows)} of {len(images)} images scored, {rest}; the model's classes are not those of the samples"


def _collect(cloud: Cloud, key: str) -> PredictionDocument | RejectionDocument:
    try:
        content = cloud.s3.get_object(Bucket=cloud.output_bucket, Key=key)["Body"].read()
        document = msgspec.json.decode(content, type=PredictionDocument | RejectionDocument)
    except (cloud.s3.exceptions.NoSuchKey, msgspec.DecodeError) as error:
        raise InfraError(
            f"Expected a document at s3://{cloud.output_bucket}/{key}. Received: {str(error).rstrip('.')}."
        ) from error
    copy = COPIES / key
    copy.parent.mkdir(parents=True, exist_ok=True)
    copy.write_bytes(content)
    return document
