"""Makes text that comes from keys, names and labels harmless to the eye. Pure; the escaping of HTML is the template's."""

from __future__ import annotations

import unicodedata

MAX_CHARACTERS = 1000  # of a name as it is shown

_JOINERS = "\u200c\u200d"  # Persian words and composed emoji need them


def visible(text: str) -> str:
    r"""Returns a text in which every character that cannot be seen, or that turns the text around it, is written as `\u202e`.

    A text of more than `MAX_CHARACTERS` is cut, and ends in an ellipsis.
    """
    shown = text if len(text) <= MAX_CHARACTERS else text[: MAX_CHARACTERS - 1] + "…"
    return shown if shown.isascii() and shown.isprintable() else "".join(map(_visible, shown))


def _visible(character: str) -> str:
    category = unicodedata.category(character)
    if character in _JOINERS or (category[0] != "C" and category not in {"Zl", "Zp"}):
        return character
    code = ord(character)
    return f"\\u{code:04x}" if code < 2**16 else f"\\U{code:08x}"
