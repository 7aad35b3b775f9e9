"""Files of a folder and objects under a prefix, read whole and line by line."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from handler.objects import ObjectRef, Prefix
from infra.show import files as files_module
from infra.show.files import files_in, lines_of
from infra.stores.memory import MemoryStore

PLACE = Prefix("bucket", "out/")


def stored(content):
    store = MemoryStore()
    store.place(ObjectRef("bucket", "out/rows"), content)
    return files_in(PLACE, lambda: store)


@pytest.fixture(params=["folder", "memory"])
def files(request, tmp_path):
    (tmp_path / "rows").write_bytes(b"one\ntwo\n")
    (tmp_path / "link").symlink_to("rows")
    return stored(b"one\ntwo\n") if request.param == "memory" else files_in(tmp_path, store=None)


def test_a_file_is_read_whole_and_in_part_with_its_time(files):
    assert files.read("rows").content == b"one\ntwo\n"
    assert files.read("rows", 4, 6).content == b"tw"
    assert files.read("rows", 4, 100).content == b"two\n"
    assert files.read("rows", 100, 200).content == b""
    assert files.read("rows").place == files.address("rows")
    assert files.read("rows").written_at


def test_what_is_not_there_has_no_content_and_no_lines(files):
    assert files.read("nothing") is None
    assert files.read("link") is None
    assert [(key, content is None) for key, content in files.read_all(["nothing", "rows"])] == [
        ("nothing", True),
        ("rows", False),
    ]
    assert list(lines_of(files, "nothing")) == []
    assert list(files.list()) == ["rows"]


def test_lines_have_their_numbers(files):
    place = files.address("rows")

    assert [(line.place, line.content) for line in lines_of(files, "rows")] == [(f"{place}:1", b"one"), (f"{place}:2", b"two")]


@given(lines=st.lists(st.binary(max_size=40).map(lambda line: line.replace(b"\n", b"")), max_size=20), is_ended=st.booleans())
def test_lines_are_the_same_however_they_fall_into_blocks(lines, is_ended):
    lines = [line or b"x" for line in lines]
    content = b"\n".join(lines) + b"\n" * (is_ended and bool(lines))
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(files_module, "BLOCK_BYTES", 8)

        found = list(lines_of(stored(content), "rows"))

    assert [line.content for line in found] == lines
    assert [line.place for line in found] == [f"s3://bucket/out/rows:{number}" for number in range(1, len(lines) + 1)]
