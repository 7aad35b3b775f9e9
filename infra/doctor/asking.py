"""Asks AWS, or what stands in its place, and tells apart what is missing, what is refused, and what nobody answers."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

import boto3
from botocore.config import Config
from botocore.exceptions import BotoCoreError, ClientError
from botocore.parsers import ResponseParserError

from infra.advice import MISSING, REFUSED, advise
from infra.doctor.findings import Finding, unknown, wrong

_ATTEMPTS = 2


@dataclass(frozen=True, slots=True)
class Answer:
    """What came of one call: its `value`, or the `code` and the text of its error."""

    operation: str
    value: Mapping[str, Any] = field(default_factory=dict)
    code: str = ""
    text: str = ""

    @property
    def is_missing(self) -> bool:
        """Whether what was asked for is not there."""
        return self.code in MISSING

    @property
    def is_refused(self) -> bool:
        """Whether the present identity may not ask."""
        return self.code in REFUSED

    @property
    def advice(self) -> str:
        """What to do about a call that failed, if nothing better is known of what was asked for."""
        return advise(self.code, self.operation) or "try again"

    def failure(self, subject: str, missing: str) -> Finding:
        """Returns what a call that failed tells of its subject; `missing` is the advice if that is not there."""
        if self.is_missing:
            return wrong(subject, f"is not there ({self.operation}: {self.code})", missing)
        if self.is_refused:
            return wrong(subject, f"{self.operation} is refused ({self.code})", f"{self.advice}, or use another")
        return unknown(subject, f"{self.operation} failed with {self.code or 'no answer'}: {self.text}")


@dataclass(frozen=True, slots=True)
class Cloud:
    """The services of one region, each of which has `patience_s` to answer; a client is made when it is first asked."""

    region: str | None
    patience_s: int = 10
    clients: dict[str, Any] = field(default_factory=dict)

    @property
    def region_name(self) -> str:
        """The region that is asked, by its name; empty if none is known."""
        return self.region or boto3.Session().region_name or ""

    def client(self, service: str) -> Any:
        """Returns the client of a service."""
        if service not in self.clients:
            retries = {"mode": "standard", "total_max_attempts": _ATTEMPTS}
            config = Config(connect_timeout=3, read_timeout=self.patience_s, retries=retries)  # type: ignore[arg-type]
            self.clients[service] = boto3.client(service, region_name=self.region, config=config)  # type: ignore[call-overload]
        return self.clients[service]

    def ask(self, service: str, operation: str, **arguments: Any) -> Answer:
        """Makes one call, and returns what came of it; no error leaves this method."""
        try:
            call: Callable[..., Mapping[str, Any]] = getattr(self.client(service), operation)
            return Answer(operation, call(**arguments))
        except ClientError as error:
            details = error.response.get("Error", {})
            return Answer(operation, code=str(details.get("Code", "unknown")), text=str(details.get("Message", "")))
        except (BotoCoreError, ResponseParserError, ValueError) as error:  # the first line, since the body may follow
            return Answer(operation, code=type(error).__name__, text=str(error).partition("\n")[0].rstrip(".:"))
