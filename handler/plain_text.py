"""Makes text of strangers and of other software fit for logs, answers and terminals: printable, without credentials. Pure.

What is not printable are control and format characters, such as those that end a line or turn the text around them, lone
surrogates, unassigned characters, and every space but the common one. Letters of all scripts stay as they are.

Other software quotes credentials in the text of its errors: S3 repeats the token and the canonical request in some answers,
Python's HTTP client quotes the value of a header that it refuses, and a URL may hold a password or a signature.
"""

from __future__ import annotations

import re

REMOVED = "[removed]"  # stands for a credential

_VALUE = r"[^&\s\"'<>\\]+"
_KEY = r"((?:\b|\\[nrt]))(?-i:{}[A-Z0-9]{{16}})\b"
_CREDENTIALS = {  # by what must be in a text, in lower case, for the pattern to match: nearly no text has any of these
    "@": r"(://)[^/\s\"'<>\\@?#]+(?=@)",  # a URL's user and password
    # A parameter of a presigned URL, or a header.
    "x-amz-": rf"(X-Amz-(?:Signature|Credential|Security-Token)\\?[\"']?(?:=|%3D|:)\s*b?\\?[\"']?){_VALUE}",
    "=": rf"([?&](?:Signature|AWSAccessKeyId|[\w-]*(?:token|secret|password|api_?key|sig))=){_VALUE}",  # a URL's parameter
    "aws4-hmac": r"(AWS4-HMAC-SHA256 Credential=)[^\"'<>\\]+",  # the header Authorization
    "invalid header": r"(Invalid header value )b?'[^']*'",  # http.client's error
    # Elements of S3's answers.
    "<": r"(<(?:Token-0|AWSAccessKeyId|SignatureProvided|(?:StringToSign|CanonicalRequest)(?:Bytes)?)>)[^<]+",
    "akia": _KEY.format("AKIA"),  # the id of an access key
    "asia": _KEY.format("ASIA"),  # the same, of a temporary one
}
_PATTERNS = {sign: re.compile(pattern, re.IGNORECASE) for sign, pattern in _CREDENTIALS.items()}

_JSON_TEXT = re.compile(r'"((?:[^"\\]|\\.)*)"')


def printable(text: str) -> str:
    r"""Returns a text that moves no cursor and sets no colour, whatever it quotes: the rest is written as `\x1b`."""
    return text if text.isprintable() else "".join(one if one.isprintable() else ascii(one)[1:-1] for one in text)


def without_credentials(text: str) -> str:
    """Returns a text in which `REMOVED` stands for everything that looks like a credential."""
    lower = text.lower()
    for sign, pattern in _PATTERNS.items():
        if sign in lower:
            text = pattern.sub(rf"\1{REMOVED}", text)
    return text


def json_without_credentials(line: str) -> str:
    """Returns a JSON value from whose texts, names of fields among them, everything is removed that looks like a credential.

    Nothing beyond a text is removed with it, so that no name of an object takes other objects out of a line, or breaks it.
    """
    lower = line.lower()
    if not any(sign in lower for sign in _PATTERNS):
        return line
    line = _JSON_TEXT.sub(lambda found: f'"{without_credentials(found[1])}"', line)
    return _PATTERNS["x-amz-"].sub(rf"\1{REMOVED}", line)  # of a header or parameter whose name is a field's


def plain(text: str) -> str:
    """Returns a text that is printable and holds no credentials."""
    return printable(without_credentials(text))


def escape_json(line: str) -> str:
    r"""Returns a JSON value in which everything that is not printable is written as `\u202e`, so that the value stays exact."""
    return line if line.isprintable() else "".join(one if one.isprintable() else _as_escape(one) for one in line)


def _as_escape(character: str) -> str:
    code_units = character.encode("utf-16-be", "surrogatepass")
    return "".join(f"\\u{code_units[at]:02x}{code_units[at + 1]:02x}" for at in range(0, len(code_units), 2))
