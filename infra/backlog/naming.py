"""Names runs. The same command gives the same name, so that it finds its unfinished run again. Pure."""

from __future__ import annotations

import hashlib
import re

import msgspec

from handler.backlog.runs import RUN_PATTERN, Order
from infra.errors import WrongUse

_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,59}")
_MAX_SLUG = 40
_DIGEST_DIGITS = 8


def parse_name(text: str) -> str:
    """Returns the name of a run that a user gives.

    Raises:
        WrongUse: it can be no such name.
    """
    if not _NAME.fullmatch(text):
        raise WrongUse(f"Expected a --run of up to 60 letters, digits, dots, dashes and underscores. Received: {text!r}.")
    return text


def require_name(text: str) -> None:
    """Requires that a run can have a name, which may also be one that a schedule gave.

    Raises:
        WrongUse: none can.
    """
    if not re.fullmatch(RUN_PATTERN, text):
        raise WrongUse(f"Expected the name of a run. Received: {text!r}; `coatcheck backlog show` lists the runs.")


def default_name(title: str, order: Order, list_digest: str) -> str:
    """Returns the name of a run over the sources `title` by an order, and by the digest of what lists name, or an empty one."""
    slug = re.sub(r"[^A-Za-z0-9]+", "-", title)[:_MAX_SLUG].strip("-") or "run"
    digest = hashlib.sha256(msgspec.json.encode([order, list_digest])).hexdigest()
    return f"{slug}-{digest[:_DIGEST_DIGITS]}"


def numbered(name: str, number: int) -> str:
    """Returns the name of the run or execution of a number, counted from 1, of those that begin with a name."""
    return name if number == 1 else f"{name}-{number}"
