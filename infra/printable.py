"""Makes the text of strangers harmless on a terminal. Pure."""


def printable(text: str) -> str:
    """Returns a text that moves no cursor and sets no colour, whatever it quotes: what cannot be printed is replaced."""
    return "".join(one if one.isprintable() else "\N{REPLACEMENT CHARACTER}" for one in text)


def as_line(text: str) -> str:
    """Returns a text as one printable line, in which each run of white space is a blank."""
    return printable(" ".join(text.split()))
