"""`coatcheck score`, as a user calls it: documents, what is passed over, what failed, and how it ends."""

import csv
import hashlib
import json
import shutil
import signal
import subprocess
import sys
import time
import zipfile
from contextlib import suppress
from pathlib import Path

import jsonschema
import pytest

from tests.infra.score.conftest import IMAGES, ROOT, score_into

BROKEN = b"\x89PNG\r\n\x1a\nnothing"


@pytest.fixture
def mixed(photos):
    """Beside good images, one that is broken, a text and an archive that holds both."""
    (photos / "broken.png").write_bytes(BROKEN)
    (photos / "notes.txt").write_text("no image")
    with zipfile.ZipFile(photos / "all.zip", "w") as archive:
        archive.write(IMAGES / "bag-0.png", "bag.png")
        archive.writestr("broken.png", BROKEN)
    return photos


def test_each_file_gets_the_document_that_the_function_writes(score, photos):
    summary = score.summary(photos)

    documents = score.documents()
    assert sorted(documents) == sorted(f"{path.relative_to(photos)}.json" for path in photos.rglob("*.png"))
    schema = json.loads((ROOT / "handler/schemas/predictions.json").read_text())
    for key, content in documents.items():
        document = json.loads(content)
        jsonschema.validate(document, schema)
        name = key.removesuffix(".json")
        image = (photos / name).read_bytes()
        assert document["input"] == {
            "bucket": "photos",
            "key": name,
            "etag": hashlib.md5(image, usedforsecurity=False).hexdigest(),
            "version_id": None,
            "size_bytes": len(image),
            "format": "png",
        }
    assert (summary["objects"]["scored"], summary["images"], summary["classified"]) == (10, 10, 10)


def test_what_has_its_document_is_passed_over_and_what_changed_is_scored(score, photos):
    first = score.summary(photos)
    before = score.documents()
    shutil.copy(IMAGES / "bag-1.png", photos / "rack" / "bag-0.png")
    (score.out / "shelf" / "coat-0.png.json").unlink()
    (photos / "new.png").write_bytes((IMAGES / "dress-1.png").read_bytes())

    second = score.summary(photos)

    after = score.documents()
    assert (second["classified"], second["objects"]["duplicate"], second["images"]) == (3, 8, 11)
    assert {key for key in after if after[key] != before.get(key)} == {"rack/bag-0.png.json", "new.png.json"}
    assert first["by_class"]["Coat"] == second["by_class"]["Coat"]


def test_a_summary_counts_all_documents_whoever_wrote_them(score, photos):
    first, second = score.summary(photos), score.summary(photos)

    assert second["classified"] == 0
    assert {name: first[name] for name in ("images", "by_class", "unsure")} == {
        name: second[name] for name in ("images", "by_class", "unsure")
    }


def test_what_failed_or_was_rejected_is_a_list_for_the_next_run(score, mixed, tmp_path):
    failed = tmp_path / "failed.txt"

    first = score.summary(mixed, "--failed", failed)

    assert failed.read_text().splitlines() == [f"{mixed}/./broken.png", f"{mixed}/./notes.txt"]
    assert {(one["error"], one["count"]) for one in first["rejected"]} == {("UnreadableImage", 2), ("UnrecognisedFormat", 1)}
    shutil.copy(IMAGES / "coat-0.png", mixed / "broken.png")
    second = score.summary("-", "--failed", failed, stdin=failed.read_text(), cwd=tmp_path)

    assert failed.read_text().splitlines() == [f"{mixed}/./notes.txt"]
    assert (second["objects"]["scored"], second["objects"]["duplicate"]) == (1, 1)
    document = json.loads(score.documents()["broken.png.json"])
    assert (document["input"]["bucket"], document["predictions"][0]["class_name"]) == ("photos", "Coat")


def test_a_file_and_a_list_of_paths_are_scored_like_a_folder(score, photos, tmp_path):
    score.summary(photos)
    expected = score.documents()

    paths = "\n".join(f"photos/./{path.relative_to(photos)}" for path in photos.rglob("*.png"))
    listed = score.summary("-", "--out", tmp_path / "other", stdin=paths, cwd=tmp_path)
    one = score.summary(
        photos / "rack" / "coat-0.png" if (photos / "rack/coat-0.png").exists() else photos / "shelf/coat-0.png"
    )

    assert score.documents(tmp_path / "other") == expected
    assert (listed["objects"]["scored"], one["classified"]) == (10, 1)
    assert "coat-0.png.json" in score.documents()


@pytest.mark.parametrize(("options", "status"), [((), 0), (("--strict",), 1)])
def test_rejected_objects_make_a_run_fail_only_if_it_is_strict(score, mixed, options, status):
    assert score(mixed, *options).returncode == status


def test_a_line_that_names_nothing_fails_alone(score, photos, tmp_path):
    failed = tmp_path / "failed.txt"
    done = score("-", "--json", "--failed", failed, stdin=f"nothing.png\n{photos}/rack/bag-0.png\n", cwd=tmp_path)

    summary = json.loads(done.stdout)
    assert (done.returncode, summary["objects"]["scored"], summary["objects"]["failed"]) == (1, 1, 1)
    assert failed.read_text() == "nothing.png\n"


def test_people_read_classes_reasons_and_places(score, mixed):
    done = score(mixed)

    assert done.returncode == 0
    assert done.stderr == ""
    assert "13 objects in" in done.stdout
    for expected in ("11 scored", "2 rejected", "11 images", "Ankle boot", "UnreadableImage", f"documents: {score.out}"):
        assert expected in done.stdout


def test_a_table_has_a_row_for_each_image_in_the_order_of_the_files_however_often_it_is_run(score, mixed, tmp_path):
    tables = []
    for suffix in ("csv", "jsonl"):
        score.summary(mixed, "--table", tmp_path / f"table.{suffix}")
    with (tmp_path / "table.csv").open(encoding="utf-8-sig", newline="") as file:
        tables.append([(row["key"], row["image"], row["class_name"], row["error"]) for row in csv.DictReader(file)])
    lines = [json.loads(line) for line in (tmp_path / "table.jsonl").read_text().splitlines()]
    tables.append([(row["key"], row["image"], row["class_name"] or "", row["error"] or "") for row in lines])

    assert tables[0] == tables[1]
    assert [row[:2] for row in tables[0][:2]] == [("all.zip", "bag.png"), ("all.zip", "broken.png")]
    assert len(tables[0]) == 14
    assert {row[3] for row in tables[0]} == {"", "UnreadableImage", "UnrecognisedFormat"}


def test_a_page_shows_each_image_with_its_prediction(score, mixed, tmp_path):
    done = score(mixed, "--page", tmp_path / "page.html", "--table", tmp_path / "table.csv")

    page = (tmp_path / "page.html").read_text()
    assert done.stdout.splitlines()[-2:] == [f"table: {tmp_path}/table.csv", f"page: {tmp_path}/page.html"]
    assert all(text in page for text in ("coat-0.png", "bag.png", "notes.txt", "UnrecognisedFormat", "<title>photos"))
    assert page.count("data:image/") == 11


def test_the_home_folder_may_be_abbreviated_in_every_place(score, photos, tmp_path):
    score.environment["HOME"] = str(tmp_path)

    score.summary("~/photos", "--out", "~/d", "--table", "~/t.csv", "--page", "~/p.html", "--failed", "~/f.txt", cwd=tmp_path)

    assert {path.name for path in tmp_path.iterdir()} == {"photos", "d", "t.csv", "p.html", "f.txt"}


def test_documents_inside_the_folder_are_no_input(score, photos):
    score.out = photos / "predictions"

    first, second = (score.summary(photos)["objects"] for _ in range(2))

    assert (first["scored"], first["rejected"], second["duplicate"], second["scored"]) == (10, 0, 10, 0)


def test_documents_that_a_list_names_are_no_input_however_they_are_written(score, photos, tmp_path):
    (tmp_path / "link").symlink_to(score.out)

    for documents in (0, 10, 10):
        found = [str(path.relative_to(tmp_path)) for path in tmp_path.rglob("*.*") if path.is_file()]
        links = [f"link/{path}" for path in score.documents()]
        marked = [f"out/./{path}" for path in score.documents()]
        inside = sum(line.startswith("out/") for line in found) + len(links) + len(marked)
        lines = [f"./{line}" for line in found] + links + marked
        summary = score.summary("-", stdin="\n".join(lines), cwd=tmp_path)

        assert len(links) == documents
        assert (sum(summary["objects"].values()), summary["in_output"]) == (10, inside)
        assert sorted(score.documents()) == sorted(f"photos/{path.relative_to(photos)}.json" for path in photos.rglob("*.png"))


def test_people_are_told_how_many_lines_name_documents(score, photos):
    score.summary(photos)

    done = score("-", stdin="\n".join(str(score.out / path) for path in score.documents()))

    assert "nothing to do; left out: 10 lines that name something in --out" in done.stdout


@pytest.mark.parametrize("text", ["out/rack/bag-0.png.json", "./out/rack/bag-0.png.json", "link/bag-0.png.json"])
def test_a_document_that_is_named_itself_is_refused(score, photos, tmp_path, text):
    score.summary(photos)
    (tmp_path / "link").symlink_to(score.out / "rack")
    before = score.documents()

    done = score(text, cwd=tmp_path)

    assert (done.returncode, len(done.stderr.splitlines())) == (2, 1)
    assert "Expected an --out that does not hold what is to be scored" in done.stderr
    assert score.documents() == before


def test_two_folders_of_one_name_are_not_taken_for_each_other(score, photos, tmp_path):
    other = tmp_path / "other" / "photos"
    shutil.copytree(photos, other)
    (other / "rack" / "bag-0.png").write_bytes((IMAGES / "coat-1.png").read_bytes())
    score.summary(photos)
    before = score.documents()

    for arguments in ((other,), (photos, other)):
        done = score(*arguments)

        assert (done.returncode, done.stdout) == (2, "")
        assert done.stderr.startswith("error: Expected one folder of the name 'photos'. Received: ")
        assert "name another --out" in done.stderr
    assert score.documents() == before


def test_equal_paths_in_two_folders_are_refused_before_anything_is_scored(score, photos, tmp_path):
    shutil.copytree(photos, tmp_path / "later")

    done = score(photos, tmp_path / "later", "--json")

    assert (done.returncode, done.stdout, len(done.stderr.splitlines())) == (2, "", 1)
    assert f"rack/bag-0.png in {tmp_path}/later and in {photos}" in done.stderr
    assert score.documents() == {}


def test_different_paths_in_two_folders_are_scored_together(score, photos, tmp_path):
    (photos / "rack").rename(tmp_path / "rack")
    (tmp_path / "rack" / "bag-0.png").rename(tmp_path / "rack" / "shelf.png")

    summary = score.summary(photos, tmp_path / "rack")

    assert summary["objects"]["scored"] == 10
    assert {json.loads(content)["input"]["bucket"] for content in score.documents().values()} == {"photos", "rack"}


def test_a_place_that_another_folder_took_before_is_left_alone(score, photos, tmp_path):
    shutil.copytree(photos, tmp_path / "later")
    score.summary(photos)
    before = score.documents()

    done = score(tmp_path / "later", "--json")

    summary = json.loads(done.stdout)
    assert (done.returncode, summary["objects"]["failed"], summary["failed"][0]["error"]) == (1, 10, "UnacceptedObject")
    assert "of their own" in summary["failed"][0]["example"]
    assert score.documents() == before


@pytest.mark.parametrize(
    ("arguments", "told"),
    [
        ((), "Missing argument"),
        (("nothing",), "Expected a file, a folder, or s3://bucket/key. Received: 'nothing'"),
        (("{photos}", "--out", "{photos}/rack/bag-0.png"), "Expected a folder"),
        (("{photos}/shelf", "--out", "{photos}"), "does not hold what is to be scored"),
        (("{photos}", "--out", "s3://b"), "s3://bucket/prefix/"),
        (("{photos}", "--artifact", "s3://BUCKET/x"), "s3://bucket/prefix/"),
        (("{photos}", "--processes", "0"), "--processes"),
        (("s3://NO/x",), "Expected s3://bucket/key"),
        (("{photos}", "--table", "table.xls"), ".parquet, .csv or .jsonl"),
        (("{photos}", "--page", "/proc/x/page.html"), "whose folder cannot be made"),
        (("{photos}", "--failed", "/dev/null/failed.txt"), "whose folder cannot be made"),
    ],
)
def test_wrong_use_ends_with_status_2_and_one_line_that_says_what_to_do(score, photos, arguments, told):
    done = score(*(str(argument).format(photos=photos) for argument in arguments))

    assert (done.returncode, done.stdout) == (2, "")
    assert told in done.stderr
    assert len(done.stderr.splitlines()) == 1


def test_a_broken_artifact_is_an_error_in_one_line(score, photos, tmp_path):
    done = score(photos, "--artifact", tmp_path)

    assert (done.returncode, done.stdout, len(done.stderr.splitlines())) == (1, "", 1)
    assert done.stderr.startswith("error: Expected an artifact with model.tflite and manifest.json.")


def test_settings_of_the_function_limit_objects_here_too(score, photos):
    score.environment["MAX_OBJECT_BYTES"] = "100"
    summary = score.summary(photos)

    assert [(one["error"], one["count"]) for one in summary["rejected"]] == [("ObjectTooLarge", 10)]
    del score.environment["MAX_OBJECT_BYTES"]
    assert score.summary(photos)["objects"]["scored"] == 10


def test_a_wrong_setting_is_wrong_use(score, photos):
    score.environment["MAX_OBJECT_BYTES"] = "many"
    done = score(photos)

    assert (done.returncode, len(done.stderr.splitlines())) == (2, 1)
    assert "MAX_OBJECT_BYTES" in done.stderr


@pytest.fixture(scope="module")
def many(tmp_path_factory):
    """Enough images for a run of some seconds, also after 700 of them are done."""
    folder = tmp_path_factory.mktemp("many")
    content = [path.read_bytes() for path in sorted(IMAGES.glob("*-?.png"))]
    for number in range(4000):
        (folder / f"{number:05}.png").write_bytes(content[number % len(content)])
    return folder


@pytest.fixture(scope="module")
def undisturbed(many, tmp_path_factory):
    """The documents of a run over `many` that nobody stopped."""
    score = score_into(tmp_path_factory.mktemp("undisturbed"))
    score.summary(many)
    return score.documents()


@pytest.mark.slow
@pytest.mark.parametrize("end", [signal.SIGKILL, signal.SIGINT, signal.SIGTERM], ids=["killed", "interrupted", "ended"])
def test_a_run_that_was_stopped_goes_on_and_no_image_is_classified_twice(score, many, undisturbed, tmp_path, end):
    """The model itself counts what it sees: whatever had its document when the run ended is not seen again."""
    for left_over in (200, 700):
        # Jobs in the background of a script ignore SIGINT, and SIGTERM must end a run then too.
        before = signal.signal(signal.SIGINT, signal.SIG_IGN if end is signal.SIGTERM else signal.default_int_handler)
        process = subprocess.Popen(
            score.arguments(many), stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True, cwd=ROOT, env=score.environment
        )
        signal.signal(signal.SIGINT, before)
        # Names alone are counted, because reading every document takes as long as the rest of the run on a busy machine.
        while process.poll() is None and sum(1 for _ in score.out.glob("*.json")) < left_over:
            time.sleep(0.01)
        process.send_signal(end)
        told = process.communicate()[1]
        assert process.returncode == (-end if end is signal.SIGKILL else 130), told
        assert ("the same command goes on" in told) == (end is not signal.SIGKILL)
    wait_for_workers(tmp_path, many)
    present = len(score.documents())

    summary = score.summary(many)

    assert (summary["classified"], summary["objects"]["duplicate"]) == (4000 - present, present)
    assert 0 < present < 4000
    assert score.documents() == undisturbed


def wait_for_workers(*folders):
    """Waits until no process has a file of the folders open; a killed command leaves workers, which end by themselves."""
    while any(str(folder) in text for text in open_files() for folder in folders):
        time.sleep(0.05)


def open_files():
    for process in Path("/proc").glob("[0-9]*"):
        with suppress(OSError):
            if b"multiprocessing.spawn" in (process / "cmdline").read_bytes():
                yield from [str(file.readlink()) for file in (process / "fd").iterdir()]


@pytest.mark.parametrize("option", ["--table", "--page", "--failed"])
def test_a_file_that_cannot_be_written_is_noticed_before_anything_is_scored(score, photos, option):
    (photos.parent / "file").write_bytes(b"")

    ended = score(photos, option, photos.parent / "file" / "t.csv")

    assert (ended.returncode, score.documents()) == (2, {})
    assert "Expected a file to write" in ended.stderr


def test_one_file_cannot_be_two_outputs(score, photos):
    ended = score(photos, "--table", photos.parent / "t.csv", "--failed", photos.parent / "photos" / ".." / "t.csv")

    assert (ended.returncode, score.documents()) == (2, {})
    assert "a file of its own" in ended.stderr


def test_a_closed_standard_input_is_told_in_one_line(score, photos):
    command = [sys.executable, "-m", "infra", "score", "-", "--out", str(score.out)]

    ended = subprocess.run(["sh", "-c", 'exec "$@" <&-', "sh", *command], cwd=ROOT, capture_output=True, text=True, check=False)

    assert (ended.returncode, len(ended.stderr.splitlines())) == (2, 1)
    assert "closed" in ended.stderr
