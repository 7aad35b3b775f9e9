"""Carries out `coatcheck sheet`: finds documents, images and the model, and writes the pages."""

from __future__ import annotations

from pathlib import Path

from handler.contract import Manifest
from handler.objects import Prefix
from infra.locations import own_errors, parse_folder, read_limits, read_manifest, s3
from infra.show.documents import read_documents
from infra.show.faults import Faults, gather_rows, require_rows
from infra.show.sheet.entries import Thumbnails
from infra.show.sheet.thumbnails import ObjectThumbnails
from infra.show.sheet.writing import SheetSummary, write_sheet
from infra.stores.files import FileStore


def make_sheet(
    documents: str,
    *,
    images: str | None,
    out: Path,
    artifact: str | None,
    title: str | None,
    page_images: int,
    everything: bool,
    faults: Faults,
) -> SheetSummary:
    """Makes the sheet of the documents in a place; see `coatcheck sheet --help`. Broken documents are added to `faults`.

    Raises:
        WrongUse: a place cannot be read as what it was named for.
        InfraError: there is no document of images, or S3 failed.
        OSError: a folder cannot be read, or a page not be written.
    """
    place = parse_folder(documents, "documents")
    manifest = read_manifest(artifact)
    with own_errors():
        return write_sheet(
            require_rows(gather_rows(read_documents(place, s3), faults)),
            find_thumbnails(place, images, manifest),
            out,
            title or documents,
            manifest=manifest,
            page_images=page_images,
            everything=everything,
        )


def find_thumbnails(documents: Path | Prefix, images: str | None, manifest: Manifest) -> Thumbnails | None:
    """Returns what finds the pixels of images, in a place that was named, or where documents in S3 say; None for neither.

    Raises:
        WrongUse: the place is no folder.
    """
    limits = read_limits()
    if images is None:
        return ObjectThumbnails(s3, None, manifest.input, limits) if isinstance(documents, Prefix) else None
    place = parse_folder(images, "images")
    if isinstance(place, Prefix):
        return ObjectThumbnails(s3, place, manifest.input, limits)
    store = FileStore({str(place): place})
    return ObjectThumbnails(lambda: store, Prefix(str(place), ""), manifest.input, limits)
