"""Puts pictures on one page of HTML that needs no other file and runs no code. Pure, except for `write_page`."""

from __future__ import annotations

import base64
import html
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

PAGE_FILE = "index.html"

_PAGE = """<!DOCTYPE html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta http-equiv="Content-Security-Policy" content="default-src 'none'; img-src data:; style-src 'unsafe-inline'">
<meta name="viewport" content="width=device-width, initial-scale=1">
<title>{title}</title>
<style>
body {{ font: 16px/1.5 system-ui, sans-serif; max-width: 62rem; margin: 2rem auto; padding: 0 1rem; color: #222; }}
figure {{ margin: 2.5rem 0; }}
figcaption {{ margin-bottom: .75rem; }}
img {{ max-width: 100%; height: auto; }}
</style>
</head>
<body>
<h1>{title}</h1>
{notes}
{figures}
</body>
</html>
"""
_FIGURE = """<figure>
<figcaption><h2>{heading}</h2>{reading}</figcaption>
<img alt="{heading}" src="data:image/{kind};base64,{content}">
</figure>"""


@dataclass(frozen=True, slots=True)
class Picture:
    """Holds a PNG or GIF file with its name, a heading, and a sentence on how to read it."""

    file: str
    heading: str
    reading: str
    content: bytes


def render_page(title: str, notes: Sequence[str], pictures: Sequence[Picture]) -> str:
    """Renders the page: a title, a paragraph for each note, and the pictures; all text is escaped."""
    return _PAGE.format(
        title=html.escape(title),
        notes="\n".join(f"<p>{html.escape(note)}</p>" for note in notes),
        figures="\n".join(_render_figure(picture) for picture in pictures),
    )


def write_page(out: Path, title: str, notes: Sequence[str], pictures: Sequence[Picture]) -> list[Path]:
    """Writes the pictures and the page into `out`, which is created if it is missing, and returns their paths."""
    out.mkdir(parents=True, exist_ok=True)
    for picture in pictures:
        (out / picture.file).write_bytes(picture.content)
    (out / PAGE_FILE).write_text(render_page(title, notes, pictures), encoding="utf-8")
    return [out / name for name in (*(picture.file for picture in pictures), PAGE_FILE)]


def _render_figure(picture: Picture) -> str:
    return _FIGURE.format(
        heading=html.escape(picture.heading),
        reading=html.escape(picture.reading),
        kind=picture.file.rpartition(".")[2],
        content=base64.b64encode(picture.content).decode(),
    )
