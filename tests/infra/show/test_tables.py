"""Tables: one row for each image in each format, safe for spreadsheets, bounded in memory, whole or not there."""

import csv
import io
import json
import math
import os
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime
from pathlib import Path

import duckdb
import pandas as pd
import pyarrow.parquet as pq
import pytest
from hypothesis import given
from hypothesis import strategies as st

from handler.predictions import ModelName
from infra.errors import InfraError, WrongUse
from infra.show import parquet
from infra.show.formats import Partition, TableFormat
from infra.show.lines import write_csv, write_json_lines
from infra.show.records import COLUMNS, flatten
from infra.show.tables import Shape, TableSummary, parse_shape, write_table
from tests.infra.show.rows import MODEL, WRITTEN_AT, predicted, rejected

SUFFIXES = (".parquet", ".csv", ".jsonl")
HOSTILE = ("=1+1", "+1", "-1.png", "@SUM(A1)", "\t=1", "\r=1", "\n=1", "  =1", "\uff1d1", "a;=1", "a\t@x", "a\n+1", 'a";-1')
FORMULA = "=+-@\uff1d\uff0b\uff0d\uff20\t\r\n"


def read(path):
    """The rows of a table, as dicts, with None where there is no value."""
    match path.suffix:
        case ".parquet":
            return pq.read_table(path).to_pylist()
        case ".jsonl":
            return [json.loads(line) for line in path.read_bytes().splitlines()]
        case ".csv":
            with path.open(encoding="utf-8-sig", newline="") as file:
                return list(csv.DictReader(file))


def write(tmp_path, suffix, *rows):
    told = []
    out = tmp_path / f"table{suffix}"
    summary = write_table(rows, out, tell=told.append)
    return read(out), summary, told


@pytest.mark.parametrize("suffix", SUFFIXES)
def test_each_image_is_a_row_of_all_columns_in_every_format(tmp_path, suffix):
    table, summary, told = write(tmp_path, suffix, predicted(), rejected())

    assert [tuple(row) for row in table] == [COLUMNS] * 2
    assert [(row["bucket"], row["key"], row["image"]) for row in table] == [
        ("photos", "rack/coat.png", "coat.png"),
        ("photos", "rack/torn.png", "torn.png"),
    ]
    assert summary == TableSummary(rows=2, predictions=1, rejected=1, written=2)
    assert told == []


def test_parquet_holds_the_values_of_the_documents_with_their_types(tmp_path):
    table, *_ = write(tmp_path, ".parquet", predicted(unfamiliar=True), rejected())

    assert table[0] == {
        "object": "photos/rack/coat.png",
        "bucket": "photos",
        "key": "rack/coat.png",
        "image": "coat.png",
        "class_name": "Coat",
        "class_index": 4,
        "confidence": 0.75,
        "unsure": False,
        "unfamiliar": True,
        "probabilities": [0.25, 0.75],
        "error": None,
        "message": None,
        "format": "png",
        "size_bytes": 544,
        "etag": "e0",
        "version_id": None,
        "model_name": "fashion-mnist",
        "model_version": "1.5.0",
        "model_sha256": "ab" * 32,
        "written_at": WRITTEN_AT,
    }
    assert {name: table[1][name] for name in ("class_name", "confidence", "unsure", "probabilities")} == dict.fromkeys(
        ("class_name", "confidence", "unsure", "probabilities")
    )
    assert (table[1]["error"], table[1]["message"], table[1]["version_id"]) == (
        "UnreadableImage",
        "Expected a whole one.",
        "v1",
    )


def test_csv_holds_probabilities_as_json_and_nothing_where_there_is_no_value(tmp_path):
    table, *_ = write(tmp_path, ".csv", predicted(), rejected())

    assert (table[0]["probabilities"], table[0]["unsure"], table[0]["unfamiliar"]) == ("[0.25,0.75]", "false", "")
    assert (table[1]["probabilities"], table[1]["confidence"], table[1]["error"]) == ("", "", "UnreadableImage")


def test_csv_has_one_byte_order_mark_that_pandas_and_duckdb_pass_over(tmp_path):
    write(tmp_path, ".csv", predicted("Köln/Mäntel.png"))
    path = tmp_path / "table.csv"

    assert path.read_bytes().count(b"\xef\xbb\xbf") == 1
    assert path.read_bytes().startswith(b"\xef\xbb\xbfobject,")
    assert pd.read_csv(path)["key"].tolist() == ["Köln/Mäntel.png"]
    assert duckdb.execute("SELECT bucket, key FROM read_csv(?)", [str(path)]).fetchall() == [("photos", "Köln/Mäntel.png")]


def require_no_formula(text):
    file = io.BytesIO()
    write_csv([flatten(predicted(text, image=text, class_name=text))], file, faults=None)
    content = file.getvalue().decode("utf-8-sig")

    for delimiter in ",;\t":
        for cells in csv.reader(io.StringIO(content, newline=""), delimiter=delimiter):
            for line in (line for cell in cells for line in cell.split("\n")):
                assert line.lstrip()[:1] not in set(FORMULA), (delimiter, cells)


@pytest.mark.parametrize("text", HOSTILE)
def test_no_cell_of_csv_begins_as_a_formula_however_a_spreadsheet_divides_it(text):
    require_no_formula(text)


@given(st.text(alphabet="=+-@\uff1d a1;,\t\r\n\"'|"))
def test_no_text_makes_a_formula(text):
    require_no_formula(text)


@pytest.mark.parametrize("text", ["coat.png", "a-b=c.png", "x@y", "don't", "50 + 50", 'say "hi", twice', "a;b"])
def test_text_that_is_no_formula_comes_back_from_csv_as_it_was(tmp_path, text):
    table, *_ = write(tmp_path, ".csv", predicted(image=text))

    assert table[0]["image"] == text


@pytest.mark.parametrize("suffix", [".parquet", ".jsonl"])
@pytest.mark.parametrize("text", [*HOSTILE, "\0", "\x1b[2J", "\N{MATHEMATICAL SCRIPT CAPITAL C}oat", '"},{"', "\u2028"])
def test_hostile_text_comes_back_from_parquet_and_json_lines_as_it_was(tmp_path, suffix, text):
    write(tmp_path, suffix, predicted(image=text, class_name=text))
    path = tmp_path / f"table{suffix}"
    table = pq.read_table(path).to_pylist() if suffix == ".parquet" else [json.loads(path.read_bytes())]

    assert (table[0]["image"], table[0]["class_name"]) == (text, text)


@pytest.mark.parametrize("suffix", SUFFIXES)
def test_models_of_different_classes_stand_in_one_table(tmp_path, suffix):
    other = predicted(class_name="Cat", class_index=2, probabilities=[0.0, 0.25, 0.75])
    table, *_ = write(tmp_path, suffix, predicted(), other)

    sizes = [len(row["probabilities"] if suffix != ".csv" else json.loads(row["probabilities"])) for row in table]
    assert sizes == [2, 3]


@pytest.mark.parametrize("suffix", SUFFIXES)
def test_a_row_that_cannot_be_written_is_told_in_one_line_and_costs_no_other(tmp_path, suffix):
    table, summary, told = write(tmp_path, suffix, predicted("a.png"), predicted("\udcff\n.png"), predicted("c.png"))

    assert [row["key"] for row in table] == ["a.png", "c.png"]
    assert (summary.rows, summary.written) == (3, 2)
    assert len(told) == 1
    assert told[0].startswith("Expected a row that can be written. Received: '\\udcff\\n.png' of photos/\\udcff .png")


def test_a_number_that_no_column_of_parquet_holds_costs_no_other_row(tmp_path):
    table, summary, told = write(tmp_path, ".parquet", predicted(size_bytes=2**63), predicted(class_index=2**31), predicted())

    assert [row["size_bytes"] for row in table] == [544]
    assert (summary.written, len(told)) == (1, 2)


def test_a_row_whose_time_is_not_known_has_none(tmp_path):
    table, *_ = write(tmp_path, ".parquet", predicted(written_at=None))

    assert table[0]["written_at"] is None


# --- memory ----------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("writer", [write_csv, write_json_lines])
def test_lines_are_written_before_the_next_row_is_taken(writer):
    taken = written = ahead = 0

    def records():
        nonlocal taken
        for _ in range(1000):
            taken += 1
            yield flatten(predicted())

    class Lines(io.RawIOBase):
        def write(self, content):
            nonlocal written, ahead
            written += content.count(b"\n")
            ahead = max(ahead, taken - written)

    writer(records(), Lines(), faults=None)

    assert (taken, ahead) == (1000, 0)


def test_batches_of_parquet_are_bounded_by_rows_and_by_what_the_rows_hold():
    small = [flatten(predicted())] * (parquet.MAX_BATCH_ROWS + 1)
    wide = [flatten(predicted(probabilities=[0.5] * parquet.MAX_BATCH_UNITS))] * 3

    assert [len(chunk) for chunk in parquet._chunks(small)] == [parquet.MAX_BATCH_ROWS, 1]
    assert [len(chunk) for chunk in parquet._chunks(wide)] == [1, 1, 1]


def test_row_groups_are_bounded_by_rows_and_by_bytes(tmp_path):
    wide = predicted(probabilities=[0.5] * 1_000_000)
    write_table((wide for _ in range(10)), tmp_path / "wide.parquet")
    write_table((predicted() for _ in range(parquet.MAX_GROUP_ROWS + 1)), tmp_path / "long.parquet")

    wide_file, long_file = (pq.ParquetFile(tmp_path / f"{name}.parquet").metadata for name in ("wide", "long"))
    rows_in_a_group = math.floor(parquet.MAX_GROUP_BYTES / 8_000_400)
    assert [wide_file.row_group(group).num_rows for group in range(wide_file.num_row_groups)] == [rows_in_a_group, 3]
    assert long_file.num_row_groups == 2
    assert long_file.row_group(0).num_rows <= parquet.MAX_GROUP_ROWS


# --- the place -------------------------------------------------------------------------------------------------------------


def failing():
    yield predicted()
    raise InfraError("broken off")


@pytest.mark.parametrize("suffix", SUFFIXES)
def test_a_table_that_breaks_off_leaves_the_old_one_and_nothing_else(tmp_path, suffix):
    out = tmp_path / f"table{suffix}"
    out.write_text("old")

    with pytest.raises(InfraError, match="broken off"):
        write_table(failing(), out)

    assert [(path.name, path.read_text()) for path in tmp_path.iterdir()] == [(out.name, "old")]


def test_a_folder_that_breaks_off_is_not_there(tmp_path):
    with pytest.raises(InfraError, match="broken off"):
        write_table(failing(), tmp_path / "table", Shape(TableFormat.PARQUET, Partition.CLASS))

    assert list(tmp_path.iterdir()) == []


def test_a_table_replaces_the_old_one_and_makes_the_folder_that_it_lies_in(tmp_path):
    out = tmp_path / "new" / "table.jsonl"
    write_table([predicted("a.png")], out)
    write_table([predicted("b.png")], out)

    assert [row["key"] for row in read(out)] == ["b.png"]
    assert list(out.parent.iterdir()) == [out]


@pytest.mark.parametrize("name", ["table.xlsx", "table", "table.json", "-", ".csv"])
def test_a_name_of_no_known_format_is_refused(name):
    with pytest.raises(WrongUse, match="label-studio"):
        parse_shape(Path(name))


def test_a_folder_in_the_place_of_the_table_is_refused(tmp_path):
    (tmp_path / "table.csv").mkdir()

    with pytest.raises(WrongUse, match="which is a folder"):
        write_table([predicted()], tmp_path / "table.csv")


def test_a_pipe_in_the_place_of_the_table_is_written_and_stays(tmp_path):
    pipe = tmp_path / "table.jsonl"
    os.mkfifo(pipe)
    with ThreadPoolExecutor(1) as pool:
        content = pool.submit(pipe.read_bytes)
        write_table([predicted()], pipe)

    assert json.loads(content.result())["key"] == "rack/coat.png"
    assert (pipe.is_fifo(), list(tmp_path.iterdir())) == (True, [pipe])


# --- folders in Hive's style -----------------------------------------------------------------------------------------------


def divided(tmp_path, by, *rows):
    write_table(rows, tmp_path / "table", Shape(TableFormat.PARQUET, by))
    found = {path.parent.name for path in (tmp_path / "table").rglob("*.parquet")}
    query = f"SELECT \"{by}\"::VARCHAR, key FROM read_parquet('{tmp_path}/table/*/*', hive_partitioning = true) ORDER BY key"
    return found, duckdb.sql(query).fetchall()


def test_a_table_is_divided_by_class_whatever_the_classes_are_called(tmp_path):
    names = ["Coat", "T-shirt/top", "../../x", "a=b", "\0", "ü", "%2F"]
    rows = [predicted(f"{number}.png", class_name=name) for number, name in enumerate(names)]
    found, table = divided(tmp_path, Partition.CLASS, *rows, rejected("z.png"))

    assert found == {
        "class=Coat",
        "class=T-shirt%2Ftop",
        "class=..%2F..%2Fx",
        "class=a%3Db",
        "class=%EF%BF%BD",
        "class=%C3%BC",
        "class=%252F",
        "class=__HIVE_DEFAULT_PARTITION__",
    }
    assert [key for _, key in table] == [f"{number}.png" for number in range(len(names))] + ["z.png"]
    assert (table[0][0], table[1][0], table[-1][0]) == ("Coat", "T-shirt/top", None)
    assert {path.name for path in tmp_path.iterdir()} == {"table"}


def test_a_table_is_divided_by_the_date_of_the_documents(tmp_path):
    later = predicted("b.png", written_at=datetime(2026, 11, 29, tzinfo=UTC))
    found, table = divided(tmp_path, Partition.DATE, predicted("a.png"), later, predicted("c.png", written_at=None))

    assert found == {"date=2026-11-28", "date=2026-11-29", "date=__HIVE_DEFAULT_PARTITION__"}
    assert table == [("2026-11-28", "a.png"), ("2026-11-29", "b.png"), (None, "c.png")]


def test_more_classes_than_open_files_are_all_written(tmp_path):
    names = [f"class {number}" for number in range(3 * parquet.MAX_OPEN_FILES)]
    found, table = divided(tmp_path, Partition.CLASS, *(predicted(f"{name}.png", class_name=name) for name in names * 2))

    assert (len(found), len(table)) == (len(names), 2 * len(names))


def test_more_classes_than_folders_should_be_made_are_an_error(tmp_path, monkeypatch):
    monkeypatch.setattr(parquet, "MAX_PARTITIONS", 3)

    with pytest.raises(InfraError, match="at most 3 folders"):
        divided(tmp_path, Partition.CLASS, *(predicted(class_name=str(number)) for number in range(4)))


@pytest.mark.parametrize("out", ["table.csv", "table.jsonl", "-"])
def test_only_parquet_is_divided(out):
    with pytest.raises(WrongUse, match="for a folder of Parquet alone"):
        parse_shape(Path(out), TableFormat.PARQUET if out == "-" else None, Partition.CLASS)


def test_a_folder_that_is_there_is_never_written_into(tmp_path):
    (tmp_path / "table").mkdir()
    (tmp_path / "table" / "mine").touch()

    with pytest.raises(WrongUse, match="which is there already"):
        write_table([predicted()], tmp_path / "table", Shape(TableFormat.PARQUET, Partition.CLASS))


def test_the_model_of_each_row_is_named(tmp_path):
    row = predicted()
    table, *_ = write(tmp_path, ".jsonl", row)

    assert ModelName(table[0]["model_name"], table[0]["model_version"], table[0]["model_sha256"]) == MODEL
