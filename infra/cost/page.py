"""Writes docs/cost.md, which shows every line of a million images with its formula.

python -m infra.cost.page       after a change of prices, measured times, routes, or of the template's batch and memory
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from pathlib import Path

import msgspec
from jinja2 import Environment, FileSystemLoader, StrictUndefined

from infra.cost.command import deployed_load
from infra.cost.prices import load_prices
from infra.cost.routes import QUEUE, ROUTES
from infra.cost.sums import MILLION, REQUESTS, Load, make_bill, monthly_lines
from infra.cost.telling import LINE_HEADS, OVERVIEW_HEADS, bill_rows, conditions, dollars_text, line_row, overview_rows
from infra.cost.times import Client, load_times
from infra.paths import ROOT

PAGE = ROOT / "docs" / "cost.md"

_LEFT = {"route", *LINE_HEADS[:2]}  # heads of columns of words


def render_page() -> str:
    """Returns the page, for the prices that ship, the measured times, and the function as the template deploys it."""
    load, prices, times = deployed_load(MILLION), load_prices(), load_times()
    bills = {route.name: make_bill(route, load, prices, times) for route in ROUTES}
    queue, idle, monthly = bills[QUEUE.name], bills["sweep-idle"], monthly_lines(prices)
    faster = make_bill(QUEUE, Load(load.images, load.batch, load.memory_mb, Client.obstore), prices, times)
    whole = msgspec.structs.replace(times, row_share_boto3=1.0)
    environment = Environment(  # noqa: S701  # Markdown of our own words, which nothing is to be escaped in
        loader=FileSystemLoader(Path(__file__).parent),
        undefined=StrictUndefined,
        keep_trailing_newline=True,
    )
    return environment.get_template("page.md.jinja").render(
        load=load,
        prices=prices,
        times=times,
        bills=bills.values(),
        conditions=conditions(load, prices, times),
        overview=_table(OVERVIEW_HEADS, overview_rows(bills.values())),
        lines={name: _table(LINE_HEADS, bill_rows(bill)) for name, bill in bills.items()},
        monthly=_table(LINE_HEADS, map(line_row, monthly)),
        dollars={name: dollars_text(bill.dollars) for name, bill in bills.items()},
        requests=dollars_text(queue.dollars_of(REQUESTS)),
        rest=dollars_text(queue.dollars - queue.dollars_of(REQUESTS)),
        faster=dollars_text(faster.dollars),
        slower=dollars_text(make_bill(bills["backlog"].route, load, prices, whole).dollars),
        hourly=dollars_text(idle.dollars * 24 * 30),
        metrics=dollars_text(monthly[0].dollars),
    )


def _table(heads: Sequence[str], rows: Iterable[Sequence[str]]) -> str:
    rules = ["---" if head in _LEFT else "---:" for head in heads]
    return "\n".join(f"| {' | '.join(line)} |" for line in [heads, rules, *rows])


def main() -> None:
    """Writes the page."""
    PAGE.write_text(render_page(), encoding="utf-8")


if __name__ == "__main__":
    main()
