"""Every statement of docs/sql.md: parsed as Athena's, and run by DuckDB over files of rows that a backlog would write."""

import itertools
import json
import re
import shutil
from pathlib import Path

import duckdb
import pytest
import sqlglot
from sqlglot import exp
from typer.testing import CliRunner

from handler.predictions import Input, ModelName, Prediction, PredictionDocument, Problem, RejectedImage, RejectionDocument
from infra.__main__ import app
from infra.show.documents import read_documents
from infra.stores.memory import MemoryStore
from tests.infra.show import backlogs
from tests.test_results_page import require_same

ROOT = Path(__file__).parent.parent
PAGE = (ROOT / "docs" / "sql.md").read_text()
BLOCKS = re.findall(r"^```(\w+)\n(.*?)^```$", PAGE, re.MULTILINE | re.DOTALL)
STATEMENTS = [code for kind, code in BLOCKS if kind == "sql"]
TABLES = [code for code in STATEMENTS if code.startswith("CREATE")]
SHOWN = [(code, answer) for (_, code), (kind, answer) in itertools.pairwise(BLOCKS) if kind == "text"]
OF_ATHENA = [code for code in STATEMENTS if "output/" not in code]
MAKER = "0123456789abcdef" * 4
STRUCTS = {"input": Input, "model": ModelName, "predictions": Prediction, "rejected": RejectedImage, "error": Problem}


def invoke(*arguments):
    done = CliRunner().invoke(app, list(map(str, arguments)))
    assert done.exit_code == 0, done.output


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    """The sample images, scored, as an output has them after a backlog: a folder of rows, and one with some documents too."""
    folder = tmp_path_factory.mktemp("sql")
    shutil.copytree(ROOT / "events" / "images", folder / "images")
    invoke("score", folder / "images", "--out", folder / "predictions")
    documents = [one.content for one in read_documents(folder / "predictions", store=None)]
    rows = sorted(((json.loads(line)["input"]["key"], line) for line in documents), key=lambda row: f"{row[0]}.json")
    for name, of_own in (("output", []), ("mixed", rows[::3])):
        store = MemoryStore()
        backlogs.mark(store, MAKER)
        backlogs.plan(store, "2026-11", "2026-11-01T00:00:00Z")
        for number, start in enumerate(range(0, len(rows), 40), 1):
            backlogs.shard(store, "2026-11", number, rows[start : start + 40], maker=MAKER)
        for key, line in of_own:
            backlogs.document(store, key, line)
        if of_own:  # and an earlier run, in which everything was a bag
            backlogs.plan(store, "2026-10", "2026-10-01T00:00:00Z")
            bags = [(key, re.sub(rb'"class_name":"[^"]*"', b'"class_name":"Bag"', line)) for key, line in rows]
            backlogs.shard(store, "2026-10", 1, bags, maker=MAKER)
        backlogs.copy(store, folder / name)
    return folder


@pytest.fixture(autouse=True)
def _inside(folder, monkeypatch):
    monkeypatch.chdir(folder)


def columns(table):
    """The columns of a table of Athena, with the types that DuckDB has for them."""
    definition = sqlglot.parse_one(table, read="athena")
    return {
        column.name: column.kind.sql("duckdb")
        for column in definition.find_all(exp.ColumnDef)
        if column.parent is definition.this
    }


def fields(table, name):
    """The names of the fields of a column, which is a struct, or an array of structs."""
    column = next(each for each in sqlglot.parse_one(table, read="athena").find_all(exp.ColumnDef) if each.name == name)
    struct = next(each for each in column.find_all(exp.DataType) if each.this == exp.DataType.Type.STRUCT)
    return tuple(field.name for field in struct.expressions)


def run(code, output):
    """The answer of DuckDB to a query, of Athena if it is one of those, over an output."""
    if code in OF_ATHENA:
        (code,) = sqlglot.transpile(code, read="athena", write="duckdb")
        # Athena makes a column of each field, DuckDB one of all.
        code = code.replace("UNNEST(predictions) AS", "LATERAL (SELECT UNNEST(predictions, max_depth := 2)) AS")
    rows = sorted(map(str, Path(output).glob("_coatcheck/shards/*/*/*.jsonl")))
    documents = [str(path) for path in Path(output).rglob("*.json") if "_coatcheck" not in path.parts]
    with duckdb.connect() as database:
        for table, files in zip(("coatcheck_rows", "coatcheck_documents"), (rows, documents), strict=True):
            if files:
                read = f"read_json({files}, columns = {columns(TABLES[0])}, format = 'newline_delimited', filename = '$path')"
                database.execute(f"CREATE VIEW {table} AS FROM {read}")
        database.execute(f"COPY ({code}) TO 'answer.csv' (HEADER)")
    return Path("answer.csv").read_text()


@pytest.mark.parametrize("code", OF_ATHENA)
def test_a_statement_is_one_of_athena(code):
    parsed = sqlglot.parse_one(code, read="athena")

    assert isinstance(parsed, exp.Create | exp.Select)
    assert not list(parsed.find_all(exp.Anonymous)), "a function that Athena does not have"


@pytest.mark.parametrize(("code", "answer"), [each for each in SHOWN if "coatcheck_documents" not in each[0]])
def test_a_query_gives_what_the_page_shows(code, answer):
    require_same(run(code, "output"), answer)


@pytest.mark.parametrize(("code", "answer"), [each for each in SHOWN if "coatcheck_documents" in each[0]])
def test_documents_and_the_latest_rows_give_what_the_page_shows(code, answer):
    require_same(run(code, "mixed"), answer)


@pytest.mark.parametrize(("output", "code"), [("output", SHOWN[0][0]), ("mixed", SHOWN[-2][0])])
def test_the_counts_are_those_of_the_table_that_the_command_makes(folder, output, code):
    invoke("table", folder / output, "--out", folder / "table.csv")
    counted = (
        "SELECT class_name, count(*) AS images, count_if(unsure) AS unsure FROM 'table.csv' WHERE error IS NULL "
        "GROUP BY class_name ORDER BY images DESC, class_name"
    )
    with duckdb.connect() as database:
        database.execute(f"COPY ({counted}) TO 'counted.csv' (HEADER)")

    assert run(code, output) == Path("counted.csv").read_text()


def test_both_tables_have_the_same_columns_and_the_fields_of_documents():
    assert columns(TABLES[0]) == columns(TABLES[1])
    assert set(columns(TABLES[0])) == {"schema", "input", "model", "predictions", "rejected", "error"}
    assert {"input", "model", "predictions", "rejected"} < set(PredictionDocument.__struct_fields__)
    assert "error" in RejectionDocument.__struct_fields__
    assert {name: fields(TABLES[0], name) for name in STRUCTS} == {
        name: kind.__struct_fields__ for name, kind in STRUCTS.items()
    }


def test_the_fields_of_a_prediction_are_named_in_their_order_wherever_they_are_unnested():
    named = re.findall(r"\bp \(([^)]*)\)", PAGE)

    assert len(named) == 3
    assert {tuple(each.split(", ")) for each in named} == {Prediction.__struct_fields__}
