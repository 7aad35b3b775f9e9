"""`coatcheck table` as a user calls it: folders, S3, broken documents, wrong use."""

import json
import shutil
import subprocess
import sys
from pathlib import Path

import pyarrow.parquet as pq
import pytest

from handler.layout import LayoutName
from infra.stores.memory import MemoryStore
from tests.infra.show import backlogs
from tests.infra.show.test_documents import BROKEN, COAT, written

ROOT = Path(__file__).parents[3]


def table(*arguments, cwd=ROOT, **environment):
    return subprocess.run(
        [sys.executable, "-m", "infra", "table", *map(str, arguments)],
        capture_output=True,
        check=False,
        cwd=cwd,
        env={"PYTHONPATH": str(ROOT), "PATH": "/usr/bin:/bin"} | environment,
    )


@pytest.fixture
def documents(tmp_path):
    folder = tmp_path / "predictions"
    (folder / "rack").mkdir(parents=True)
    (folder / "rack" / "all.zip.json").write_bytes(written(LayoutName.JSON, COAT, BROKEN))
    (folder / "more.zip.jsonl").write_bytes(written(LayoutName.LINES, COAT))
    return folder


@pytest.mark.parametrize("suffix", [".parquet", ".csv", ".jsonl"])
def test_documents_of_both_layouts_become_one_table(documents, tmp_path, suffix):
    done = table(documents, "--out", tmp_path / f"t{suffix}")

    assert (done.returncode, done.stderr) == (0, b"")
    assert done.stdout.decode() == f"3 rows written, of 2 predictions and 1 rejected: {tmp_path}/t{suffix}\n"
    assert (tmp_path / f"t{suffix}").stat().st_size > 0


def test_the_table_is_predictions_parquet_unless_another_is_named(documents, tmp_path):
    assert table(documents, cwd=tmp_path).returncode == 0
    assert pq.read_metadata(tmp_path / "predictions.parquet").num_rows == 3


def test_the_time_of_a_row_is_that_of_the_file_of_its_document(documents):
    done = table(documents, "--out", "-", "--format", "jsonl")

    times = {json.loads(line)["written_at"] for line in done.stdout.splitlines()}
    assert len(times) == 2
    assert all(time.endswith("Z") for time in times)


def test_a_table_on_the_standard_output_is_the_table_alone(documents):
    done = table(documents, "--out", "-", "--format", "csv")

    assert done.stdout.decode("utf-8-sig").splitlines()[0].startswith("object,bucket,key,image,")
    assert (done.returncode, done.stderr) == (0, b"3 rows written, of 2 predictions and 1 rejected\n")


def test_a_broken_document_is_told_in_one_line_and_costs_no_other(documents, tmp_path):
    (documents / "a\n\x1b[2J.json").write_bytes(written(LayoutName.JSON, COAT)[:-9])
    (documents / "torn.jsonl").write_bytes(b"".join(written(LayoutName.LINES, COAT).splitlines(keepends=True)[:2]))
    done = table(documents, "--out", tmp_path / "t.parquet")

    assert done.returncode == 1
    lines = done.stderr.decode().splitlines()
    assert [line.startswith("error: Expected a document as its schema says. Received: ") for line in lines] == [True] * 2
    assert "\\x1b[2J.json" in lines[0]
    assert "torn.jsonl, whose last line, the summary, is missing" in lines[1]
    assert pq.read_metadata(tmp_path / "t.parquet").num_rows == 4  # the row before the fault is in the table


def test_a_folder_without_documents_makes_no_table(tmp_path):
    done = table(tmp_path, "--out", tmp_path / "t.csv")

    assert (done.returncode, len(done.stderr.splitlines())) == (1, 1)
    assert done.stderr.startswith(b"error: Expected documents with images. Received: none")
    assert not (tmp_path / "t.csv").exists()


def test_tasks_for_label_studio_name_local_files_below_its_document_root(documents, tmp_path):
    content = written(LayoutName.JSON, COAT).replace(b'"format":"zip"', b'"format":"png"')
    (documents / "rack" / "all.zip.json").write_bytes(content)
    done = table(documents, "--format", "label-studio", "--out", tmp_path / "tasks.json")

    assert done.returncode == 0, done.stderr
    assert b"1 rows written, of 2 predictions and 0 rejected; 1 left out" in done.stdout
    [task] = json.loads((tmp_path / "tasks.json").read_bytes())
    assert task["data"]["image"] == "/data/local-files/?d=photos/rack/all.zip"


def test_documents_are_read_from_s3(cloud, documents, tmp_path):
    for key in ("rack/all.zip.json", "more.zip.jsonl"):
        cloud.s3.upload_file(str(documents / key), cloud.output_bucket, f"p/{key}")
    aws = {name: value for name, value in cloud.environment.items() if name.startswith("AWS_")}
    done = table(f"s3://{cloud.output_bucket}/p/", "--partition-by", "date", "--out", tmp_path / "t", **aws)

    assert done.returncode == 0, done.stderr
    [part] = (tmp_path / "t").rglob("*.parquet")
    assert pq.ParquetFile(part).read().column("written_at")[0].as_py().date().isoformat() == part.parent.name.removeprefix(
        "date="
    )


def test_rows_of_a_backlog_are_read_from_s3_and_those_that_are_broken_are_told(cloud, tmp_path):
    store = MemoryStore()
    backlogs.mark(store)
    backlogs.plan(store, "may", "2026-05-01T00:00:00Z")
    backlogs.shard(store, "may", 1, [(key, backlogs.row(key)) for key in ("a", "b")])
    backlogs.shard(store, "may", 2, [("c", backlogs.row("c")), ("d", backlogs.row("d")[:-9])])
    backlogs.document(store, "b", backlogs.row("b", "document"))
    for ref in store.refs():
        cloud.s3.put_object(Bucket=cloud.output_bucket, Key=ref.key, Body=store.content(ref))
    aws = {name: value for name, value in cloud.environment.items() if name.startswith("AWS_")}
    address = f"s3://{cloud.output_bucket}/{backlogs.OUTPUT.prefix}"
    done = table(address, "--out", "-", "--format", "jsonl", **aws)

    rows = [json.loads(line) for line in done.stdout.splitlines()]
    assert [(row["key"], row["etag"]) for row in rows] == [("a", ""), ("b", "document"), ("c", "")]
    [told, summary] = done.stderr.decode().splitlines()
    shard = f"{address}_coatcheck/shards/{backlogs.MAKER[:16]}/may/0000002.jsonl"
    assert told.startswith(f"error: Expected a document as its schema says. Received: {shard}:2, ")
    assert (done.returncode, summary) == (1, "3 rows written, of 3 predictions and 0 rejected")


def test_a_bucket_that_is_not_there_is_an_error_in_one_line(cloud, tmp_path):
    aws = {name: value for name, value in cloud.environment.items() if name.startswith("AWS_")}
    done = table("s3://no-such-bucket/p/", "--out", tmp_path / "t.csv", **aws)

    assert (done.returncode, len(done.stderr.splitlines())) == (1, 1)
    assert b"NoSuchBucket" in done.stderr
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize(
    ("arguments", "told"),
    [
        (("--out", "t.xlsx"), b"a name that ends in .parquet, .csv or .jsonl"),
        (("--out", "-"), b"--format csv or jsonl with -"),
        (("--out", "-", "--format", "parquet"), b"a file for Parquet"),
        (("--out", "t.csv", "--partition-by", "class"), b"--partition-by for a folder of Parquet alone"),
        (("--out", "predictions/t.jsonl"), b"--out outside"),
        (("--format", "xml"), b"xml"),
    ],
)
def test_wrong_use_is_told_in_one_line_before_anything_is_read(documents, tmp_path, arguments, told):
    done = table("predictions", *arguments, cwd=tmp_path)

    assert (done.returncode, len(done.stderr.splitlines())) == (2, 1)
    assert told in done.stderr
    assert [path.name for path in tmp_path.iterdir()] == ["predictions"]


@pytest.mark.parametrize("place", ["nowhere", "s3://bucket/prefix", "s3://"])
def test_a_place_that_holds_no_documents_is_wrong_use(tmp_path, place):
    done = table(place, "--out", tmp_path / "t.csv", cwd=tmp_path)

    assert (done.returncode, len(done.stderr.splitlines())) == (2, 1)


def test_a_table_that_cannot_be_written_is_an_error_in_one_line(documents):
    done = table(documents, "--out", "/dev/null/t.csv")

    assert (done.returncode, done.stderr) == (
        1,
        b"error: Expected to read or write '/dev/null'. Received: File exists; mend that, or name another place.\n",
    )


def test_a_reader_that_leaves_early_ends_the_command_without_a_traceback(documents):
    shutil.copy(documents / "more.zip.jsonl", documents / "again.zip.jsonl")
    command = f"{sys.executable} -m infra table {documents} --out - --format jsonl | true"
    done = subprocess.run(command, shell=True, capture_output=True, check=False, cwd=ROOT)

    assert b"Traceback" not in done.stderr
