"""Every example of docs/results.md, run on the sample images: what the page shows is what comes out."""

import contextlib
import inspect
import io
import itertools
import json
import os
import re
import shlex
import shutil
from datetime import UTC, datetime
from pathlib import Path
from xml.etree import ElementTree as ET

import duckdb
import jq
import pytest
import sqlglot
from typer.testing import CliRunner

from handler.contract import parse_manifest
from handler.model import BUNDLED_ARTIFACT
from infra.__main__ import app
from infra.commands.scoring import score
from infra.commands.tables import table
from infra.show.formats import Partition, TableFormat
from infra.show.parquet import SCHEMA
from infra.show.records import COLUMNS
from infra.show.tables import Shape, write_table
from tests.infra.show.rows import predicted

ROOT = Path(__file__).parent.parent
PAGE = (ROOT / "docs" / "results.md").read_text()
BLOCKS = re.findall(r"^```(\w+)\n(.*?)^```$", PAGE, re.MULTILINE | re.DOTALL)
SHOWN = [(*block, answer) for block, (kind, answer) in itertools.pairwise(BLOCKS) if kind == "text"]
ATHENA = [code for kind, code in BLOCKS if kind == "sql" and "predictions.parquet" not in code]
DECIMAL = r"\b[01]\.\d+"
WRITTEN_AT = datetime(2026, 11, 28, 12, tzinfo=UTC).timestamp()
TYPES = {"string": "TEXT", "int32": "INT", "int64": "BIGINT", "double": "DOUBLE", "bool": "BOOLEAN"}


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    """A folder in which the commands at the top of the page were run, on a checkout's samples."""
    folder = tmp_path_factory.mktemp("results")
    shutil.copytree(ROOT / "events" / "images", folder / "events" / "images")
    _, commands = BLOCKS[0]
    with contextlib.chdir(folder):
        for command in commands.splitlines():
            run(command)
            for path in (folder / "predictions").rglob("[!.]*.json"):
                os.utime(path, (WRITTEN_AT, WRITTEN_AT))
    return folder


def run(command):
    done = CliRunner().invoke(app, shlex.split(command)[1:])
    assert done.exit_code == 0, done.output


def run_sh(code):
    """The output of `jq`, as the library gives it."""
    command, option, program, *names = shlex.split(code)
    assert (command, option) in {("jq", "-r"), ("jq", "-c")}
    values = [value for name in names for value in jq.compile(program).input_text(Path(name).read_text())]
    return "".join(f"{value if option == '-r' else json.dumps(value, separators=(',', ':'))}\n" for value in values)


def run_sql(code):
    """The output of DuckDB as CSV, of a query in its own dialect or in Athena's."""
    if code in ATHENA:
        (code,) = sqlglot.transpile(code, read="athena", write="duckdb")
    with duckdb.connect() as database:
        if Path("table").exists():
            parts = "read_parquet('table/*/*', hive_partitioning = true, hive_types = {'date': VARCHAR})"
            database.execute(f"CREATE VIEW predictions AS FROM {parts}")
        database.execute(f"COPY ({code}) TO 'answer.csv' (HEADER)")
    return Path("answer.csv").read_text()


def run_python(code):
    with contextlib.redirect_stdout(io.StringIO()) as output:
        exec(compile(code, "docs/results.md", "exec"), {})
    return output.getvalue()


def divide(answer):
    """The text of an answer, and its decimal numbers, whose last digits differ from processor to processor."""
    return re.sub(DECIMAL, "#", answer), [float(number) for number in re.findall(DECIMAL, answer)]


def require_same(answer, shown):
    text, numbers = divide(answer)
    expected_text, expected_numbers = divide(shown)
    assert text == expected_text
    assert numbers == pytest.approx(expected_numbers, abs=0.003)


RUNNERS = {"sh": run_sh, "sql": run_sql, "python": run_python}


@pytest.mark.parametrize(("kind", "code", "answer"), [each for each in SHOWN if each[1] not in ATHENA])
def test_an_example_prints_what_the_page_shows(folder, monkeypatch, kind, code, answer):
    monkeypatch.chdir(folder)

    require_same(RUNNERS[kind](code), answer)


def test_the_query_of_athena_gives_what_the_page_shows_over_the_parts(folder, monkeypatch):
    monkeypatch.chdir(folder)
    run("coatcheck table predictions --partition-by date --out table")
    [(_, code, answer)] = [each for each in SHOWN if each[1] in ATHENA]

    assert run_sql(code) == answer


def test_the_table_of_athena_has_the_columns_of_the_parts_with_their_types():
    definition = sqlglot.parse_one(ATHENA[0], read="athena")
    *columns, by = [(column.name, column.kind.sql()) for column in definition.find_all(sqlglot.exp.ColumnDef)]

    expected = {"probabilities": "ARRAY<DOUBLE>", "written_at": "TIMESTAMP"}
    assert columns == [(name, expected.get(name) or TYPES[str(SCHEMA.field(name).type)]) for name in COLUMNS]
    assert by == ("date", "TEXT")


def test_the_folder_is_repaired_in_athena_under_the_name_that_was_given():
    assert ATHENA[1].split() == ["MSCK", "REPAIR", "TABLE", "predictions"]


def test_the_page_names_every_column_and_every_format():
    assert [name for name in COLUMNS if f"`{name}`" not in PAGE] == []
    assert [each for each in TableFormat if f".{each}" not in PAGE and f"--format {each}" not in PAGE] == []
    assert [each for each in Partition if f"--partition-by {each}" not in PAGE] == []


def test_every_command_of_the_page_is_one_of_ours():
    commands = {"table": inspect.signature(table).parameters, "score": inspect.signature(score).parameters}
    known = {"format": "table_format"}
    for line in re.findall(r"coatcheck (?:table|score)[^`\n]*", PAGE):
        _, name, *arguments = shlex.split(line)
        options = [argument.removeprefix("--") for argument in arguments if argument.startswith("--")]
        assert [each for each in options if known.get(each, each.replace("-", "_")) not in commands[name]] == [], line


def test_the_labeling_configuration_has_the_names_of_the_tasks_and_the_classes_of_the_model(tmp_path):
    [configuration] = [code for kind, code in BLOCKS if kind == "xml"]
    view = ET.fromstring(configuration)
    write_table([predicted()], tmp_path / "tasks.json", Shape(TableFormat.LABEL_STUDIO))
    task = (tmp_path / "tasks.json").read_text()

    assert view.find("Image").attrib == {"name": "image", "value": "$image"}
    assert view.find("Choices").attrib == {"name": "choice", "toName": "image"}
    assert ('"from_name":"choice"' in task, '"to_name":"image"' in task) == (True, True)
    manifest = parse_manifest((BUNDLED_ARTIFACT / "manifest.json").read_bytes())
    assert [choice.attrib["value"] for choice in view.iter("Choice")] == list(manifest.classes)
