"""Lists of objects: what they name, whatever form they have, and what of them names nothing."""

import gzip
import io
import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from handler.errors import ObjectTooLarge, UnreadableList
from handler.formats import decode, listing
from handler.formats.image import Named, Unreadable

KEYS = ["a.png", "rack 1/c++ notes+100%.png", "naïve/ñ.png", 'quo"te,comma.png', "trailing/"]


def manifest(*names, prefix="s3://bucket/rack/"):
    return json.dumps([{"prefix": prefix}, *names]).encode()


@pytest.fixture
def read(fashion_target):
    return lambda content: list(decode(io.BytesIO(content), "list", fashion_target))


def reasons(items):
    return {item.name: str(item.error) for item in items if isinstance(item, Unreadable)}


def test_a_manifest_names_what_lies_under_its_prefix(read):
    assert read(manifest(*KEYS)) == [Named("bucket", f"rack/{key}") for key in KEYS]


@pytest.mark.parametrize("end", ["", "\n", "\n\n"])
def test_json_lines_name_keys_with_or_without_a_bucket(read, end):
    lines = [
        json.dumps({"key": KEYS[0]}),
        json.dumps({"Key": KEYS[1], "Bucket": "other", "size": "5"}),
        json.dumps({"key": KEYS[2]}),
    ]

    assert read(("\n".join(lines) + end).encode()) == [Named(None, KEYS[0]), Named("other", KEYS[1]), Named(None, KEYS[2])]


@pytest.mark.parametrize("end", ["", "\n", "\r\n"])
def test_augmented_manifests_name_addresses_whose_keys_are_raw(read, end):
    """Ground Truth writes the labels behind them, which are ignored."""
    lines = [json.dumps({"source-ref": f"s3://bucket/{key}", "class": 4, "class-metadata": {"key": 1}}) for key in KEYS]

    assert read((f"{end or chr(10)}".join(lines) + end).encode()) == [Named("bucket", key) for key in KEYS]


def test_a_line_of_an_augmented_manifest_may_be_as_long_as_its_labels(read):
    line = json.dumps({"source-ref": "s3://bucket/a.png", "boxes": [{"left": 1, "top": 2}] * 4000})

    assert len(line) > 90_000
    assert read(f"{line}\n{line}".encode()) == [Named("bucket", "a.png")] * 2


def test_an_inventory_names_buckets_and_encoded_keys(read):
    rows = [
        f'"bucket","{key}","v1","true","false","544","2026-11-01T00:00:00.000Z","etag","STANDARD"' for key in ("a+b", "%C3%A9")
    ]

    for pack in (bytes, gzip.compress):
        assert read(pack("\n".join(rows).encode())) == [Named("bucket", "a b"), Named("bucket", "é")]


@pytest.mark.parametrize(
    ("content", "count"),
    [
        (b'{"name": "x", "key": 5}\n' * 3, 3),
        (b'{"source-ref": "a.png"}\n{"source-ref": "b.png"}', 2),
        (b"bucket,%FF\nno bucket,b", 2),
        (manifest(1, 2, None), 3),
    ],
)
def test_a_list_that_names_nothing_is_refused_with_one_reason(read, content, count):
    with pytest.raises(UnreadableList, match=rf"Received: {count} lines without one\. The first, \w+ 1: Expected .*; mend the"):
        read(content)


@pytest.mark.parametrize("newline", ["\n", "\r\n"])
def test_csv_names_buckets_and_encoded_keys(read, newline):
    from urllib.parse import quote_plus

    content = newline.join(f"bucket,{quote_plus(key)},version" for key in KEYS).encode()

    assert read(content) == [Named("bucket", key) for key in KEYS]


def test_csv_may_be_quoted_and_percent_encoded(read):
    assert read(b'"bucket","rack%201/a.png"\n"bucket","b%2Bc.png"') == [
        Named("bucket", "rack 1/a.png"),
        Named("bucket", "b+c.png"),
    ]


@pytest.mark.parametrize("content", [manifest("a"), b'{"key": "a"}', b"bucket,a"])
def test_a_byte_order_mark_is_no_part_of_a_list(read, content):
    assert read(b"\xef\xbb\xbf" + content) == read(content)


@pytest.mark.parametrize(
    ("line", "reason"),
    [
        (b'{"key": 5}', "Received: the fields ['key']"),
        (b'{"key": "a", "bucket": 5}', "Received: the fields ['bucket', 'key']"),
        (b'{"key": "a", "bucket": "no bucket"}', "Expected the name of a bucket. Received: 'no bucket'"),
        (b'{"name": "x"}', "Received: the fields ['name']"),
        (b'{"source-ref": "a.png"}', "Expected a source-ref s3://bucket/key. Received: 'a.png'"),
        (b'{"key": "', "neither JSON nor CSV"),
        (b"\xff\xfe", "neither JSON nor CSV"),
        (b'{"key": ""}', "1 to 1024 bytes"),
        (b'{"key": "' + b"k" * 1025 + b'"}', "1 to 1024 bytes"),
        (b"[" * 5000, "Expected an object's bucket and key"),
    ],
    ids=lambda value: repr(value)[:20],
)
def test_a_line_that_names_nothing_is_a_row_and_the_others_count(read, line, reason):
    items = read(b'{"key": "a"}\n' + line + b'\n{"key": "b"}\n')

    assert [item for item in items if isinstance(item, Named)] == [Named(None, "a"), Named(None, "b")]
    ((where, why),) = reasons(items).items()
    assert where == "line 2"
    assert reason in why


@pytest.mark.parametrize("line", [b"bucket", b"bucket,%FF", b'bucket,"open', b"bucket,"])
def test_a_row_of_csv_that_names_nothing_is_a_row_under_rejected(read, line):
    items = read(b"bucket,a\n" + line + b"\nbucket,b")

    assert [item for item in items if isinstance(item, Named)] == [Named("bucket", "a"), Named("bucket", "b")]
    assert list(reasons(items)) == ["line 2"]


def test_an_entry_of_a_manifest_that_is_no_name_is_a_row(read):
    items = read(manifest("a", 5, {"x": 1}, "", "b", prefix="s3://bucket/"))

    assert [item.key for item in items if isinstance(item, Named)] == ["a", "b"]
    assert list(reasons(items)) == ["entry 2", "entry 3", "entry 4"]


@pytest.mark.parametrize(
    "content",
    [manifest("a")[:-1], manifest("a", prefix="s3://bucket/no-slash"), manifest("a", prefix="bucket"), b'[{"prefix": 5}, "a"]'],
)
def test_a_manifest_that_is_broken_is_refused(read, content):
    with pytest.raises(UnreadableList, match="Expected"):
        read(content)


def test_a_line_without_end_is_refused_before_it_fills_the_memory(read):
    with pytest.raises(UnreadableList, match="it is no list"):
        read(b'{"key": "' + b"k" * 10**6)


class Endless:
    """A body that begins as a list and never ends its line; it counts the bytes that were read of it."""

    def __init__(self):
        self.bytes_read = 0

    def read(self, size, /):
        block = (b'{"key": "' if not self.bytes_read else b"").ljust(min(size, 1000), b"k")
        self.bytes_read += len(block)
        if self.bytes_read > 10**6:
            pytest.fail("a line without end was read into memory")
        return block


def test_of_a_line_without_end_no_more_is_read_than_a_line_may_have_and_a_block(fashion_target):
    body = Endless()

    with pytest.raises(UnreadableList, match="it is no list"):
        list(decode(body, "list", fashion_target))
    assert body.bytes_read < 200_000


def test_more_names_than_a_list_may_have_are_refused(read):
    with pytest.raises(ObjectTooLarge, match=r"at most 1000 objects in a list \(MAX_LIST_OBJECTS\)"):
        read(b"\n".join(b"bucket,%d" % number for number in range(1001)))


@pytest.mark.parametrize(
    "head", [b"<html>", b"bucket", b"Photos,key", b"", b"%PDF-1.7", b'{"a": 1}', b"[1, 2]", b"ab,\x00", b"a,b"]
)
def test_what_is_no_list_is_not_taken_for_one(head):
    assert not listing.recognises(head)


@given(st.binary(max_size=300), st.sampled_from([b'[{"prefix": "s3://bucket/"},', b'{"key": "a"}\n', b"bucket,a\n"]))
def test_whatever_follows_only_names_rows_and_refusals_come_out(content, beginning):
    from handler.contract import Conversion, PixelShape
    from handler.formats.image import Target
    from handler.limits import Limits

    limits = Limits(
        object_bytes=10**6,
        image_pixels=1,
        images=1,
        archive_members=1,
        member_bytes=10**6,
        unpacked_bytes=1,
        compression_ratio=1,
        list_objects=10**6,
    )
    target = Target(PixelShape(2, 3, 1), Conversion(), limits)
    try:
        items = list(decode(io.BytesIO(beginning + content), "list", target))
    except UnreadableList:
        return
    assert {type(item) for item in items} <= {Named, Unreadable}


@pytest.mark.parametrize("names", [b"bucket,key", b"Bucket,Key", b'"Bucket","Key","Size"', b"BUCKET, KEY\r"])
def test_a_first_line_of_names_is_no_object(names, read):
    assert read(names + b"\nphotos,a.png\nphotos,b.png\n") == [Named("photos", "a.png"), Named("photos", "b.png")]


@pytest.mark.parametrize(("beginning", "most"), [(b"bucket,a,", 2**14), (b'{"key": "a", "bucket": "bucket", "x": "', 2**17)])
def test_a_line_may_be_as_long_as_the_longest_and_no_byte_longer(beginning, most, read):
    end = b'"}' if beginning.startswith(b"{") else b""
    line = beginning + b"x" * (most - len(beginning) - len(end)) + end

    for content in (line, line + b"\n", b"\n".join([line] * 3)):
        assert set(read(content)) == {Named("bucket", "a")}
    for content in (line + b" ", line + b" \n", b"\n".join([line, line + b" ", line])):
        with pytest.raises(UnreadableList, match=f"lines of at most {most} bytes"):
            read(content)


def test_a_key_has_one_to_1024_bytes(read):
    for key in ("k", "k" * 1024, "\u00e9" * 512):
        assert read(json.dumps({"key": key}).encode()) == [Named(None, key)]
    for key in ("", "k" * 1025, "\u00e9" * 513):
        assert [item.name for item in read(json.dumps({"key": key}).encode() + b'\n{"key": "a"}')[:1]] == ["line 1"]


@pytest.mark.parametrize(
    ("bucket", "is_one"),
    [("abc", True), ("a" * 255, True), ("A.b_c-9", True), ("ab", False), ("a" * 256, False), ("-ab", False), ("ab-", False)],
)
def test_the_name_of_a_bucket_may_be_as_long_as_the_oldest_are(bucket, is_one, read):
    first, second = read(json.dumps({"key": "a", "bucket": bucket}).encode() + b'\n{"key": "b"}')

    assert isinstance(first, Named) == is_one
    assert second == Named(None, "b")


@pytest.mark.parametrize(
    ("line", "expected"),
    [
        (b'{"KEY": "a", "BUCKET": "other"}', Named("other", "a")),
        (b'{"key": "a", "source-ref": "s3://other/b"}', Named(None, "a")),
        (b'{"Source-Ref": "s3://other/b", "bucket": "none"}', Named("other", "b")),
        (b'  {"key": "a", "bucket": null}', Named(None, "a")),
    ],
)
def test_fields_are_known_by_their_names_in_any_case_and_a_key_goes_before_an_address(line, expected, read):
    assert read(line) == [expected]


def test_only_the_first_line_of_csv_may_be_names(read):
    assert read(b"bucket,key\nbucket,key\n") == [Named("bucket", "key")]
    assert read(b"photos,a.png\nbucket,key\n") == [Named("photos", "a.png"), Named("bucket", "key")]
    assert read(b"bucket,key\n\n \nno bucket,a\nphotos,b")[0].name == "line 4"


def test_a_manifest_may_have_spaces_and_its_first_entry_has_a_prefix_alone(read):
    assert read(b' [ { "prefix" : "s3://bucket/" } , "a" ]') == [Named("bucket", "a")]
    with pytest.raises(UnreadableList, match="Expected a first entry"):
        read(b'[{"prefix": "s3://bucket/", "other": 1}, "a"]')
    assert [item.name for item in read(manifest(1, "a", None, prefix="s3://bucket/")) if isinstance(item, Unreadable)] == [
        "entry 1",
        "entry 3",
    ]
