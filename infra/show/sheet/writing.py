"""Writes a contact sheet: takes rows, chooses what is shown, and writes one page of HTML or several."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from handler.contract import Manifest
from infra.show.documents import Row
from infra.show.sheet.entries import Noted, Rank, Thumbnails
from infra.show.sheet.page import Sheet, render_page
from infra.show.sheet.shelf import open_shelf

PAGE_IMAGES = 2000  # on a page, which has about 10 MB then, and opens within a second


@dataclass(frozen=True, slots=True)
class SheetSummary:
    """What was written: the pages, in order, and the numbers of images.

    Each image that is not sure is counted once, under the first of rejected, unfamiliar and unsure that it is. What was
    `left_out` is sure; the pages say so too.
    """

    pages: tuple[Path, ...]
    images: int
    rejected: int
    unfamiliar: int
    unsure: int
    left_out: int


def write_sheet(
    rows: Iterable[Row | Noted],
    thumbnails: Thumbnails | None,
    out: Path,
    title: str,
    *,
    manifest: Manifest | None = None,
    page_images: int = PAGE_IMAGES,
    everything: bool = False,
) -> SheetSummary:
    """Writes the sheet of some rows to `out` and, if one page cannot hold it, to files beside that: `out-2.html`, and so on.

    Every image that is rejected, unfamiliar or unsure is shown, on as many pages as it takes. The pages are filled up with the
    images of least confidence; the others are left out, unless `everything` is to be shown. Memory depends on one page, and on
    the largest object.

    Args:
        rows: the images, each with a note if there is something to say of it.
        thumbnails: finds the pixels of the images; None shows none.
        out: the file of the first page, which is replaced if it is there.
        title: the heading.
        manifest: of the model; its classes can be chosen in corrections, if it made one of the predictions.
        page_images: the largest number of images on a page.
        everything: whether also sure images get as many pages as it takes.

    Raises:
        BrokenDocument: reading `rows` found it.
        OSError: a page cannot be written.
    """
    models: dict[str, str] = {}
    with open_shelf() as shelf:
        shelf.add(_noted(rows, models))
        counts = shelf.count()
        must = counts.images if everything else counts.doubtful
        pages = max(1, -(-must // page_images))
        shown = min(counts.images, pages * page_images)
        shelf.choose(shown)
        if thumbnails:
            shelf.illustrate(thumbnails)
        places = _places(out, pages)
        classes = manifest.classes if manifest and manifest.model.sha256 in models else ()
        names = [place.name for place in places]
        sheet = Sheet(title, shelf.digest, counts, shown, names, classes, tuple(dict.fromkeys(models.values())))
        out.parent.mkdir(parents=True, exist_ok=True)
        for number, place in enumerate(places):
            page = render_page(sheet, number, shelf.take(number * page_images, (number + 1) * page_images))
            place.write_text(page, encoding="utf-8")
    by_rank = counts.by_rank
    return SheetSummary(
        pages=tuple(places),
        images=counts.images,
        rejected=by_rank[Rank.REJECTED],
        unfamiliar=by_rank[Rank.UNFAMILIAR],
        unsure=by_rank[Rank.UNSURE],
        left_out=counts.images - shown,
    )


def _noted(rows: Iterable[Row | Noted], models: dict[str, str]) -> Iterator[Noted]:
    """Yields the rows with their notes, and adds the models to `models`, by the digest of each."""
    for each in rows:
        noted = each if isinstance(each, Noted) else Noted(each)
        model = noted.row.model
        if len(models) < 10:  # of documents that somebody forged, each may name another
            models.setdefault(model.sha256, f"{model.name} {model.version}")
        yield noted


def _places(out: Path, pages: int) -> Sequence[Path]:
    return [out, *(out.with_name(f"{out.stem}-{number}{out.suffix}") for number in range(2, pages + 1))]
