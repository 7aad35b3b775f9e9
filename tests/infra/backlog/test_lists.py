"""Lists of objects, as people and the services of AWS write them: each object is read, and what is none is named."""

import csv
import gzip
import io
import json
from urllib.parse import quote_plus

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from hypothesis import given
from hypothesis import strategies as st

from handler.objects import ObjectRef
from infra.backlog.entries import Entry
from infra.backlog.lists import read_list
from infra.backlog.sources import parse_sources
from infra.backlog.tables import read_csv
from infra.score.sources import WrongSource
from tests.conftest import INPUT

HOSTILE = ["rack 1/ñ+b,c.png", 'a "quoted" one', "line\nbreak", "100%2F", "=cmd", " blanks ", "\u2028", "a/../b", "//", "{"]
KEYS = st.text(st.characters(exclude_categories=["Cs"], exclude_characters="\0"), min_size=1, max_size=40)


@pytest.fixture
def read(tmp_path):
    """Returns the entries of a list of a name and a content."""

    def read(name, content):
        path = tmp_path / name
        path.write_bytes(content if isinstance(content, bytes) else content.encode())
        return list(read_list(path))

    return read


def test_a_text_has_an_address_or_json_on_each_line(read):
    lines = ["\ufeffs3://bucket/a b.png", '{"source-ref": "s3://bucket/c\\nd"}', "", '{"bucket": "other", "key": "e"}\r']

    assert read("list.txt", "\n".join(lines)) == [Entry("bucket", "a b.png"), Entry("bucket", "c\nd"), Entry("other", "e")]


@pytest.mark.parametrize("name", ["keys.csv", "KEYS.CSV"])
def test_a_table_with_names_is_taken_as_it_is(read, name):
    content = "\ufeffSize,Key,Bucket\n12,a+b%20c.png,bucket\n\n,d.png,bucket\n"

    assert read(name, content) == [Entry("bucket", "a+b%20c.png", 12), Entry("bucket", "d.png")]


@pytest.mark.parametrize("column", ["object", "uri", "source-ref"])
@pytest.mark.parametrize("scheme", ["", "s3://"])
def test_a_table_may_have_addresses_in_one_column(read, column, scheme):
    assert read("keys.csv", f"n,{column}\n1,{scheme}bucket/a/b.png\n") == [Entry("bucket", "a/b.png")]


def test_a_table_of_predictions_is_a_list(read):
    content = "object,bucket,key,image,size_bytes\nbucket/a.zip,bucket,a.zip,1.png,70\nbucket/a.zip,bucket,a.zip,2.png,70\n"

    assert read("predictions.csv", content) == [Entry("bucket", "a.zip", 70)] * 2


@pytest.mark.parametrize("version", [[], ["v1"], [""]])
def test_the_manifest_of_batch_operations_has_no_names_and_encoded_keys(read, version):
    file = io.StringIO()
    csv.writer(file).writerows(["bucket", quote_plus(key), *version] for key in HOSTILE)

    assert read("manifest.csv", file.getvalue()) == [Entry("bucket", key) for key in HOSTILE]


@given(st.lists(KEYS, min_size=1))
def test_every_key_comes_back_from_a_manifest(keys):
    file = io.StringIO()
    csv.writer(file).writerows(["bucket", quote_plus(key)] for key in keys)

    assert list(read_csv(io.BytesIO(file.getvalue().encode()))) == [Entry("bucket", key) for key in keys]


@pytest.mark.parametrize("names", [("bucket", "key", "size"), ("Bucket", "KEY", "size_bytes")])
def test_parquet_is_told_by_its_signature(read, names):
    table = pa.table(dict(zip(names, [["bucket"] * len(HOSTILE), HOSTILE, range(len(HOSTILE))], strict=True)))
    file = io.BytesIO()
    pq.write_table(table, file)

    assert read("list", file.getvalue()) == [Entry("bucket", key, size) for size, key in enumerate(HOSTILE)]


def test_a_column_of_a_dictionary_is_text_too(read):
    table = pa.table({"uri": pa.array(["s3://bucket/a", "s3://bucket/b"]).dictionary_encode()})
    file = io.BytesIO()
    pq.write_table(table, file)

    assert read("list.parquet", file.getvalue()) == [Entry("bucket", "a"), Entry("bucket", "b")]


def test_a_list_may_be_compressed(read):
    assert read("list.txt.gz", gzip.compress(b"s3://bucket/a\n")) == [Entry("bucket", "a")]
    assert read("list.csv.gz", gzip.compress(b"bucket,a%2Bb\n")) == [Entry("bucket", "a+b")]


REPORT = {
    "sourceBucket": "source",
    "destinationBucket": "arn:aws:s3:::destination",
    "version": "2016-11-30",
    "fileFormat": "CSV",
    "fileSchema": "Bucket, Key, VersionId, IsLatest, IsDeleteMarker, Size, LastModifiedDate",
    "files": [{"key": "reports/source/daily/data/one.csv.gz", "size": 1, "MD5checksum": "x"}],
}
ROWS = [
    ["source", "a+b%2Bc.png", "v2", "true", "false", "123", "2026-01-01"],
    ["source", "a+b%2Bc.png", "v1", "false", "false", "99", "2025-01-01"],
    ["source", "gone.png", "v3", "true", "true", "", "2026-01-01"],
    ["source", "empty/", "v4", "true", "false", "0", "2026-01-01"],
]
ENTRIES = [Entry("source", "a b+c.png", 123), Entry("source", "empty/", 0)]


def report_file(rows):
    file = io.StringIO()
    csv.writer(file, quoting=csv.QUOTE_ALL).writerows(rows)
    return gzip.compress(file.getvalue().encode())


@pytest.mark.parametrize("place", ["one.csv.gz", "data/one.csv.gz", "../data/one.csv.gz"])
def test_an_inventory_is_read_by_its_manifest_without_what_is_no_longer_there(tmp_path, place):
    folder = tmp_path / "2026-05-01"
    folder.mkdir()
    file = folder / place
    file.parent.mkdir(exist_ok=True)
    file.write_bytes(report_file(ROWS))
    (folder / "manifest.json").write_text(json.dumps(REPORT))

    assert list(read_list(folder / "manifest.json")) == ENTRIES


def test_an_inventory_may_be_of_parquet_whose_keys_are_not_encoded(tmp_path):
    names = ["bucket", "key", "version_id", "is_latest", "is_delete_marker", "size"]
    rows = [("source", "a b+c%20.png", "v", True, False, 5), ("source", "old", "v", False, False, 6)]
    pq.write_table(pa.table(dict(zip(names, map(list, zip(*rows, strict=True)), strict=True))), tmp_path / "one.parquet")
    report = REPORT | {"fileFormat": "Parquet", "fileSchema": "message s3.inventory {…}", "files": [{"key": "x/one.parquet"}]}
    (tmp_path / "manifest.json").write_text(json.dumps(report))

    assert list(read_list(tmp_path / "manifest.json")) == [Entry("source", "a b+c%20.png", 5)]


def test_lists_and_inventories_may_lie_in_s3(cloud):
    cloud.s3.put_object(Bucket=cloud.input_bucket, Key=REPORT["files"][0]["key"], Body=report_file(ROWS))
    cloud.s3.put_object(Bucket=cloud.input_bucket, Key="reports/manifest.json", Body=json.dumps(REPORT))
    cloud.s3.put_object(Bucket=cloud.input_bucket, Key="a list", Body=b"s3://bucket/a\n")

    assert list(read_list(ObjectRef(cloud.input_bucket, "reports/manifest.json"))) == ENTRIES
    assert list(read_list(ObjectRef(cloud.input_bucket, "a list"))) == [Entry("bucket", "a")]
    with pytest.raises(WrongSource, match=r"Received: s3://.*/nosuch, which is not there; end a prefix with a slash\."):
        list(read_list(ObjectRef(cloud.input_bucket, "nosuch")))


FAULTS = {
    "a path": ("list", "s3://bucket/a\nphotos/a.png\n", "'photos/a.png', which is no s3://bucket/key, in entry 2"),
    "a prefix": ("list", "s3://bucket/\n", "bucket 'bucket' and key '', which no object can have, in entry 1"),
    "a bad bucket": ("list", "s3://B_/a\n", "bucket 'B_' and key 'a', which no object can have, in entry 1"),
    "no UTF-8": ("list", b"s3://bucket/\xff\n", "a key that is not UTF-8, '\\udcff', in entry 1"),
    "a long key": ("list", f"s3://bucket/{'ñ' * 600}\n", "a key of 1,200 bytes, which is more than 1,024, in entry 1"),
    "other names": ("keys.csv", "n,label\na,b\n", "the columns 'n', 'label', which are neither bucket and key"),
    "only keys": ("keys.csv", "key\na.png\n", "the columns 'key', which are neither bucket and key"),
    "a short row": ("keys.csv", "bucket,key\nbucket,a\nbucket\n", "a row of 1 columns, which are too few, in row 3"),
    "a bad key": ("keys.csv", "bucket,%FF\n", "the key '%FF', which is not form-encoded UTF-8, in row 1"),
    "an open quote": ("keys.csv", 'bucket,key\nbucket,"a\n', "a table that cannot be read after line 2"),
    "a long line": ("keys.csv", "bucket,key\nbucket," + "a" * 2**17, "a line of more than 131,072 characters"),
    "a table that is no text": ("keys.csv", b"bucket,key\nbucket,\xff\n", "a table that cannot be read after line 0"),
    "broken gzip": ("list.gz", gzip.compress(b"s3://bucket/a\n")[:-9], "Compressed file ended"),
    "no Parquet": ("keys.parquet", "PAR1", "a Parquet file that cannot be read"),
    "other JSON": ("keys.json", "{}", "JSON that is no manifest.json of an S3 Inventory"),
    "ORC": ("manifest.json", json.dumps(REPORT | {"fileFormat": "ORC"}), "an S3 Inventory in ORC; have it written as Parquet"),
    "no file of it": ("manifest.json", json.dumps(REPORT), "the file one.csv.gz, which is not beside it"),
}


@pytest.mark.parametrize("fault", FAULTS)
def test_what_names_no_object_is_an_error_that_says_where(read, fault):
    name, content, told = FAULTS[fault]
    with pytest.raises(WrongSource) as raised:
        read(name, content)

    assert str(raised.value).startswith("Expected a list of objects in S3. Received: ")
    assert told in str(raised.value)


def test_a_report_without_keys_names_its_columns(tmp_path):
    (tmp_path / "one.csv.gz").write_bytes(report_file(ROWS))
    (tmp_path / "manifest.json").write_text(json.dumps(REPORT | {"fileSchema": "Bucket, Size"}))

    with pytest.raises(WrongSource, match=r"a report of the columns Bucket, Size, without Bucket or Key, in .*one\.csv\.gz"):
        list(read_list(tmp_path / "manifest.json"))


def test_an_empty_list_is_no_error(read):
    assert read("list", "") == read("keys.csv", "") == []


def test_sources_are_one_prefix_or_lists_or_all(tmp_path):
    (tmp_path / "keys.csv").write_text("")
    lists = parse_sources([str(tmp_path / "keys.csv"), "s3://bucket/list", "-", "-"], is_all=False)

    assert (str(parse_sources([f"s3://{INPUT}/a/"], is_all=False).prefix), lists.prefix) == (f"s3://{INPUT}/a/", None)
    assert [str(one) for one in lists.lists] == [str(tmp_path / "keys.csv"), "s3://bucket/list", "-"]
    assert [parse_sources([], is_all=True).title, lists.name] == ["all inputs", "keys.csv"]
    assert [parse_sources([f"s3://bucket/{name}"], is_all=False).name for name in ("a/b/", "")] == ["a/b/", "bucket"]


@pytest.mark.parametrize(
    ("texts", "is_all", "told"),
    [
        (
            [],
            False,
            "Expected s3://bucket/prefix/, a list of objects, or --all for every input. Received: nothing; name one of these.",
        ),
        (["s3://bucket/a/"], True, "Received: both, 's3://bucket/a/' and --all; leave one out."),
        (["s3://bucket/a/", "s3://bucket/b/"], False, "start a run for each, name a prefix that holds both, or give --all"),
        (["s3://bucket/a/", "s3://bucket/list"], False, "Received: s3://bucket/a/ and s3://bucket/list; start a run for each."),
        (["s3://B/"], False, "Expected s3://bucket/prefix/, or the address of a list. Received: 's3://B/'; mend this address."),
        (["nosuch"], False, "Received: 'nosuch', which is no file here; check the path."),
        (["/"], False, "a folder here; upload it and name its prefix, or score it here with `coatcheck score`."),
    ],
)
def test_sources_that_no_run_can_have_are_refused_with_what_to_do(texts, is_all, told):
    with pytest.raises(WrongSource) as raised:
        parse_sources(texts, is_all=is_all)

    assert told in str(raised.value)
