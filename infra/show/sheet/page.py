"""Renders one page of a sheet as HTML that needs no other file and asks nobody for anything. Pure.

The images travel as one block of JSON, and the script makes the elements as they are scrolled to, from text alone and never
from markup. The policy of the page allows its own style, its own script and embedded images; every other request is refused.
"""

from __future__ import annotations

import base64
import functools
import hashlib
import math
import os
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from urllib.parse import quote

import jinja2
import msgspec
from jinja2.utils import htmlsafe_json_dumps
from markupsafe import Markup

from infra.show.sheet.entries import Rank
from infra.show.sheet.shelf import Counts, Kept
from infra.show.sheet.text import visible

_SCRIPTS = ("corrections.js", "card.js", "details.js", "page.js")


@dataclass(frozen=True, slots=True)
class Sheet:
    """What all pages of a sheet have in common.

    `digest` names the sheet, so that its corrections are found again. `files` are the names of the pages. `classes` are those
    that can be chosen, besides those that were predicted.
    """

    title: str
    digest: str
    counts: Counts
    shown: int
    files: Sequence[str]
    classes: Sequence[str]
    models: Sequence[str]


class _Name(msgspec.Struct, omit_defaults=True):
    """A name as it is shown; `raw` is what it really is, if that is something else."""

    shown: str
    raw: str | None = None


class _Class(msgspec.Struct, omit_defaults=True):
    name: _Name
    count: int


class _Image(msgspec.Struct, omit_defaults=True, kw_only=True):
    """An image as the script takes it; `object` and `predicted` are positions in the lists of these."""

    object: int
    name: _Name
    predicted: int = -1
    percent: float = -1
    unsure: bool = False
    unfamiliar: bool = False
    error: str = ""
    note: str = ""
    source: str = ""
    crisp: bool = False
    missing: str = ""


class _Data(msgspec.Struct):
    sheet: str
    objects: list[_Name]
    classes: list[_Class]
    images: list[_Image]


def render_page(sheet: Sheet, number: int, images: Sequence[Kept]) -> str:
    """Renders the page of a `number`, from 0, with its images in order."""
    style, script = _asset("page.css"), "\n".join(map(_asset, _SCRIPTS))
    counts = sheet.counts
    return _template().render(
        title=visible(sheet.title),
        models=[visible(model) for model in sheet.models],
        style=Markup(style),  # noqa: S704  # ours, as it was written
        script=Markup(script),  # noqa: S704  # the same
        style_hash=_hash(style),
        script_hash=_hash(script),
        data=_data(sheet, images),
        total=counts.images,
        rejected=counts.by_rank[Rank.REJECTED],
        unfamiliar=counts.by_rank[Rank.UNFAMILIAR],
        unsure=counts.by_rank[Rank.UNSURE],
        left_out=counts.images - sheet.shown,
        files=[quote(os.fsencode(file)) for file in sheet.files],
        number=number,
    )


def _data(sheet: Sheet, images: Sequence[Kept]) -> Markup:
    by_class = sheet.counts.by_class
    own = Counter(image.entry.class_name for image in images if image.entry.class_name is not None)
    names = list(dict.fromkeys([*by_class, *own, *sheet.classes]))
    class_places = {name: place for place, name in enumerate(names)}
    object_places: dict[str, int] = {}
    shown = [_image(image, object_places.setdefault(image.object, len(object_places)), class_places) for image in images]
    classes = [_Class(_name(name), by_class.get(name, own[name])) for name in names]
    data = _Data(sheet.digest, [_name(name) for name in object_places], classes, shown)
    return htmlsafe_json_dumps(data, dumps=lambda value: msgspec.json.encode(value).decode())


def _image(kept: Kept, place: int, class_places: dict[str, int]) -> _Image:
    entry, thumbnail = kept.entry, kept.thumbnail
    return _Image(
        object=place,
        name=_name(entry.image),
        predicted=-1 if entry.class_name is None else class_places[entry.class_name],
        percent=-1 if entry.confidence is None else math.floor(entry.confidence * 1000) / 10,  # 99.97 % is not 100 %
        unsure=entry.unsure,
        unfamiliar=entry.unfamiliar,
        error=visible(entry.error),
        note=visible(entry.note),
        source=f"data:image/{thumbnail.kind};base64,{base64.b64encode(thumbnail.content).decode()}" if thumbnail else "",
        crisp=thumbnail is not None and thumbnail.is_crisp,
        missing=visible(kept.missing),
    )


def _name(raw: str) -> _Name:
    shown = visible(raw)
    return _Name(shown, None if shown == raw else raw)


@functools.cache
def _environment() -> jinja2.Environment:
    return jinja2.Environment(
        loader=jinja2.PackageLoader("infra.show.sheet"), autoescape=True, undefined=jinja2.StrictUndefined, trim_blocks=True
    )


def _template() -> jinja2.Template:
    return _environment().get_template("page.html.jinja")


@functools.cache
def _asset(name: str) -> str:
    environment = _environment()
    if environment.loader is None:
        raise LookupError(name)
    return environment.loader.get_source(environment, name)[0]


def _hash(content: str) -> str:
    """Returns a content as policies name it."""
    return "sha256-" + base64.b64encode(hashlib.sha256(content.encode()).digest()).decode()
