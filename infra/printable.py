"""Makes the text of strangers harmless on a terminal. Pure."""

from handler.plain_text import plain


def printable(text: str) -> str:
    r"""Returns a text that moves no cursor and sets no colour, whatever it quotes, and from which credentials are removed."""
    return plain(text)


def as_line(text: str) -> str:
    """Returns a text as one printable line, in which each run of white space is a blank."""
    return printable(" ".join(text.split()))
