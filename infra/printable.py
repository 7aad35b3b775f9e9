"""Makes the text of strangers harmless on a terminal. Pure."""


def printable(text: str) -> str:
    r"""Returns a text that moves no cursor and sets no colour, whatever it quotes: the rest is written as `\x1b`."""
    return "".join(one if one.isprintable() else ascii(one)[1:-1] for one in text)


def as_line(text: str) -> str:
    """Returns a text as one printable line, in which each run of white space is a blank."""
    return printable(" ".join(text.split()))
