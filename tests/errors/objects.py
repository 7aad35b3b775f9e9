"""The errors of objects: what is wrong with an upload, as its document tells."""

import io

from handler.contract import Conversion, PixelShape
from handler.formats import decode
from handler.formats.image import Target, Unreadable
from handler.settings import load_settings
from tests.errors.provoking import Provocation, Scene


def reading(content: bytes, name: str = "object", **settings: int):
    """Reads an object as the function does, for the model that ships, until the first error of it or of a part of it."""

    def provoke(scene: Scene) -> Exception:
        environ = {"OUTPUT_URI": "s3://output/", "INPUT_URIS": "s3://input/"}
        limits = load_settings(environ | {name: str(value) for name, value in settings.items()}).limits
        target = Target(shape=PixelShape(height=28, width=28, channels=1), conversion=Conversion(), limits=limits)
        return next(item.error for item in decode(io.BytesIO(content), name, target) if isinstance(item, Unreadable))

    return provoke


ROWS = (
    Provocation(
        "EmptyObject",
        "an object without bytes was uploaded",
        "Upload the file again; if it is empty on your disk too, leave it out.",
        reading(b""),
    ),
    Provocation(
        "EmptyObject",
        "a folder was made in the S3 console, which stores an object without bytes",
        "Nothing; its files are scored as usual.",
        reading(b"", name=""),
    ),
)
