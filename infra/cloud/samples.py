"""Names the samples that a rehearsal uploads, and judges their documents. Pure."""

from __future__ import annotations

import json
from collections.abc import Mapping

from infra.cloud.checking import differences
from infra.cloud.expectations import EMPTY, Expectation
from infra.cloud.invocation import Invocation
from infra.errors import InfraError

# A few images, a hundred in one object, and a folder, for which there is a rejection.
CLASSES = {"ankle-boot-0.png": "Ankle boot", "bag-0.png": "Bag", "coat + 100% wool.png": "Coat"}
SAMPLES = {
    "ankle-boot-0.png": "ankle-boot-0.png",
    "bag-0.png": "bag-0.png",
    "coat + 100% wool.png": "coat-0.png",
    "packed-idx3-ubyte.gz": "packed-idx3-ubyte.gz",
    "folder/": EMPTY,
}
REJECTED = sum(sample == EMPTY for sample in SAMPLES.values())


def uploads_to(folder: str) -> dict[str, str]:
    """Returns the samples by the keys that they are uploaded under."""
    return {f"uploads/{folder}/{name}": sample for name, sample in SAMPLES.items()}


def judge(uploads: Mapping[str, str], documents: Mapping[str, bytes]) -> str:
    """Returns what the documents of some uploads say: how many they are, and the classes of the single images.

    Raises:
        InfraError: they are not those of the images.
    """
    faults = differences(Expectation(uploads), Invocation(None, None), documents)
    if faults:
        raise InfraError(f"{len(faults)} documents are not as they must be: {' '.join(faults)}")
    return f"{len(documents)} documents, {', '.join(read_classes(documents))}"


def read_classes(documents: Mapping[str, bytes]) -> list[str]:
    """Returns the classes that the single images were given.

    Raises:
        InfraError: they are not those of the images.
    """
    names = {key.rpartition("/")[2].removesuffix(".json"): json.loads(content) for key, content in documents.items()}
    found = {name: names[name]["predictions"][0]["class_name"] for name in CLASSES}
    if found != CLASSES:
        raise InfraError(f"Expected the classes {CLASSES}. Received: {found}.")
    return list(found.values())
