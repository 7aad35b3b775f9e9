"""`coatcheck cost`: its tables, its JSON, prices of one's own, what it refuses, and the page that it agrees with."""

import json
import re
import shutil

import pytest
from typer.testing import CliRunner

from infra.__main__ import app
from infra.cost import command, page
from infra.cost.page import PAGE, render_page
from infra.cost.prices import DEFAULT_PRICES, load_prices
from infra.cost.routes import ROUTES
from infra.cost.telling import dollars_text
from infra.cost.times import load_times
from infra.errors import InfraError, WrongUse
from infra.paths import TEMPLATE, TIMES
from infra.template import read_template


def run(*arguments):
    """The output of `coatcheck cost`, or the error that it ends with."""
    done = CliRunner().invoke(app, ["cost", *arguments], env={"COLUMNS": "200"})
    if isinstance(done.exception, InfraError):
        raise done.exception
    assert done.exit_code == 0, done.output
    return done.stdout


def as_json(*arguments):
    return json.loads(run("--json", *arguments))


def test_the_page_is_what_the_command_says():
    assert PAGE.read_text() == render_page(), "the figures have changed: run `python -m infra.cost.page`"


def test_the_page_is_written_by_its_module(monkeypatch, tmp_path):
    monkeypatch.setattr(page, "PAGE", tmp_path / "cost.md")

    page.main()

    assert (tmp_path / "cost.md").read_text() == PAGE.read_text()


def test_the_page_shows_the_dollars_of_each_route_of_the_command():
    rows = dict(re.findall(r"^\| ([a-z-]+) \|.* ([0-9.]+) \|$", PAGE.read_text(), re.MULTILINE))

    told = {route["route"]: dollars_text(route["dollars"]) for route in as_json()["routes"]}
    assert told == {name: rows[name] for name in told}
    assert set(told) == {route.name for route in ROUTES}


def test_the_overview_has_a_row_for_each_route():
    lines = run().splitlines()

    for route in ROUTES:
        assert [line for line in lines if line.startswith(f"│ {route.name} ")]
    assert any(line.startswith("Each month besides: custom metrics $7.50, ") for line in lines)


def test_one_route_is_shown_with_every_line():
    shown = run("--route", "direct", "--images", "2000000")

    rows = [[cell.strip() for cell in line.strip("│").split("│")] for line in shown.splitlines() if line.startswith("│")]
    assert rows[:3] == [
        ["Lambda invokes the function", "1 per invocation", "2,000,000", "0.20 a million", "0.40"],
        ["the function reads the object", "1 per object", "2,000,000", "0.40 a million", "0.80"],
        ["the function writes its document", "1 per object", "2,000,000", "5.00 a million", "10.00"],
    ]
    assert rows[-1][0] == "all together"


def test_the_function_is_taken_as_the_template_deploys_it():
    function = read_template(TEMPLATE.read_text())["Resources"]["ScoringFunction"]["Properties"]

    load = as_json()["load"]
    assert load == {
        "images": 1_000_000,
        "batch": function["Events"]["Uploads"]["Properties"]["BatchSize"],
        "memory_mb": function["MemorySize"],
        "client": "boto3",
    }


def test_options_set_the_load():
    load = as_json("--images", "7", "--batch", "3", "--memory", "512", "--client", "obstore")["load"]

    assert load == {"images": 7, "batch": 3, "memory_mb": 512, "client": "obstore"}


def test_the_lines_of_a_route_add_up():
    for route in as_json()["routes"]:
        assert sum(line["dollars"] for line in route["lines"]) == pytest.approx(route["dollars"])
        assert sum(route["items"].values()) == pytest.approx(route["dollars"])


def test_prices_of_ones_own_take_the_places_of_those_that_differ(tmp_path):
    own = tmp_path / "prices.toml"
    own.write_text('region = "eu-central-1"\ns3_put_dollars_per_million = 54\nsqs_dollars_per_million = 0\n')

    found = as_json("--prices", str(own), "--route", "queue")

    assert found["routes"][0]["items"]["S3 requests"] == pytest.approx(54.40)
    assert found["routes"][0]["items"]["queue"] == 0
    assert (found["prices"]["region"], found["prices"]["s3_get_dollars_per_million"]) == ("eu-central-1", 0.40)
    assert "Prices: eu-central-1, 2026" in run("--prices", str(own))


def test_the_whole_table_may_be_copied(tmp_path):
    own = shutil.copy(DEFAULT_PRICES, tmp_path / "prices.toml")

    assert as_json("--prices", str(own)) == as_json()


def test_one_error_names_every_fault_of_a_table(tmp_path):
    own = tmp_path / "prices.toml"
    own.write_text(
        "s3_putt = 5\nsqs_dollars_per_million = -1\nlogs_dollars_per_gb = nan\nregion = 7\nsns_dollars_per_million = true\n"
        f"lambda_dollars_per_million = '0.2'\nmetric_dollars_per_month = 1{'0' * 400}\ns3_get_dollars_per_million = 0.4\n"
    )

    with pytest.raises(WrongUse) as caught:
        run("--prices", str(own))

    assert str(caught.value) == (
        f"Expected names of {DEFAULT_PRICES}, with prices of 0 to 1,000,000 dollars. Received in {own}: "
        "s3_putt = 5 (an unknown name); sqs_dollars_per_million = -1 (no such price); "
        "logs_dollars_per_gb = nan (no such price); region = 7 (no text); sns_dollars_per_million = True (no number); "
        "lambda_dollars_per_million = '0.2' (no number); metric_dollars_per_month = 1000000000000… (no such price). "
        "Mend these, or leave them out."
    )


@pytest.mark.parametrize("content", [b"s3 = = 5", b"\xff", b"a = 1\na = 2", b"x = " + b"[" * 5000, b"x = 1" + b"0" * 5000])
def test_what_is_no_toml_is_refused(tmp_path, content):
    own = tmp_path / "prices.toml"
    own.write_bytes(content)

    with pytest.raises(WrongUse, match=r"Expected a table of prices in TOML"):
        load_prices(own)


@pytest.mark.parametrize("name", ["none.toml", "."])
def test_a_file_that_is_not_there_and_a_folder_are_refused(tmp_path, name):
    with pytest.raises(WrongUse, match=r"Expected a table of prices in TOML, as in .*prices\.toml\. Received: "):
        load_prices(tmp_path / name)


def test_a_region_cannot_command_the_terminal(tmp_path):
    own = tmp_path / "prices.toml"
    own.write_text('region = "\\u001b[2J[red]"\n')

    shown = run("--prices", str(own))

    assert r"Prices: \x1b[2J[red], 2026" in shown


def test_an_unknown_route_is_refused_with_those_that_there_are():
    with pytest.raises(
        WrongUse, match=r"Expected one of the routes queue, packed, direct, .*\. Received: nowhere; name one of these"
    ):
        run("--route", "nowhere")


def test_a_batch_of_a_route_without_a_queue_is_refused():
    with pytest.raises(WrongUse, match=r"Received: direct, whose invocations have 1 each; leave it out\."):
        run("--route", "direct", "--batch", "10")


@pytest.mark.parametrize(
    "arguments", [["--images", "0"], ["--images", "many"], ["--batch", "10001"], ["--memory", "64"], ["--client", "curl"]]
)
def test_numbers_that_cannot_be_are_refused(arguments):
    assert CliRunner().invoke(app, ["cost", *arguments]).exit_code == 2


def test_times_that_the_benchmark_did_not_write_are_refused(tmp_path):
    path = tmp_path / "times.json"
    for content in ("{}", "[", *(json.dumps(json.loads(TIMES.read_text()) | {"log_bytes_object": it}) for it in (-1, "many"))):
        path.write_text(content)

        with pytest.raises(InfraError, match=r"Expected measured times as `make bench` writes them\. Received: "):
            load_times(path)


def test_times_that_are_only_expected_are_called_so(monkeypatch, tmp_path):
    path = tmp_path / "times.json"
    for provisional, told in (
        (True, "Times: expected, and not yet measured."),
        (False, "Times: measured 2026-11-29, a machine."),
    ):
        facts = {"provisional": provisional, "measured": "2026-11-29", "machine": "a machine"}
        path.write_text(json.dumps(json.loads(TIMES.read_text()) | facts))
        monkeypatch.setattr(command, "load_times", lambda: load_times(path))

        assert told in run()


@pytest.mark.parametrize(
    ("dollars", "text"),
    [(0, "0.00"), (5.4, "5.40"), (0.1, "0.10"), (0.0262, "0.026"), (0.0000061, "0.0000061"), (12345.678, "12,345.68")],
)
def test_small_sums_are_told_more_finely(dollars, text):
    assert dollars_text(dollars) == text
