"""Says for each error by which an object is rejected what its sender can do. Pure."""

from __future__ import annotations

from handler.errors import RejectedInput

ADVICE = {
    "EmptyObject": "upload it again if it had content; a folder that the S3 console made can stay",
    "UnrecognisedFormat": "upload a picture, an array, an archive of pictures, or a list; the message names the formats",
    "UnreadableImage": "upload it again, or open it and save it as PNG",
    "UnreadableArray": "save it as C-ordered uint8 with numpy.save, or as a CSV with a pixel a column",
    "UnreadableIdx": "write it again as uint8 images (idx3-ubyte), and upload it whole",
    "UnreadableList": "name one object of the inputs a line, as JSON Lines with key or as a CSV of bucket,key",
    "UnreadableArchive": "make the archive again, and upload it whole",
    "UnreadableMember": "pack this member again, stored or deflated; the others are scored",
    "UnsafeMember": "pack this member as a plain file, not encrypted and inside the archive; the others are scored",
    "WrongShape": "resize the images to the model's size, or upload them as pictures, which are converted",
    "ArchivedObject": "restore it: then the next sweep scores it",
    "ObjectTooLarge": "split it or make it smaller, or raise the setting that the message names",
    "RejectedInput": "upload it again",
}


def advise(error: RejectedInput) -> str:
    """Returns what to do about an object, or a part of one, that is rejected."""
    return ADVICE[type(error).__name__]
