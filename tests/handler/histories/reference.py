"""What is to become of each object, by a model of the whole function that is small enough to be read at once."""

import functools
import hashlib
import io
import json
from dataclasses import dataclass

import numpy as np

KILLER, SLOW = 13, 200  # the pixels of images that end the process, and of images that take long
NAMED = "a", "b"  # the keys that a list names


@dataclass(frozen=True)
class Settings:
    """One deployment: the model, which calls dark what another calls light, a limit, and whether no image ends the process."""

    model: int = 1
    max_images: int = 16
    is_mended: bool = False


# The pixels and the number of the images of each content, by its name.
IMAGES = {"dark": (0, 1), "light": (255, 1), "many": (255, 20), "slow": (SLOW, 16), "killer": (KILLER, 1)}


def answer(key, name, settings):
    """What the document of a content says: the classes of its images, the error of a rejection, or the objects of a list."""
    if name == "list":
        return tuple(f"s3://inbox/uploads/{named}" for named in NAMED if named != key)
    if name == "broken":
        return "UnrecognisedFormat"
    pixel, count = IMAGES[name]
    if count > settings.max_images:
        return "ObjectTooLarge"
    return ("light" if (pixel > 127) is (settings.model % 2 == 0) else "dark",) * count


def answers(key, name, settings, earlier):
    """What the document may say once all is settled: predictions of the same model outlive a limit that was lowered."""
    present = answer(key, name, settings)
    kept = {answer(key, name, it) for it in earlier if it.model == settings.model} if isinstance(present, str) else set()
    return {present} | {it for it in kept if not isinstance(it, str)}


def told(content):
    """The ETag of the input that a document names, the digest of its model, and what it says."""
    document = json.loads(content)
    if "error" in document:
        says = document["error"]["name"]
    elif "objects" in document:
        says = tuple(it["object"] for it in document["objects"])
    else:
        says = tuple(it["class_name"] for it in document["predictions"])
    return document["input"]["etag"], document["model"]["sha256"], says


@functools.cache
def contents():
    """The bytes of each content, by its name."""
    found = {"broken": b"no image", "list": "\n".join(f"inbox,uploads/{key}" for key in NAMED).encode()}
    for name, (pixel, count) in IMAGES.items():
        file = io.BytesIO()
        np.save(file, np.full((count, 2, 3), pixel, np.uint8))
        found[name] = file.getvalue()
    return found


@functools.cache
def names():
    """The name of each content, by its ETag."""
    return {hashlib.md5(content).hexdigest(): name for name, content in contents().items()}
