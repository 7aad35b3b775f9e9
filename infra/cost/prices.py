"""Reads the table of prices, and the user's own over it. No AWS here: nobody asks AWS for its prices."""

from __future__ import annotations

import tomllib
from pathlib import Path
from typing import Any

import msgspec

from infra.errors import WrongUse

DEFAULT_PRICES = Path(__file__).parent / "prices.toml"

_MAX_DOLLARS = 1_000_000
_MAX_CHARACTERS = 40  # of what an error quotes


class Prices(msgspec.Struct, frozen=True, kw_only=True):
    """What AWS charges in one `region`, in dollars for the unit that each name states.

    `date` is when the prices were looked up at the `source`.
    """

    region: str
    date: str
    source: str
    s3_put_dollars_per_million: float
    s3_list_dollars_per_million: float
    s3_get_dollars_per_million: float
    sqs_dollars_per_million: float
    lambda_dollars_per_million: float
    lambda_dollars_per_gb_second: float
    logs_dollars_per_gb: float
    eventbridge_dollars_per_million: float
    scheduler_dollars_per_million: float
    sns_dollars_per_million: float
    batch_operations_dollars_per_job: float
    batch_operations_dollars_per_million: float
    step_functions_dollars_per_million: float
    metric_dollars_per_month: float
    alarm_dollars_per_month: float
    dashboard_dollars_per_month: float


_TEXTS = {"region", "date", "source"}


def load_prices(own: Path | None = None) -> Prices:
    """Returns the prices that ship, with those of the TOML file `own` in their places.

    Raises:
        WrongUse: a file cannot be read, is no TOML, or holds names or values that are no prices; the message names all of them.
    """
    table = _read(DEFAULT_PRICES)
    if own:
        table |= _read(own)
    return msgspec.convert(table, Prices)


def _read(path: Path) -> dict[str, Any]:
    try:
        table = tomllib.loads(path.read_text(encoding="utf-8"))
    except OSError as error:
        raise WrongUse(
            f"Expected a table of prices in TOML, as in {DEFAULT_PRICES}. Received: {path}, which cannot be read "
            f"({error.strerror}); check its path."
        ) from error
    except (ValueError, RecursionError) as error:
        raise WrongUse(f"Expected a table of prices in TOML, as in {DEFAULT_PRICES}. Received: {path}, {error}.") from error
    if faults := [fault for name, value in table.items() if (fault := _fault(name, value))]:
        raise WrongUse(
            f"Expected names of {DEFAULT_PRICES}, with prices of 0 to {_MAX_DOLLARS:,} dollars. "
            f"Received in {path}: {'; '.join(faults)}. Mend these, or leave them out."
        )
    return table


def _fault(name: str, value: object) -> str | None:
    """Returns what is wrong with one line of a table of prices; None if nothing is."""
    shown = f"{name} = {value!r}"
    quoted = shown if len(shown) <= _MAX_CHARACTERS else f"{shown[:_MAX_CHARACTERS]}…"
    if name not in Prices.__struct_fields__:
        return f"{quoted} (an unknown name)"
    if name in _TEXTS:
        return None if isinstance(value, str) else f"{quoted} (no text)"
    if isinstance(value, bool) or not isinstance(value, int | float):
        return f"{quoted} (no number)"
    return None if 0 <= value <= _MAX_DOLLARS else f"{quoted} (no such price)"
