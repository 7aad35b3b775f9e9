"""Carries out `coatcheck sheet`: finds documents, images and the model, and writes the pages."""

from __future__ import annotations

from collections.abc import Iterator
from itertools import chain
from pathlib import Path

from handler.contract import MANIFEST_FILE, Manifest, parse_manifest
from handler.deadline import Deadline
from handler.errors import ScoringError
from handler.model import BUNDLED_ARTIFACT, directory_reader, store_reader
from handler.objects import Prefix
from handler.settings import DEFAULTS, load_limits
from infra.errors import InfraError, WrongUse
from infra.locations import parse_location, s3
from infra.show.documents import Row, read_documents
from infra.show.sheet.entries import Thumbnails
from infra.show.sheet.thumbnails import ObjectThumbnails
from infra.show.sheet.writing import SheetSummary, write_sheet
from infra.stores.files import FileStore

MANIFEST_S = 60

# An object was within the limits when it was scored. Those that keep one image from filling the memory are left as they are.
_LIMITS = DEFAULTS | {"MAX_IMAGES_PER_OBJECT": 10**9, "MAX_ARCHIVE_MEMBERS": 10**6, "MAX_UNPACKED_BYTES": 2**40}


def make_sheet(
    documents: str,
    *,
    images: str | None,
    out: Path,
    artifact: str | None,
    title: str | None,
    page_images: int,
    everything: bool,
) -> SheetSummary:
    """Makes the sheet of the documents in a place; see `coatcheck sheet --help`.

    Raises:
        WrongUse: a place cannot be read as what it was named for.
        InfraError: there is no document of images, one is broken, or S3 failed.
        OSError: a folder cannot be read, or a page not be written.
    """
    place = parse_location(documents)
    manifest = _manifest(artifact)
    if isinstance(place, Path) and not place.is_dir():
        raise WrongUse(f"Expected a folder of documents, or s3://bucket/prefix/. Received: {documents!r}, which is no folder.")
    try:
        rows = (row for document in read_documents(place, s3) for row in document.rows())
        return write_sheet(
            _some(rows, documents),
            _thumbnails(place, images, manifest),
            out,
            title or documents,
            manifest=manifest,
            page_images=page_images,
            everything=everything,
        )
    except ScoringError as error:
        raise InfraError(str(error)) from error


def _some(rows: Iterator[Row], documents: str) -> Iterator[Row]:
    for first in rows:
        return chain([first], rows)
    raise InfraError(f"Expected documents of images. Received: none in {documents!r}; `coatcheck score` writes them.")


def _thumbnails(documents: Path | Prefix, images: str | None, manifest: Manifest) -> Thumbnails | None:
    limits = load_limits({}, _LIMITS)
    if images is None:
        return ObjectThumbnails(s3, None, manifest.input, limits) if isinstance(documents, Prefix) else None
    place = parse_location(images)
    if isinstance(place, Prefix):
        return ObjectThumbnails(s3, place, manifest.input, limits)
    if not place.is_dir():
        raise WrongUse(f"Expected a folder of images, or s3://bucket/prefix/. Received: {images!r}, which is no folder.")
    store = FileStore({str(place): place})
    return ObjectThumbnails(lambda: store, Prefix(str(place), ""), manifest.input, limits)


def _manifest(artifact: str | None) -> Manifest:
    place = BUNDLED_ARTIFACT if artifact is None else parse_location(artifact)
    try:
        read = directory_reader(place) if isinstance(place, Path) else store_reader(s3(), place, Deadline.after(MANIFEST_S))
        return parse_manifest(read(MANIFEST_FILE))
    except (OSError, ValueError, ScoringError) as error:
        raise WrongUse(f"Expected the artifact of a model, with its {MANIFEST_FILE}. Received: {place}, {error}") from error
