"""Uploads the sample images to the embedded cloud, lets the queue bring them to the function, and shows the predictions.

    coatcheck demo       6 s once installed; `make demo` installs what it needs first

Copies of all documents are left under .demo/, in the same layout as in the output bucket.
"""

from __future__ import annotations

import csv
import logging
import os
import shutil
from pathlib import Path

import msgspec
from rich.console import Console
from rich.table import Table

from handler.predictions import PredictionDocument
from infra.cloud.embedded import Cloud, clear_aws_environment, start_cloud
from infra.cloud.event_source import EventSource
from infra.errors import InfraError
from infra.paths import IMAGES

COPIES = Path(".demo")
PACKED = "packed-idx3-ubyte.gz"
MIN_ACCURACY = 0.8  # on the samples; a working model reaches well over 90%, a broken one about 10%


def run() -> None:
    """Runs the demo on an embedded cloud and prints what it does.

    Raises:
        InfraError: a message is left over, a document is missing or broken, or too many predictions are wrong.
    """
    shutil.rmtree(COPIES, ignore_errors=True)
    console = Console(width=max(100, Console().width))
    with (IMAGES / "labels.csv").open(encoding="utf-8", newline="") as file:
        truth = {row["image"]: row["class_name"] for row in csv.DictReader(file)}
    clear_aws_environment()
    with start_cloud() as cloud:
        documents = score(cloud, [*truth, PACKED], console)
    show(documents, truth, console)


def score(cloud: Cloud, images: list[str], console: Console) -> dict[str, PredictionDocument]:
    """Uploads images, lets the function take every message from the queue, and returns the document of each image by name.

    Raises:
        InfraError: a message is left over, or a document is missing or does not follow its schema.
    """
    for name in images:
        cloud.s3.upload_file(str(IMAGES / name), cloud.input_bucket, f"uploads/{name}")
    console.print(f"uploaded {len(images)} objects to s3://{cloud.input_bucket}/uploads/")
    os.environ.update(cloud.environment)
    from handler.app import lambda_handler  # late: boto3 and Powertools read the environment when they are imported

    logging.getLogger("coatcheck").setLevel(logging.WARNING)
    os.environ["POWERTOOLS_METRICS_DISABLED"] = "true"
    console.print(f"model: {os.environ.get('MODEL_URI', 'the bundled one')}", highlight=False)
    deliveries = EventSource(cloud, lambda_handler, cloud.batch_messages).drain()
    for delivery in deliveries:
        console.print(
            f"invoked the function with {len(delivery.event['Records'])} messages: {delivery.answer or delivery.error!r}"
        )
        if delivery.returned:
            raise InfraError(f"{len(delivery.returned)} messages were not finished.")
    return {name: _collect(cloud, f"predictions/uploads/{name}.json") for name in images}


def show(documents: dict[str, PredictionDocument], truth: dict[str, str], console: Console) -> None:
    """Prints the table of predictions and the path of every document.

    Raises:
        InfraError: the packed images have other predictions than the single ones, or far too many predictions are wrong.
    """
    table = Table("image", "prediction", "confidence", "true class", title="Predictions")
    predictions = {name: documents[name].predictions[0] for name in truth}
    for name, prediction in predictions.items():
        is_right = prediction.class_name == truth[name]
        table.add_row(
            name,
            prediction.class_name,
            f"{prediction.confidence:.3f}{' (unsure)' if prediction.unsure is True else ''}",
            truth[name] if is_right else f"[red]{truth[name]}[/red]",
        )
    console.print(table)
    console.print("documents:")
    for name in documents:
        console.print(f"  {COPIES}/predictions/uploads/{name}.json", highlight=False, soft_wrap=True)
    right = sum(prediction.class_name == truth[name] for name, prediction in predictions.items())
    unsure = sum(prediction.unsure is True for prediction in predictions.values())
    console.print(f"{len(documents)} documents; {right} of {len(truth)} images right, {unsure} marked unsure")
    packed = documents[PACKED].predictions
    if [row.probabilities for row in packed] != [prediction.probabilities for prediction in predictions.values()]:
        raise InfraError("The packed images have other predictions than the same images alone.")
    if "MODEL_URI" not in os.environ and right < MIN_ACCURACY * len(truth):  # another model may have other classes
        raise InfraError(f"Expected at least {MIN_ACCURACY:.0%} of the images right. Received: {right} of {len(truth)}.")


def _collect(cloud: Cloud, key: str) -> PredictionDocument:
    try:
        content = cloud.s3.get_object(Bucket=cloud.output_bucket, Key=key)["Body"].read()
        document = msgspec.json.decode(content, type=PredictionDocument)
    except (cloud.s3.exceptions.NoSuchKey, msgspec.DecodeError) as error:
        raise InfraError(f"Expected a prediction document at s3://{cloud.output_bucket}/{key}. Received: {error}.") from error
    copy = COPIES / key
    copy.parent.mkdir(parents=True, exist_ok=True)
    copy.write_bytes(content)
    return document
