"""Says what images cost: tables for a terminal, the rows that the page shows too, and JSON. No arithmetic of money here."""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence
from typing import Any

import msgspec
from rich.console import Console
from rich.table import Table

from infra.cost.prices import Prices
from infra.cost.sums import ITEMS, Bill, Line, Load, monthly_lines
from infra.cost.times import Times
from infra.printable import as_line

OVERVIEW_HEADS = ("route", *ITEMS, "in all")
LINE_HEADS = ("what is paid for", "how it is counted", "count", "price", "dollars")

_UNITS = {"gb_second": "GB-second", "gb": "GB"}
_MIN_WIDTH = 100  # in which the overview fits
_DIME = 0.1


def dollars_text(dollars: float) -> str:
    """Returns dollars with two decimals, or below a dime with two digits that are not zero."""
    if dollars == 0 or dollars >= _DIME:
        return f"{dollars:,.2f}"
    return f"{dollars:.{1 - math.floor(math.log10(dollars))}f}"


def overview_rows(bills: Iterable[Bill]) -> list[tuple[str, ...]]:
    """Returns a row for each route: its name, the dollars of each of `ITEMS`, and those of all."""
    return [
        (bill.route.name, *(dollars_text(bill.dollars_of(item)) for item in ITEMS), dollars_text(bill.dollars))
        for bill in bills
    ]


def line_row(line: Line) -> tuple[str, str, str, str, str]:
    """Returns the row of a line: what is paid for, how it was counted, the count, the price of a unit, and the dollars."""
    count = f"{line.count:,.0f}" if line.count == int(line.count) or line.count >= 100 else f"{line.count:.4g}"
    whole, _, decimals = f"{line.unit_dollars:.10f}".partition(".")
    price = f"{whole}.{decimals.rstrip('0').ljust(2, '0')} a {_UNITS.get(line.unit, line.unit)}"
    return line.text, line.how, count, price, dollars_text(line.dollars)


def bill_rows(bill: Bill) -> list[tuple[str, ...]]:
    """Returns a row for each line of a bill, and one of their sum."""
    return [*(line_row(line) for line in bill.lines), ("all together", "", "", "", dollars_text(bill.dollars))]


def conditions(load: Load, prices: Prices, times: Times) -> list[str]:
    """Returns sentences that say what the figures hold for, each on a line of its own."""
    measured = "expected, and not yet measured" if times.provisional else f"measured {times.measured}, {times.machine}"
    return [
        f"Images: {load.images:,}. A batch of the queue: {load.batch:,}. Memory: {load.memory_mb:,} MB. Client: {load.client}.",
        as_line(f"Prices: {prices.region}, {prices.date}, before any free tier."),
        as_line(f"Times: {measured}."),
    ]


def show(bills: Sequence[Bill], load: Load, prices: Prices, times: Times) -> None:
    """Prints an overview of several bills, or every line of a single one."""
    console = Console(width=max(Console().width, _MIN_WIDTH), markup=False, highlight=False)
    if len(bills) == 1:
        (bill,) = bills
        console.print(f"{bill.route.name}: {bill.route.told}")
        table = Table(*LINE_HEADS)
        rows = bill_rows(bill)
    else:
        table = Table(*OVERVIEW_HEADS)
        rows = overview_rows(bills)
    for column in table.columns[2 if len(bills) == 1 else 1 :]:
        column.justify = "right"
    for row in rows:
        table.add_row(*row)
    console.print(table)
    for text in [*conditions(load, prices, times), f"Each month besides: {monthly_text(prices)}."]:
        console.print(text)


def monthly_text(prices: Prices) -> str:
    """Returns one line of what a stack costs each month."""
    return ", ".join(f"{line.text} ${dollars_text(line.dollars)}" for line in monthly_lines(prices))


def json_text(bills: Sequence[Bill], load: Load, prices: Prices, times: Times) -> str:
    """Returns everything as JSON."""
    value = {
        "load": load,
        "routes": [_route_value(bill) for bill in bills],
        "monthly": [_line_value(line) for line in monthly_lines(prices)],
        "prices": prices,
        "times": times,
    }
    return msgspec.json.format(msgspec.json.encode(value)).decode()


def _route_value(bill: Bill) -> dict[str, Any]:
    return {
        "route": bill.route.name,
        "told": bill.route.told,
        "dollars": bill.dollars,
        "items": {item: bill.dollars_of(item) for item in ITEMS},
        "lines": [_line_value(line) for line in bill.lines],
    }


def _line_value(line: Line) -> dict[str, Any]:
    return {**msgspec.structs.asdict(line), "dollars": line.dollars}
