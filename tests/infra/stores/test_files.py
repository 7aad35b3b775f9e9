"""Promises of local files alone: what lies in the folder, what people do to it by hand, several processes, and kill -9."""

import fcntl
import io
import json
import os
import subprocess
import sys
from contextlib import suppress
from datetime import UTC, datetime
from itertools import islice
from pathlib import Path

import pytest

from handler.deadline import Deadline
from handler.errors import OutOfTime, StorageUnavailable
from handler.objects import ObjectRef
from handler.store import WriteResult
from infra.stores.files import FileStore
from infra.stores.places import writing_place
from tests.infra.stores.writers import ADDITIONS, KEYS, put, read

ROOT = Path(__file__).parents[3]


def start(*arguments):
    command = [sys.executable, "-W", "error", "-m", "tests.infra.stores.writers", *map(str, arguments)]
    return subprocess.Popen(command, cwd=ROOT, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)


def finish(process):
    output, _ = process.communicate(timeout=60)
    assert process.returncode == 0
    return json.loads(output)


def test_of_two_processes_one_creates_an_object_and_no_replacement_is_lost(folder):
    store = FileStore({"photos": folder})
    put(store, "number", b"0", {"number": "0"}, None)
    processes = [start("race", folder) for _ in range(2)]
    for process in processes:
        assert json.loads(process.stdout.readline()) == "ready"
    for process in processes:
        process.stdin.write("go\n")
        process.stdin.flush()

    won = {process.pid: finish(process) for process in processes}

    assert sorted(key for keys in won.values() for key in keys) == list(range(KEYS))
    for pid, keys in won.items():
        assert all(read(store, f"{key}") == (f"{pid}".encode(), {"by": f"{pid}"}) for key in keys)
    assert read(store, "number") == (f"{2 * ADDITIONS}".encode(), {"number": f"{2 * ADDITIONS}"})


def test_a_writer_that_is_killed_at_any_step_leaves_the_old_object_or_the_new_one(folder):
    states = finish(start("kill", folder))

    assert states["old"] > 100
    assert states["new"] > 6  # as many come to their end


def test_a_writer_that_is_killed_at_any_moment_leaves_a_whole_object_with_its_metadata(folder):
    seen = finish(start("kill-at-random", folder))

    assert seen["killed in the middle"] > 0
    assert seen["states"] > 1


def test_a_process_that_is_forked_during_a_write_does_not_keep_the_lock(folder):
    assert finish(start("fork", folder)) == ["WRITTEN", "WRITTEN"]


def test_content_and_metadata_are_of_one_state_whatever_is_written_meanwhile(files_bucket):
    """The clock is looked at between the steps of a call; here others write twice whenever it is."""
    files_bucket.put("a", b"0", {"number": "0"})
    numbers = iter(range(1, 9))

    def clock():
        for number in islice(numbers, 2):
            etag = files_bucket.head("a").etag
            assert files_bucket.put("a", f"{number}".encode(), {"number": f"{number}"}, etag) is WriteResult.WRITTEN
        return 0.0

    opened = files_bucket.open("a", deadline=Deadline(at_s=10, clock=clock))

    with opened.body as body:
        content = body.read()
    assert next(numbers, None) is None
    assert opened.source.metadata == {"number": content.decode()}


def test_objects_are_plain_files_that_others_may_read(files_bucket, folder):
    files_bucket.put("predictions/a b.json", b"{}", {"model": "m"})
    umask = os.umask(0)
    os.umask(umask)

    path = folder / "predictions" / "a b.json"

    assert path.read_bytes() == b"{}"
    assert path.stat().st_mode & 0o777 == 0o666 & ~umask
    assert sorted(path.name for path in folder.iterdir()) == [".coatcheck", "predictions"]


def test_a_file_that_was_put_there_by_hand_is_an_object_without_metadata(files_bucket, folder):
    (folder / "a").mkdir()
    (folder / "a" / "b.png").write_bytes(b"pixels")
    os.utime(folder / "a" / "b.png", (1_000_000_000, 1_000_000_000))

    head = files_bucket.head("a/b.png")

    assert (head.metadata, head.size_bytes, head.version_id) == ({}, 6, None)
    assert head.last_modified == datetime.fromtimestamp(1_000_000_000, UTC)
    assert files_bucket.keys() == ["a/b.png"]
    assert files_bucket.put("a/b.png") is WriteResult.STOPPED
    assert files_bucket.put("a/b.png", b"new", {"k": "v"}, replacing=head.etag) is WriteResult.WRITTEN
    assert (files_bucket.read("a/b.png"), files_bucket.head("a/b.png").metadata) == (b"new", {"k": "v"})


def test_reading_leaves_nothing_in_the_folder(files_bucket, folder):
    (folder / "a").write_bytes(b"pixels")

    assert files_bucket.read("a") == b"pixels"
    assert files_bucket.keys() == ["a"]
    assert [path.name for path in folder.iterdir()] == ["a"]


def test_an_object_that_was_edited_by_hand_has_no_metadata_any_more(files_bucket, folder):
    files_bucket.put("a", b"1", {"k": "v"})
    (folder / "a").write_bytes(b"2")

    assert files_bucket.head("a").metadata == {}


def test_an_object_that_was_removed_by_hand_is_gone_and_leaves_nothing_to_its_successor(files_bucket, folder):
    files_bucket.put("a", b"1", {"k": "v"})
    (folder / "a").unlink()

    assert files_bucket.head("a") is None
    assert files_bucket.keys() == []
    assert files_bucket.put("a", b"1") is WriteResult.WRITTEN
    assert files_bucket.head("a").metadata == {}


def test_a_file_by_hand_takes_the_place_of_an_object_that_could_not_lie_there(files_bucket, folder):
    files_bucket.put("a/b")
    files_bucket.put("a", b"hidden")
    (folder / "a" / "b").unlink()
    (folder / "a").rmdir()
    assert files_bucket.put("a", b"still hidden", replacing=files_bucket.head("a").etag) is WriteResult.WRITTEN
    assert files_bucket.read("a") == b"still hidden"
    assert not (folder / "a").exists()

    (folder / "a").write_bytes(b"by hand")

    assert files_bucket.read("a") == b"by hand"
    assert files_bucket.keys() == ["a"]


def test_a_file_that_is_changed_in_place_while_it_is_read_is_not_read_to_its_end(files_bucket, folder):
    files_bucket.put("a", bytes(10**6))

    with files_bucket.open("a").body as body:
        body.read(10)
        with (folder / "a").open("r+b") as file:
            file.write(b"other")
        os.utime(folder / "a", (1, 1))
        with pytest.raises(StorageUnavailable, match="open s3://photos/a"):
            body.read()


def test_the_store_s_own_folder_is_never_listed_at_any_depth(files_bucket, folder):
    """A bucket's folder may lie in that of another one."""
    (folder / "inner").mkdir()
    put(FileStore({"photos": folder / "inner"}), "a", b"1", {"k": "v"}, None)
    files_bucket.put("a//b", metadata={"k": "v"})

    assert (folder / ".coatcheck").is_dir()
    assert (folder / "inner" / ".coatcheck").is_dir()
    assert files_bucket.keys() == ["a//b", "inner/a"]
    assert files_bucket.keys(".coatcheck/") == []
    assert files_bucket.head(".coatcheck/metadata/61.json") is None
    assert files_bucket.head("inner/.coatcheck/metadata/61.json") is None


def test_names_that_are_not_utf_8_and_other_things_than_files_are_no_objects(files_bucket, folder):
    with suppress(OSError):  # macOS allows no such name
        (folder / os.fsdecode(b"\xff.png")).write_bytes(b"pixels")
    os.mkfifo(folder / "pipe")
    (folder / "empty folder").mkdir()

    assert files_bucket.keys() == []
    assert files_bucket.head("pipe") is None
    assert files_bucket.put("pipe", b"1") is WriteResult.WRITTEN
    assert (files_bucket.read("pipe"), files_bucket.keys()) == (b"1", ["pipe"])


@pytest.fixture
def outside(tmp_path):
    outside = tmp_path / "outside"
    outside.mkdir()
    (outside / "secret").write_bytes(b"secret")
    return outside


def contents(folder):
    return {path.name: path.read_bytes() for path in folder.iterdir()}


def test_no_link_is_followed_out_of_the_folder(files_bucket, folder, outside):
    (folder / "file").symlink_to(outside / "secret")
    (folder / "folder").symlink_to(outside)
    (folder / "dangling").symlink_to(outside / "new")
    keys = ["file", "folder/secret", "dangling", "folder/new"]

    assert [files_bucket.head(key) for key in keys] == [None] * 4
    assert files_bucket.keys() == []
    for key in keys:
        assert files_bucket.put(key, key.encode()) is WriteResult.WRITTEN

    assert contents(outside) == {"secret": b"secret"}
    assert [files_bucket.read(key) for key in keys] == [key.encode() for key in keys]
    assert files_bucket.keys() == sorted(keys)
    assert all((folder / name).is_symlink() for name in ("file", "folder", "dangling"))


@pytest.mark.parametrize("inner", ["", "metadata", "objects", "writing"])
def test_the_store_s_own_folder_is_no_link_either(files_bucket, folder, outside, inner):
    if inner:
        (folder / ".coatcheck").mkdir()
    (folder / ".coatcheck" / inner).symlink_to(outside)

    with pytest.raises(StorageUnavailable, match="put s3://photos/a//b"):
        files_bucket.put("a//b", b"1", {"k": "v"})
    assert contents(outside) == {"secret": b"secret"}


def test_what_an_abandoned_writer_left_is_neither_followed_nor_kept(files_bucket, folder, outside):
    """A hard link is as good as the file itself: it must not be written to."""
    writing = folder / ".coatcheck" / "writing"
    writing.mkdir(parents=True)
    for suffix in ("object", "json"):
        os.link(outside / "secret", writing / os.fsdecode(writing_place("a", suffix).name))

    assert files_bucket.put("a", b"1", {"k": "v"}) is WriteResult.WRITTEN
    assert contents(outside) == {"secret": b"secret"}
    assert [path.suffix for path in writing.iterdir()] == [".lock"]


def test_a_writer_waits_for_the_lock_until_its_deadline(files_bucket, folder):
    files_bucket.put("a", b"1")
    etag = files_bucket.head("a").etag

    with (folder / ".coatcheck" / "writing" / os.fsdecode(writing_place("a", "lock").name)).open() as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        with pytest.raises(OutOfTime, match="put s3://photos/a"):
            files_bucket.put("a", b"2", replacing=etag, deadline=Deadline.after(0.05))

    assert files_bucket.read("a") == b"1"


def test_a_writer_that_runs_out_of_time_or_room_leaves_no_file_behind(files_bucket, folder):
    now = [0.0]

    class Slow(io.BytesIO):
        def read(self, size=-1):
            now[0] += 6
            return super().read(size)

    with pytest.raises(OutOfTime):
        files_bucket.put("a", Slow(bytes(10**6)), deadline=Deadline(at_s=10, clock=lambda: now[0]))

    assert [path.suffix for path in folder.rglob("*") if path.is_file()] == [".lock"]


def test_a_bucket_without_a_folder_and_a_folder_that_is_gone_are_unavailable(files_bucket, folder):
    deadline = Deadline.after(60)
    with pytest.raises(StorageUnavailable, match="s3://elsewhere/a") as raised:
        files_bucket.store.head(ObjectRef("elsewhere", "a"), deadline=deadline)
    assert (raised.value.operation, raised.value.code) == ("head", "ENOENT")

    folder.rmdir()

    for call in (files_bucket.head, files_bucket.open, files_bucket.put):
        with pytest.raises(StorageUnavailable, match="s3://photos/a"):
            call("a")
    with pytest.raises(StorageUnavailable, match="s3://photos/"):
        files_bucket.keys()


def test_damaged_metadata_are_unavailable_and_not_taken_for_none(files_bucket, folder):
    files_bucket.put("a", b"1", {"k": "v"})
    (folder / ".coatcheck" / "metadata" / "61.json").write_bytes(b"{")

    with pytest.raises(StorageUnavailable, match="head s3://photos/a") as raised:
        files_bucket.head("a")
    assert raised.value.code == "DecodeError"


def test_a_listing_looks_at_each_folder_and_file_when_its_turn_comes(files_bucket, folder):
    for key in ("a", "b", "c/a"):
        files_bucket.put(key)
    listed = files_bucket.list()

    assert next(listed).ref.key == "a"
    files_bucket.put("c/b")
    (folder / "b").unlink()

    assert [source.ref.key for source in listed] == ["c/a", "c/b"]
