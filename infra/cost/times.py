"""Reads what was measured of the function: the time that it takes, and the log that it writes."""

from __future__ import annotations

from enum import StrEnum
from pathlib import Path
from typing import Annotated

import msgspec

from infra.errors import InfraError
from infra.paths import TIMES

_Amount = Annotated[float, msgspec.Meta(ge=0)]


class Client(StrEnum):
    """The clients by which the function may talk to S3."""

    boto3 = "boto3"
    obstore = "obstore"


class Times(msgspec.Struct, frozen=True, kw_only=True):
    """What the function takes, as measured on `machine` on the day `measured`; `provisional` if these are expectations yet.

    The figures of single objects and packed images are shares of a full batch: milliseconds of the invocation, and bytes of
    its log without Lambda's own three lines. An invocation takes `lambda_ms_least` however few objects it has, since S3 answers
    a GET in some 20 ms and a PUT in some 40, and writes `log_bytes_least`: its metrics in two lines, one object, and Lambda's
    lines. To find one object, in the listings of a sweep or in a list, and to send it takes `lambda_ms_found`. The defaults of
    these three are estimates that no benchmark has measured on AWS.

    In a shard of a backlog, a single picture takes the share `row_share` of its time, since no document is written for it, and
    `log_bytes_row` of the log. `python -m infra.bench.rows` measures these two.
    """

    lambda_ms_single_boto3: _Amount
    lambda_ms_single_obstore: _Amount
    lambda_ms_packed_image: _Amount
    log_bytes_object: _Amount
    machine: str
    measured: str
    provisional: bool = False
    lambda_ms_least: _Amount = 60.0
    lambda_ms_found: _Amount = 0.3
    log_bytes_least: _Amount = 2500.0
    row_share_boto3: _Amount = 0.6
    row_share_obstore: _Amount = 0.82
    log_bytes_row: _Amount = 45.36

    def single_ms(self, client: Client) -> float:
        """Returns the milliseconds of a single picture in a full batch, by one client of S3."""
        return self.lambda_ms_single_boto3 if client is Client.boto3 else self.lambda_ms_single_obstore

    def row_ms(self, client: Client) -> float:
        """Returns the milliseconds of a single picture in a shard of a backlog, by one client of S3."""
        return self.single_ms(client) * (self.row_share_boto3 if client is Client.boto3 else self.row_share_obstore)


def load_times(path: Path = TIMES) -> Times:
    """Returns the measured times.

    Raises:
        InfraError: the file is none that the benchmark writes.
        OSError: the file cannot be read.
    """
    try:
        return msgspec.json.decode(path.read_bytes(), type=Times)
    except msgspec.DecodeError as error:
        raise InfraError(f"Expected measured times as `make bench` writes them. Received: {path}, {error}.") from error
