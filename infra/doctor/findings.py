"""Defines what an examination finds, and how it is shown. Pure."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import asdict, dataclass
from enum import StrEnum
from typing import Any

from infra.printable import printable


class State(StrEnum):
    """What a finding means: all is well, something is to be mended, or it cannot be told."""

    OK = "ok"
    WRONG = "wrong"
    UNKNOWN = "unknown"


@dataclass(frozen=True, slots=True)
class Finding:
    """What was found about one subject; `advice` says what to do, and is empty if all is well."""

    subject: str
    state: State
    found: str
    advice: str = ""


def ok(subject: str, found: str) -> Finding:
    """Returns the finding that all is well."""
    return Finding(subject, State.OK, found)


def wrong(subject: str, found: str, advice: str) -> Finding:
    """Returns the finding that something is to be mended, as `advice` says."""
    return Finding(subject, State.WRONG, found, advice)


def unknown(subject: str, reason: str, advice: str = "") -> Finding:
    """Returns the finding that nothing can be told, and why."""
    return Finding(subject, State.UNKNOWN, f"cannot be told: {reason}", advice)


def judge(subject: str, found: str, advice: str, *, is_right: bool) -> Finding:
    """Returns that all is well if what was found is right, or else that it is to be mended as `advice` says."""
    return ok(subject, found) if is_right else wrong(subject, found, advice)


def lines(findings: Iterable[Finding]) -> list[str]:
    """Returns one line for each finding, in which no text of a stranger moves a cursor."""
    signs = {State.OK: "ok     ", State.WRONG: "WRONG  ", State.UNKNOWN: "?      "}
    texts = (f"{signs[one.state]}{one.subject}: {one.found}{f' -> {one.advice}' if one.advice else ''}" for one in findings)
    return [printable(text) for text in texts]


def to_json(findings: Iterable[Finding]) -> list[dict[str, Any]]:
    """Returns the findings as values of JSON."""
    return [asdict(one) for one in findings]
