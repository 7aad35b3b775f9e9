"""Writes predictions as tasks of Label Studio, so that people can review them, those that need it most first.

The form is that of https://labelstud.io/guide/predictions for a labeling configuration with
`<Image name="image" value="$image"/>` and `<Choices name="choice" toName="image">`, one `<Choice value="…"/>` for each class.
"""

from __future__ import annotations

import re
import shutil
import tempfile
from collections.abc import Iterable
from dataclasses import dataclass
from typing import BinaryIO
from urllib.parse import quote

import msgspec

from infra.show.faults import Faults
from infra.show.lines import describe_unwritable
from infra.show.records import Record

IN_S3 = "s3://{bucket}/{key}"  # Label Studio reads it if the project has the bucket as source storage
LOCAL = "/data/local-files/?d={bucket}/{key}"  # if the document root of Label Studio's local files is the parent of the folder

# The formats of objects that are one picture; an image in an archive or an array has no address of its own.
PICTURES = frozenset({"png", "jpeg", "webp", "gif", "bmp", "tiff", "avif", "heic"})

_FIELD = re.compile(r"\{(bucket|key)\}")


class Choice(msgspec.Struct, frozen=True):
    """The classes that are chosen; there is one."""

    choices: list[str]


class Result(msgspec.Struct, frozen=True):
    """One result of a prediction: what the control `choice` says of the object `image`."""

    value: Choice
    id: str = "class"
    type: str = "choices"
    from_name: str = "choice"
    to_name: str = "image"


class TaskPrediction(msgspec.Struct, frozen=True):
    """The prediction of one model; `score` is the confidence."""

    model_version: str
    score: float
    result: list[Result]


class Task(msgspec.Struct, frozen=True):
    """One image to review; `data` holds its address, and what else a reviewer may filter and sort by."""

    data: TaskData
    predictions: list[TaskPrediction]


class TaskData(msgspec.Struct, frozen=True):
    """The address of an image, and what is known of it."""

    image: str
    bucket: str
    key: str
    etag: str
    unsure: bool | None
    unfamiliar: bool | None


@dataclass(frozen=True, slots=True)
class ImageAddress:
    """The address at which Label Studio finds an image: `{bucket}` and `{key}` in the template stand for those of the object.

    They are percent-encoded, except in `s3://…`, which Label Studio takes as it is.
    """

    template: str

    def of(self, record: Record) -> str:
        """Returns the address of the image of a row."""
        values = {"bucket": record.bucket, "key": record.key}
        is_plain = self.template.startswith("s3://")
        return _FIELD.sub(lambda field: values[field[1]] if is_plain else quote(values[field[1]]), self.template)


def write_tasks(records: Iterable[Record], file: BinaryIO, faults: Faults, address: ImageAddress) -> int:
    """Writes a JSON array of tasks, those that are unsure or unfamiliar first, and returns the number of tasks.

    Left out are rejected images, and images in archives and arrays, which Label Studio cannot show. The others wait in a
    temporary file, so that no number of them fills the memory.
    """
    encoder = msgspec.json.Encoder()
    count = first_count = 0
    with tempfile.TemporaryFile() as others:
        file.write(b"[")
        for record in records:
            if record.format not in PICTURES or record.class_name is None:
                continue
            try:
                task = encoder.encode(_task(record, address))
            except ValueError as error:
                faults.add(describe_unwritable(record, error))
                continue
            count += 1
            if record.unsure or record.unfamiliar:
                file.write((b",\n" if first_count else b"\n") + task)
                first_count += 1
            else:
                others.write(b",\n" + task)
        others.seek(0 if first_count else 1)  # without the first comma
        shutil.copyfileobj(others, file)
        file.write(b"\n]\n")
    return count


def _task(record: Record, address: ImageAddress) -> Task:
    data = TaskData(address.of(record), record.bucket, record.key, record.etag, record.unsure, record.unfamiliar)
    result = Result(Choice([record.class_name or ""]))
    return Task(data, [TaskPrediction(f"{record.model_name} {record.model_version}", record.confidence or 0.0, [result])])
