"""Lists of objects: whatever is written is read back, and what other tools write is read too."""

import io
import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from infra.score.lists import MAX_LINE_BYTES, read_lines, write_line

NAMES = st.text(st.characters(exclude_characters="\0", exclude_categories=["Cs"]), min_size=1, max_size=60).filter(
    lambda name: name.strip()
)


def read(content):
    return list(read_lines(io.BufferedReader(io.BytesIO(content))))


@given(
    st.lists(st.one_of(NAMES, st.sampled_from([" a", "{", "a\nb", "a\r\nb", "{}", '{"key": "x"}', "naïve", "\u2028", "a\r"])))
)
def test_what_is_written_is_read_back(names):
    content = b"".join(write_line(f"/photos/./{name}") for name in names)

    assert read(content) == [f"/photos/./{name}" for name in names]


def test_a_name_that_can_be_no_line_of_json_is_written_all_the_same():
    assert read(write_line("a\n\udcff")) == ['{"source-ref": "a\\n\\udcff"}']


def test_a_plain_path_is_written_as_it_is():
    assert write_line("/photos/./rack 1/ñ+b,c.png") == "/photos/./rack 1/ñ+b,c.png\n".encode()


@pytest.mark.parametrize("end", ["\n", "\r\n", "\n\n"])
def test_empty_lines_and_ends_of_windows_count_for_nothing(end):
    assert read(f"a.png{end}b c.png{end}s3://bucket/d.png".encode()) == ["a.png", "b c.png", "s3://bucket/d.png"]


def test_entries_may_end_with_nul_and_then_hold_line_breaks():
    assert read(b"a\nb.png\0c.png\0") == ["a\nb.png", "c.png"]
    assert read(b"".join(b"%d.png\0" % number for number in range(100_000))) == [f"{number}.png" for number in range(100_000)]


def test_names_between_nul_are_taken_as_they_are():
    assert read(b"a.png\r\0 \0\0b.png\n\0\r\n\0c.png") == ["a.png\r", " ", "b.png\n", "\r\n", "c.png"]


def test_json_names_objects_as_other_tools_write_them():
    lines = [{"source-ref": "s3://bucket/a b.png", "class": 1}, {"bucket": "bucket", "key": "c.png", "etag": "x"}, {"other": 1}]

    assert read("\n".join(map(json.dumps, lines)).encode()) == ["s3://bucket/a b.png", "s3://bucket/c.png", '{"other": 1}']


def test_a_name_that_is_no_utf8_is_kept_as_paths_have_it():
    assert read(b"\xff.png\n") == ["\udcff.png"]


def test_a_line_without_end_is_read_in_pieces_of_bounded_size():
    assert max(map(len, read(b"x" * (3 * MAX_LINE_BYTES + 1)))) == MAX_LINE_BYTES
